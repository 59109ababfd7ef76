"""Every command explains itself, and its name is where a person looks for it."""

from __future__ import annotations

import re
import signal

import pytest
import typer

from flows.cli import app
from flows.cli.earlier_options import NOW
from flows.machine.version import version
from tasks.core.cli import exit_code

COMMANDS = [
    "run", "merge", "init", "trial", "report", "land", "preset", "search", "environment",
    "monitor", "label", "backtest", "drift-pages",
    "promote", "champion", "history", "rollback", "approve",
    "status", "serve", "deploy", "server", "train", "verify", "prune", "identity", "move", "backup", "restore",
    "reaper", "demo", "upgrade", "schedule",
    "score", "drift", "gate", "explain", "trace", "export", "quarantine",
]  # fmt: skip
ONE_NAME = {"repository", "since", "until", "input", "output", "push"}  # of the same meaning everywhere
WIDTH = 60  # of a first sentence in the list


def root():
    return typer.main.get_command(app.application())


def shown(capsys, *words):
    assert exit_code(app.application(), [*words, "--help"], "driftline") == 0
    return capsys.readouterr().out


def test_the_version_is_that_of_pyproject(capsys):
    assert exit_code(app.application(), ["--version"], "driftline") == 0
    assert capsys.readouterr().out == f"driftline {version()}\n"
    assert re.fullmatch(r"\d+\.\d+\.\d+", version())


def test_the_list_is_complete():
    assert list(root().commands) == COMMANDS


@pytest.mark.proof
@pytest.mark.parametrize("name", COMMANDS)
def test_each_explains_itself(name, capsys):
    words = {"quarantine": ["quarantine", "release"], "schedule": ["schedule", "pull"]}.get(name, [name])
    text = shown(capsys, *words)
    assert text.startswith(f"Usage: driftline {' '.join(words)}")
    assert re.search(rf"^    driftline {' '.join(words)}", text, re.M), "no example"
    assert root().commands[name].get_short_help_str(1000) in shown(capsys).replace("\n               ", " ")


def test_every_option_has_its_help():
    for name, command in root().commands.items():
        for option in command.params:
            if option.name != "help" and not getattr(option, "hidden", False):
                assert option.help, f"{name} --{option.name}"


@pytest.mark.parametrize("name", NOW)
def test_earlier_options_are_gone_and_the_new_ones_exist(name):
    options = {option for parameter in root().commands[name].params for option in parameter.opts}
    new = {today.partition(",")[0] for today in NOW[name].values() if today.startswith("--")}
    assert not options & NOW[name].keys()
    assert new <= options


def test_options_of_one_meaning_have_one_name():
    for name, command in root().commands.items():
        for option in command.params:
            known = ONE_NAME & set(re.split("_", option.name))
            assert not known or option.name in ONE_NAME, f"{name}: {option.name}"


def test_without_a_command_the_list_is_shown(capsys):
    assert exit_code(app.application(), [], "driftline") == 0
    assert "The model in production:" in capsys.readouterr().out


@pytest.mark.proof
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["champion"], 0, "none yet"),
        (["history"], 0, "no version is registered yet"),
        (["preset"], 0, "bert"),
        (["verify"], 2, "holds no record of a run yet"),
        (["drift-pages"], 2, "holds no window yet: `driftline monitor` adds one"),
        (["rollback"], 2, "no champion came before this one"),
        (["monitor"], 2, "there is no champion to watch yet: `driftline promote` makes"),
        (["monitor", "--policy", "daily"], 2, "'daily' is not one of 'never', 'schedule'"),
        (["backtest", "--policy", "daily"], 2, "'daily' is not one of never, schedule"),
        (["train", "nope"], 2, "no stage 'nope'; the stages are"),
        (["prune"], 0, "nothing to delete"),
        (["report"], 2, "run `dvc repro`"),
        (["reaper"], 2, "no Prefect server answers at http://127.0.0.1:4200/api (from the default)"),
        (["status"], 1, "problem    nothing is there to start runs: `driftline serve`"),
        (["approve"], 2, "no Prefect server answers at http://127.0.0.1:4200/api"),
    ],
)
def test_what_a_fresh_repository_answers(words, code, said, fresh):
    done = fresh(*words)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert said in done.stdout + done.stderr
    assert code != 2 or done.stderr.startswith("error: ")


@pytest.mark.proof
def test_stages_run_and_one_that_breaks_is_a_failure(fresh, repository):
    assert fresh("run", "one").returncode == 0
    assert (repository / "one").read_text() == "1"
    broken = fresh("run", "two")
    assert broken.returncode == 1 and "two is broken" in broken.stderr
    assert not (repository / "two").exists()


@pytest.mark.proof
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_no_stage_behind(begin, number, code):
    process = begin("run", "long")
    while "begun" not in (line := process.stdout.readline()):
        assert line, process.stderr.read()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)  # the pipe closes when the last of its writers, the stage, is gone
    assert process.returncode == code
    assert ("interrupted: the running stage was stopped" in err) == (number == signal.SIGINT)


@pytest.mark.long
def test_the_same_stages_run_under_prefect(fresh, repository):
    done = fresh("train", "one")
    assert done.returncode == 0, done.stderr
    assert "one" in done.stdout
    failed = fresh("train", "two")
    assert failed.returncode == 1 and "two is broken" in failed.stderr and "Traceback" not in failed.stderr
