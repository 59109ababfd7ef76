"""What runs, what is scheduled, what came of the last runs, the champion and the disk: ``driftline status``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prefect.client.schemas.objects import StateType

from flows.champion import registry
from flows.champion.code_age import code_age
from flows.machine import prefect_address
from flows.machine.home import Home
from flows.machine.server import client
from flows.pipeline.disk import free, readable
from flows.reaper import UNDER_WAY, flow_runs
from flows.runs.metrics import DriftVerdict, Evaluation
from flows.runs.record import Experiment, read_record, records
from flows.runs.workspace import shared_cache

SHOWN = 5


def server_lines(home: Home) -> Iterator[str]:
    """What Prefect's server knows of this repository's runs."""
    at = prefect_address.found()
    yield f"server     {at.page}, from {at.named_by}"
    with client() as server:
        names = {flow.id: flow.name for flow in server.read_flows()}
        running = list(flow_runs(server, home, UNDER_WAY))
        due = list(flow_runs(server, home, [StateType.SCHEDULED]))
    yield from (f"running    {one.name}: {one.state_name}, since {_time(one.start_time)}" for one in running)
    if not running:
        yield "running    nothing"
    first = {one.deployment_id: one for one in reversed(due)}  # the next of each deployment
    yield from (f"scheduled  {names[one.flow_id]} at {_time(one.expected_start_time)}" for one in first.values())
    if not first:
        yield "scheduled  nothing"


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "now"


def record_lines(home: Home) -> Iterator[str]:
    """The newest records, each with its verdicts."""
    known = records(home.origin)
    for past in known[:SHOWN]:
        yield f"record     {past.name}: {', '.join(verdicts(home, past))}"
    if not known:
        yield "record     none yet"


def verdicts(home: Home, past: Experiment) -> Iterator[str]:
    """How a run ended, how good its model is, and whether it saw drift."""
    yield read_record(home.origin, past).in_words()
    evaluation, drift = Evaluation.at(home.origin, past.commit), DriftVerdict.at(home.origin, past.commit)
    if evaluation and evaluation.macro_f1 is not None:
        yield f"macro-F1 {evaluation.macro_f1:.3f}"
    if drift:
        yield str(drift)


def champion_lines(home: Home) -> Iterator[str]:
    """The version that production uses, its commit, and the code that it watches with."""
    champion = registry.champion(home.origin)
    yield f"champion   {champion or 'none is tagged'}"
    if champion:
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


def lines(home: Home) -> Iterator[str]:
    """All of it."""
    yield f"repository {home.key}: {home.origin}"
    for part in (server_lines(home), record_lines(home), champion_lines(home), disk_lines(home)):
        yield from part
