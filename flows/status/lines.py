"""A status for a person: what runs, what is due, what came of the last runs, the champion, the disk, what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from flows.champion import registry
from flows.champion.code_age import code_age
from flows.champion.training_window import Trained
from flows.machine.home import Home
from flows.pipeline.disk import free, readable
from flows.runs.metrics import Evaluation
from flows.runs.record import Experiment, now, read_record, records
from flows.runs.workspace import shared_cache
from flows.status.model import Runs, Status
from flows.windows.ranges import as_text

SHOWN = 5


def lines(home: Home, found: Status) -> Iterator[str]:
    """All of it, and at the end what is wrong."""
    yield f"repository {home.key}: {home.origin}"
    yield f"server     {found.server.api.removesuffix('/api')}, from {found.server.named_by}"
    yield f"runner     {found.runner.about if found.runner.alive else 'none'}"
    for part in (_runs(found.runs), _windows(found), record_lines(home), champion_lines(home), disk_lines(home)):
        yield from part
    yield from (f"problem    {one}" for one in found.problems)


def _runs(found: Runs | None) -> Iterator[str]:
    if found is None:
        return
    yield from (f"running    {one.name}: {one.state}, since {_time(one.at)}" for one in found.running)
    if not found.running:
        yield "running    nothing"
    yield from (f"scheduled  {one.flow} at {_time(one.at)}" for one in found.scheduled)
    if not found.scheduled:
        yield "scheduled  nothing"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _windows(found: Status) -> Iterator[str]:
    """How far monitoring has come, and what waits for it and for a person."""
    if found.windows:
        until, following = found.windows.watched_until, found.windows.next
        yield f"windows    watched until {as_text(until) or 'none yet'}; next {following or 'all there is'}"
        if found.windows.waiting and found.windows.oldest_closed:
            closed = age(found.windows.oldest_closed, found.at)
            yield f"           {found.windows.waiting} closed and not watched, the first {closed} ago"
        if found.windows.without_rows:
            yield f"           {found.windows.without_rows} of those before had no rows, and are watched once some come"
    if found.labels.rows:
        yield f"labels     {found.labels.rows} rows of {found.labels.windows} windows wait for one"


def age(since: datetime, at: datetime) -> str:
    """A length of time as a person says it."""
    hours = (at - since).total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"


def record_lines(home: Home) -> Iterator[str]:
    """The newest records, each with its verdicts."""
    known = records(home.origin)
    for past in known[:SHOWN]:
        yield f"record     {past.name}: {', '.join(verdicts(home, past))}"
    if not known:
        yield "record     none yet"


def verdicts(home: Home, past: Experiment) -> Iterator[str]:
    """How a run ended, how good its model is, and the verdict on its window."""
    run = read_record(home.origin, past)
    yield run.in_words()
    evaluation = Evaluation.at(home.origin, past.commit)
    if evaluation and evaluation.macro_f1 is not None:
        yield f"macro-F1 {evaluation.macro_f1:.3f}"
    if run.watched:
        yield run.watched.verdict.word


def champion_lines(home: Home) -> Iterator[str]:
    """The version that production uses, its commit, and the code that it watches with."""
    champion = registry.champion(home.origin)
    yield f"champion   {champion or 'none is tagged'}"
    if champion:
        trained = Trained.at(home, champion.commit)
        yield f"           trained on {trained}" + (f", {age(end, now())} ago" if (end := trained.window.until) else "")
        yield f"code       {code_age(home, champion.commit)}"


def disk_lines(home: Home) -> Iterator[str]:
    """What is free, and what the clones and the cache take."""
    cache = shared_cache(home)
    clones = list(home.clones.glob("*"))
    yield f"disk       {readable(free(home.origin))} free where the repository is"
    named = {f"{len(clones)} clones": home.clones, "checkpoints": home.checkpoints, "the cache": cache}
    for what, folder in named.items():
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
        yield f"           {readable(size)} in {what}: {folder}"
