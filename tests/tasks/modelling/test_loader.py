"""Every load of what others made goes through the one loader, and every load of our own files runs no code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TOP = Path(__file__).parents[3]
LOADER = "tasks/modelling/checkpoints/loader.py"
LOADS = {
    "from_pretrained", "from_config", "load_dataset", "load_from_disk", "get_dataset_split_names", "snapshot_download",
    "hf_hub_download", "load_adapter", "load_file", "pipeline", "get_class_from_dynamic_module",
}  # fmt: skip
ELSEWHERE = {
    "tasks/modelling/checkpoints/inspection.py": {"safe_open"},
    "tasks/modelling/linear/scorer.py": {"load_file"},
    "tasks/modelling/linear/pixels.py": {"load_file"},  # of safetensors, and of weights that it wrote itself
}
CODE = sorted(file for folder in ("tasks", "flows") for file in (TOP / folder).rglob("*.py"))


def calls(file):
    """Name and keyword arguments of every call in a file."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            owner = getattr(getattr(node.func, "value", None), "id", "")
            yield name, owner, {one.arg: ast.unparse(one.value) for one in node.keywords}


@pytest.mark.parametrize("file", CODE, ids=lambda file: str(file.relative_to(TOP)))
def test_nothing_is_loaded_elsewhere(file):
    name = str(file.relative_to(TOP))
    found = {call for call, _, _ in calls(file) if call in LOADS | {"safe_open"}}
    assert found <= (LOADS if name == LOADER else ELSEWHERE.get(name, set()))


@pytest.mark.parametrize("file", CODE, ids=lambda file: str(file.relative_to(TOP)))
def test_no_load_of_our_own_files_unpickles(file):
    for call, owner, arguments in calls(file):
        assert (owner, call) not in {("pickle", "load"), ("pickle", "loads"), ("joblib", "load"), ("dill", "load")}
        if (owner, call) == ("torch", "load"):
            assert arguments.get("weights_only") == "True"
        if (owner, call) == ("np", "load"):
            assert arguments.get("allow_pickle", "False") == "False"


def test_the_loader_says_no_to_code_in_every_load():
    for call, _, arguments in calls(TOP / LOADER):
        if call in {"from_pretrained", "from_config", "load_dataset"}:
            assert arguments.get("trust_remote_code") == "False" or arguments.get(None) == "SAFE"
    text = (TOP / LOADER).read_text(encoding="utf-8")
    assert '"trust_remote_code": False' in text
