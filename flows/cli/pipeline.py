"""The pipeline in this working tree."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from flows.champion.manifest import verify_warm_start
from flows.cli.options import HomeOption, examples, interruptible
from flows.machine.home import Home
from flows.pipeline import dvc_locks, guard, output, seconds, unequal
from tasks.core import params, recorded, timings
from tasks.core.cli import FAILED, from_caller
from tasks.core.files import replacing
from tasks.core.paths import REPORTS
from tasks.land.command import land

PANEL = "The pipeline, in this folder"
commands = typer.Typer()


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples("run            # everything that has changed", "run finetune   # this stage and what it needs"),
)
def run(
    stages: Annotated[list[str] | None, typer.Argument(metavar="STAGE", help="As in dvc.yaml; all by default.")] = None,
) -> None:
    """Bring the pipeline up to date: `dvc repro`, then `report`.

    Ends with where the seconds went. Ctrl-C stops the running stage; the next run goes on from there.
    """
    verify_warm_start(Path())
    recorded.require_readable()
    began = time.time()
    with interruptible("the running stage was stopped; run again to go on"):
        printed = _reproduce(stages or [])
    if not stages and not printed.issuperset(closing := _results()):
        print("\n".join(closing))
    _say_seconds(began)
    for line in unequal.lines(Path()):
        print(line)


def _reproduce(stages: list[str]) -> set[str]:
    """`dvc repro`, which ends with this process, and what it printed; a stage that fails has said why.

    Progress bars are on standard error, which stays the terminal's.
    """
    dvc_locks.clear_stale()
    unbuffered = os.environ | {"PYTHONUNBUFFERED": "1"}  # a stage's line is seen when it is printed
    command = [sys.executable, "-m", "dvc", "repro", "--", *stages]
    running = guard.start(command, stdout=subprocess.PIPE, env=unbuffered)
    assert running.stdout
    printed = set()
    try:
        for line in output.lines(iter(partial(os.read, running.stdout.fileno(), 65536), b""), lambda _: None):
            if not output.CHATTER.fullmatch(line):
                print(line, flush=True)
                printed.add(line)
    finally:
        guard.stop(running)
        running.stdout.close()
    if running.returncode:
        raise typer.Exit(FAILED)
    return printed


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples(
        "merge topic   # a branch that ran the pipeline too", "merge         # go on, conflicts are settled"
    ),
)
def merge(
    branch: Annotated[str | None, typer.Argument(metavar="BRANCH", help="None: the merge that is under way.")] = None,
) -> None:
    """Merge a branch; dvc.lock and metrics are settled by stage.

    A stage that one side ran on the merged inputs is taken, the others run. Exit code 1: conflicts are left to you.
    """
    from flows.pipeline import merge as merging
    from flows.pipeline import merge_pointers

    top = Path()
    if not merging.begin(top, branch):
        print("nothing to merge")
        return
    for taken in merge_pointers.settle(top):
        print(taken)
    if left := merging.conflicts(top):
        print("\n".join(f"CONFLICT {merge_pointers.how_to_settle(path)}" for path in left))
        print("settle each, `git add` it, then `driftline merge`; to go back: git merge --abort")
        raise typer.Exit(FAILED)
    done = merging.settle(top)
    print("\n".join(done.lines()))
    with interruptible("the running stage was stopped; `driftline merge` goes on"):
        _reproduce([])
    print(f"merged in commit {merging.finish(top)[:12]}")


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples(
        "init ../tickets.csv                            # propose, show, ask, write",
        "init data/mails --text body --label topic --yes",
    ),
)
def init(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", parser=from_caller, help="A file or folder, or several files.")
    ],
    text: Annotated[str | None, typer.Option(help="The column of texts.")] = None,
    text_pair: Annotated[str | None, typer.Option(help="The column of second texts, of pairs; never guessed.")] = None,
    label: Annotated[str | None, typer.Option(help='The column of labels; "" for none.')] = None,
    time: Annotated[str | None, typer.Option(help='The column of times; "" for none.')] = None,
    id: Annotated[str | None, typer.Option(help='The column of ids; "" for none.')] = None,
    time_format: Annotated[str | None, typer.Option(help='Such as "%d.%m.%Y", iso or epoch_ms.')] = None,
    encoding: Annotated[str | None, typer.Option(help="Such as cp1252.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
) -> None:
    """Look at your data and write params.yaml for them.

    Proposes columns, times, labels and windows with its reasons and doubts, and shows ten rows as they will be read.
    """
    from flows.start import dialogue, init
    from flows.start.roles import Role

    given: dict[Role, str | None] = {
        "text": text,
        "text_pair": text_pair or None,
        "label": label,
        "timestamp": time,
        "id": id,
    }
    settled = {"time_format": time_format, "encoding": encoding}
    found = init.propose(
        init.bring(files),
        {role: name or None for role, name in given.items() if name is not None},
        {key: value for key, value in settled.items() if value},
    )
    dialogue.show(found)
    if not dialogue.agreed(found, yes):
        print("params.yaml is as it was; say --text, --text-pair, --label, --time or --id to settle a part")
        raise typer.Exit(FAILED)
    init.write(found)
    if name := Home.of(Path()).commit_name():
        print(f"prefect.yaml calls this repository {name}, after its folder; another name is yours to give")
    if params.general().model.family == "linear":
        print(dialogue.other_model(found))
    print("params.yaml and behaviour.yaml are written. Next: driftline trial")


@commands.command(rich_help_panel=PANEL, epilog=examples("trial", "trial --rows 1000"))
def trial(rows: Annotated[int, typer.Option(min=20, help="About how many.")] = 200) -> None:
    """Run the whole pipeline on few rows, in the folder .trial."""
    from flows.start.trial import trial

    tried = trial(rows)
    for stage in tried.skipped:
        print(f"{stage} was left out: its command is no `python -m ...`")
    print(f"the pipeline runs on {tried.rows} rows, {tried.seconds:.0f} s; how good a model of so few is says little")
    print(f"report: {tried.page}    next: driftline run")


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples(
        "report",
        "report --open                                      # in the browser",
        "report training-mails-20261123-020000-3f2a         # of a recorded run",
        "report champion training-mails-20261123-020000-3f2a   # two runs beside each other",
        "report training-mails-20261123-020000-3f2a .          # ... and this folder",
    ),
)
def report(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="A recorded run; by default this folder.")] = None,
    other: Annotated[
        str | None, typer.Argument(metavar="OTHER", help="A second run, to compare; . is this folder.")
    ] = None,
    open: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    *,
    home: HomeOption,
) -> None:
    """Say how good the model is and whether there is drift.

    Of a run it says where a browser opens its reports; of two, where it opens a page that compares them: what differs
    in parameters, rows, code and packages, and what that did to the model.
    """
    if run and other:
        from flows.two_runs import show as two_runs

        two_runs.show(home, (run, other))
        return
    if run:
        from flows.runs.reports import show

        show(home, run)
        return
    print("\n".join(_results()))
    if open:
        from tasks.report import INDEX

        typer.launch(Path(INDEX).absolute().as_uri())


def _results() -> list[str]:
    """What `report` ends with."""
    from tasks.report import inputs
    from tasks.report.closing_summary import closing_lines

    return list(closing_lines(inputs.read_inputs()))


def _say_seconds(began: float) -> None:
    """Where the seconds of each stage that ran since ``began`` went, as lines and as a page; nothing where none did."""
    if found := timings.since(began):
        lines, page = seconds.table(found, time.time() - began), REPORTS / seconds.PAGE
        with replacing(page) as part:
            part.write_text(seconds.page(lines), encoding="utf-8")
        print("\n".join([*lines, f"the same as a page: {page}"]))


commands.command(
    rich_help_panel=PANEL,
    epilog=examples(
        "land                     # every source of landing.yaml",
        "land tickets --dry-run   # say what would land, and land nothing",
        'land --retire data/landing/tickets/000002 --reason "labels of another queue"',
        "land tickets --full      # read every row again, and land those that the cursor passed by",
    ),
)(land)


@commands.command(rich_help_panel=PANEL, epilog=examples("preset       # which there are", "preset gpu"))
def preset(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A file of presets/, without its ending.")] = None,
) -> None:
    """Change params.yaml as a preset says, or list the presets."""
    from tasks.preset import PRESETS, apply, names

    if name is None:
        print("\n".join(names()))
        return
    print("\n".join(apply(PRESETS / f"{name}.yaml") or ["nothing to change"]))


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples(
        "search               # as search.yaml says, or what is usual for this model",
        "search --trials 50   # so many in all: those of earlier calls count",
    ),
)
def search(
    trials: Annotated[int | None, typer.Option(min=1, help="In all; by default what search.yaml says, or 20.")] = None,
    *,
    home: HomeOption,
) -> None:
    """Try other values of params.yaml, judged on validation rows.

    Trains at the last commit, in a clone. Each trial is a DVC experiment; an unpromising one is ended early. Stop it at
    any time: the next call goes on. Ends with the best values, and by how much choosing them flatters.
    """
    from flows.search.command import search

    with interruptible("the trial was stopped; search again to go on"):
        for line in search(home, trials):
            print(line, flush=True)


@commands.command(rich_help_panel=PANEL, epilog=examples("environment   # `make lock` does it"))
def environment() -> None:
    """Write environment.json from requirements.lock.

    It holds the versions whose change makes stages stale.
    """
    from tasks.environment import write

    write()
