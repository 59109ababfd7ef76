"""dvc.yaml says what the code does: DVC sees no imports, so a dep that is missing here means stale output there."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from importlib import import_module
from io import StringIO
from pathlib import Path

import pytest
import yaml as pyyaml
from dvc.repo import Repo
from dvc.utils.serialize import modify_yaml
from ruamel.yaml import YAML

from tasks import environment
from tasks.core import params, paths
from tasks.dataset import layout, windows
from tasks.validate import RELEASED

TOP = Path(__file__).parent.parent
ONE_MODULE = {"behaviour", "images", "redaction", "modelling/checkpoints/families"}  # code in a shared __init__
DECIDED_BY_VERSIONS = {"tokenize", "pretrain", "finetune", "score@reference", "score@current"}


@cache
def stages():
    return {stage.addressing: stage for stage in Repo(str(TOP)).index.stages}


def stage_names():
    return sorted(YAML(typ="safe").load((TOP / "dvc.yaml").read_text())["stages"])


def modules_of(stage):
    """Every tasks.* module that running ``python -m tasks.<stage>`` can import, as files."""
    package = TOP / "tasks" / stage
    todo = sorted(package.glob("**/*.py")) if package.is_dir() else [package.with_suffix(".py")]
    seen = set()
    while todo:
        file = todo.pop()
        if file in seen:
            continue
        seen.add(file)
        todo += [found for name in imports(file) for found in files_of(name)]
    return seen


@cache
def imports(file):
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide what is imported"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.split(".")[0] == "tasks"}


@cache
def files_of(module):
    path = TOP.joinpath(*module.split("."))
    found = [path.with_suffix(".py"), path / "__init__.py"]
    return [file for file in found if file.exists() and module != "tasks" and not only_a_docstring(file)]


@cache
def only_a_docstring(file):
    """Whether nothing that a stage makes can depend on it."""
    return all(isinstance(node, ast.Expr) for node in ast.parse(file.read_text(encoding="utf-8")).body)


def covered(file, deps):
    return any(file == TOP / dep or (TOP / dep) in file.parents for dep in deps)


def deps_of(stage):
    return {str(Path(dep.fs_path).relative_to(TOP)) for dep in stage.deps if not hasattr(dep, "params")}


@pytest.mark.parametrize("name", sorted(stages()))
def test_the_command_is_the_module_of_the_stage(name):
    stage, _, window = name.partition("@")
    expected = f"python -m tasks.{stage}" + (f" --window {window}" if window else "")
    assert stages()[name].cmd == expected


@pytest.mark.proof
@pytest.mark.parametrize("name", sorted(stages()))
def test_every_module_a_stage_imports_is_a_dep(name):
    deps = deps_of(stages()[name])
    missing = {str(f.relative_to(TOP)) for f in modules_of(name.partition("@")[0]) if not covered(f, deps)}
    assert not missing


def test_the_init_of_a_shared_package_holds_a_docstring_only():
    """It is imported with whatever is taken from the package: code in it would have to be a dep of all who do."""
    reached = {
        file for stage in stage_names() for file in modules_of(stage) if TOP / "tasks" / stage not in file.parents
    }
    code = {file.parent for file in reached if file.name == "__init__.py"}
    assert {str(folder.relative_to(TOP / "tasks")) for folder in code} <= ONE_MODULE


@pytest.mark.parametrize("name", sorted(stages()))
def test_no_stage_knows_another_or_prefect(name):
    own = name.partition("@")[0]
    for file in modules_of(own):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(import|from) (prefect|flows)\b", text, re.M), file
    others = {f"tasks.{other}" for other in stage_names()} - {f"tasks.{own}"}
    reached = {name for file in modules_of(own) for name in imports(file)}
    assert not {name for name in reached for other in others if name == other or name.startswith(f"{other}.")}


@pytest.mark.parametrize("name", sorted(stages()))
def test_the_params_of_a_stage_exist(name):
    values = params.read(TOP / "params.yaml")
    keys = [key for dep in stages()[name].deps for key in getattr(dep, "params", [])]
    assert name.partition("@")[0] in {key.partition(".")[0] for key in keys}, "DVC says which keys a stage depends on"
    for key in keys:
        here = values
        for part in key.split("."):
            assert part in here, f"{name}: {key} is not in params.yaml"
            here = here[part]


def known_paths(name):
    """Every path that the stage's package, core and dataset name."""
    modules = [paths, layout, import_module(f"tasks.{name}")]
    constants = [value for module in modules for value in vars(module).values() if isinstance(value, Path)]
    windows = [layout.window(name) for name in paths.WINDOWS]
    kinds = [kind for kind, value in vars(layout.WindowPaths).items() if isinstance(value, property)]
    return {str(path) for path in [*constants, *(getattr(window, kind) for window in windows for kind in kinds)]}


@pytest.mark.parametrize("name", sorted(stages()))
def test_every_artefact_path_is_named_once(name):
    stage, _, window = name.partition("@")
    outs = {str(Path(out.fs_path).relative_to(TOP)) for out in stages()[name].outs}
    metrics = {str(paths.metrics(stage, window or None))}
    assert outs <= known_paths(stage) | metrics
    made = {str(Path(out.fs_path).relative_to(TOP)) for other in stages().values() for out in other.outs}
    sources = ("tasks", "data/samples", "data/landing", "data/sources", "data/labels")
    artefacts = {dep for dep in deps_of(stages()[name]) if not dep.startswith(sources)}
    within = {dep for dep in artefacts if any(dep.startswith(f"{folder}/") for folder in made)}
    assert artefacts - within <= made | {
        "environment.json",
        "behaviour.yaml",
        "measures.py",
        "models/base",
        str(RELEASED),
    }  # git's


def test_metrics_are_tracked_by_git_and_everything_else_by_dvc():
    for stage in stages().values():
        for out in stage.outs:
            is_metric = Path(out.fs_path).relative_to(TOP).parts[0] == "metrics"
            assert out.use_cache is not is_metric, out


def test_every_section_belongs_to_a_stage_and_every_stage_has_one():
    sections = set(params.read(TOP / "params.yaml")) - set(params.General.model_fields) - {"windows", "gate"}
    assert sections == set(stage_names())


def test_the_versions_that_decide_results_are_those_of_the_lock():
    lock = (TOP / "requirements.lock").read_text(encoding="utf-8")
    written = (TOP / paths.ENVIRONMENT).read_text(encoding="utf-8")
    assert json.loads(written) == environment.decisive_versions(lock), "run driftline environment"
    for name in DECIDED_BY_VERSIONS:
        assert str(paths.ENVIRONMENT) in deps_of(stages()[name])


def test_the_lock_names_no_place_and_pins_everything():
    for line in (TOP / "requirements.lock").read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", line), line


def test_dvc_can_rewrite_params_yaml(tmp_path):
    """``dvc exp run -S`` drops the quotes of values in braces, which are then other values or no YAML at all."""
    before = (TOP / paths.PARAMS).read_text(encoding="utf-8")
    file = tmp_path / "params.yaml"
    file.write_text(before, encoding="utf-8")
    with modify_yaml(file) as content:
        content["finetune"]["epochs"] += 1
    found, expected = params.read(file), params.read(TOP / paths.PARAMS)
    assert found["finetune"].pop("epochs") == expected["finetune"].pop("epochs") + 1
    assert found == expected


def _by_ruamel(text, kind):
    yaml, written = YAML(typ=kind), StringIO()
    yaml.dump(yaml.load(text), written)
    return written.getvalue()


REWRITES = {
    "PyYAML, blocks": lambda text: pyyaml.safe_dump(pyyaml.safe_load(text)),
    "PyYAML, braces": lambda text: pyyaml.safe_dump(pyyaml.safe_load(text), default_flow_style=True),
    "PyYAML, quoted": lambda text: pyyaml.safe_dump(pyyaml.safe_load(text), default_style='"'),
    "ruamel.yaml": lambda text: _by_ruamel(text, "rt"),
    "ruamel.yaml, plain": lambda text: _by_ruamel(text, "safe"),
    "JSON": lambda text: json.dumps(pyyaml.safe_load(text)),
    "dates without quotes": lambda text: re.sub(r'"(\d{4}-\d\d-\d\d)"', r"\1", text),
}


@pytest.mark.parametrize("rewrite", REWRITES.values(), ids=REWRITES)
@pytest.mark.parametrize(
    "file", [paths.PARAMS, *sorted(file.relative_to(TOP) for file in TOP.glob("presets/*.yaml"))], ids=str
)
def test_any_yaml_tool_can_rewrite_params_yaml(rewrite, file, tmp_path):
    """Comments may go; what the sections read is the same."""
    text = (TOP / file).read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(rewrite(text), encoding="utf-8")
    found, expected = params.read(tmp_path / "params.yaml"), params.read(TOP / file)
    assert windows.load(tmp_path / "params.yaml") == windows.load(TOP / file)
    assert {**found, "windows": None} == {**expected, "windows": None}


def test_dvc_compares_one_small_file():
    metrics = {out.fs_path: out for stage in stages().values() for out in stage.outs if out.metric}
    assert [Path(path).name for path in metrics] == ["summary.json"]
