"""The commands that need no flow, the launcher, and the answers of old names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.old_commands import NOW, old_name

TOP = Path(__file__).parents[3]


def started(*command, where=TOP):
    environment = os.environ | {"PYTHONPATH": str(TOP)}
    return subprocess.run([sys.executable, *command], cwd=where, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("old", sorted(NOW))
def test_an_old_name_answers_with_the_new_one(old):
    done = started("-m", *old.split(), "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: `python -m {old}` is now `driftline {NOW[old]}`\n"


@pytest.mark.proof
@pytest.mark.parametrize(
    ("command", "refused"),
    [
        (
            "flows.serve --act train",
            "--act is now parameters.policy.action of the deployment monitoring in prefect.yaml",
        ),
        ("flows.monitoring --policy alarm --act promote", "--act is now --action"),
        ("flows.monitoring --most-loss=0.05", "--most-loss is now --tolerated-loss"),
        ("flows.monitoring --upstream origin", "--upstream is now --push"),
        ("driftline monitor --act train", "--act is now --action"),
        ("driftline backtest --policies never alarm", "--policies is now --policy, repeated for each policy"),
    ],
)
def test_an_option_of_earlier_releases_is_refused_with_the_new_one(command, refused):
    done = started("-m", *command.split())
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {refused}\n")


@pytest.mark.proof
def test_a_stage_keeps_its_name():
    assert old_name("tasks.explain", []) is None
    assert old_name("tasks.explain", ["--text=x"]) == "tasks.explain --text"
    assert started("-m", "tasks.explain", "--help").returncode == 0


def test_outside_of_a_repository_it_refuses(tmp_path):
    done = started("-m", "driftline", "preset", where=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {tmp_path} is in no Driftline repository: cd into one first\n"


def test_a_repository_of_a_release_without_it_is_refused(tmp_path):
    (tmp_path / "dvc.yaml").touch()
    for folder in ("tasks", "flows", "below"):
        (tmp_path / folder).mkdir()
    done = started("-m", "driftline", "preset", where=tmp_path / "below")
    assert done.returncode == 2 and done.stderr.startswith(f"error: {tmp_path} is of a release without")


def test_it_runs_the_code_of_the_repository_one_stands_in(tmp_path):
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "tasks").mkdir()
    (tmp_path / "flows" / "cli").mkdir(parents=True)
    for package in ("flows", "flows/cli"):
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "flows" / "cli" / "app.py").write_text("def run(folder): print('its own', folder)\n")
    done = started("-m", "driftline", where=tmp_path / "tasks")
    assert done.stdout == f"its own {tmp_path / 'tasks'}\n"


@pytest.mark.proof
def test_help_is_there_soon():
    code = (
        "import sys; sys.argv = ['driftline', '--help']\nimport driftline\n"
        "try: driftline.main()\nexcept SystemExit as end: assert not end.code\n"
        "print(*{'torch', 'prefect', 'dvc', 'pandas', 'pyarrow', 'rich'} & set(sys.modules), file=sys.stderr)"
    )
    done = started("-c", code)
    assert done.stderr.strip() == "", done.stderr


@pytest.mark.proof
def test_a_relative_file_counts_from_where_one_stands(tmp_path):
    (tmp_path / "rows.csv").write_text("confidence\nhigh\n")
    here = Path(os.path.relpath(tmp_path / "rows.csv", TOP / "docs"))
    done = started(
        "-m", "driftline", "drift", "--reference", str(here), "--current", "no", "--output", "v", where=TOP / "docs"
    )
    assert done.returncode == 2 and "confidence must hold numbers" in done.stderr


@pytest.mark.proof
def test_a_reader_that_stops_is_no_error():
    command = f"{sys.executable} -m driftline --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=TOP, capture_output=True, text=True)
    assert done.stderr == "" and done.stdout.strip() in ("0", "1")


@pytest.mark.proof
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nope"], "No such command 'nope': see driftline --help"),
        (["trace"], "Missing argument 'ID': see driftline trace --help"),
        (["export", "--threads", "0"], "--threads"),
        (["score"], "give exactly one of --text, --image and --input"),
        (["preset", "no"], "there is no presets/no.yaml; the presets are: bert"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(words, said):
    done = started("-m", "driftline", *words)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and said in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.proof
@pytest.mark.parametrize(
    ("line", "found"),
    [("driftline pro", ["promote"]), ("driftline monitor --action ", ["nothing", "train", "promote"])],
)
def test_a_shell_completes_commands_and_values(line, found):
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_DRIFTLINE_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-c", "import driftline; driftline.main()"],
        cwd=TOP / "docs", env=os.environ | {"PYTHONPATH": str(TOP)} | asked, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.stdout.split(), done.stderr) == (found, "")


def test_outside_of_a_repository_a_shell_completes_nothing(tmp_path):
    asked = {"COMP_WORDS": "driftline pro", "COMP_CWORD": "1", "_DRIFTLINE_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-m", "driftline"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(TOP)} | asked, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")
