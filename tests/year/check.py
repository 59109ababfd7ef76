"""What a year has to show: every window watched once, no run lost, every alarm told once, records that rebuild."""

from __future__ import annotations

import os
import platform
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any

from flows.machine.home import Home
from flows.monitoring import watch
from flows.runs.record import read_record, records
from tests.year.service import Service
from tests.year.story import CHANGES, week_of

VERIFIED = 10


@dataclass
class Found:
    """Figures, and what is not as it should be."""

    figures: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def check(service: Service, weeks: int) -> Found:
    """Look at records, states and notifications of the year."""
    os.environ |= {name: service.environment()[name] for name in ("DRIFTLINE_HOME", "PREFECT_HOME", "PREFECT_API_URL")}
    service.up()
    found, home = Found(), Home.of(service.repository("mails"))
    by_runs = [(run, seen) for _, run, seen in watch.watched_runs(home) if run.flow_run in service.runs]
    watched = Counter(seen.window for _, seen in by_runs)  # `driftline label` measures a window again
    for week in range(weeks):
        if (times := watched.pop(week_of(week), 0)) != 1:
            found.faults.append(f"week {week} was watched {times} times")
    after = {seen.window for _, seen in by_runs if seen.no_rows and seen.window.since >= week_of(weeks).since}
    found.faults += [f"a window that nobody asked for was watched: {one}" for one in watched if one not in after]
    alarms = [run for run, seen in by_runs if seen.verdict.alarm]
    befores = [*(seen for _, seen in by_runs[1:]), None]  # newest first
    begin = [
        run.name
        for (run, seen), before in zip(by_runs, befores, strict=True)
        if seen.verdict.alarm and not watch.continues(home, seen, before)
    ]
    found.figures["windows"] = {
        "watched": weeks, "with an alarm": len(alarms), "that began an alarm": len(begin), "without rows": len(after),
    }  # fmt: skip
    if weeks > CHANGES[0] and not alarms:
        found.faults.append("no window raised an alarm, though words changed")
    _alarms_told(service, begin, found)
    _no_run_lost(service, home, found)
    _verified(service, home, found)
    found.figures["bytes"] = dict(service.all_bytes())
    found.figures["memory"] = {name: _memory(service, name) for name in ("server", "worker")}
    return found


def _alarms_told(service: Service, names: list[str], found: Found) -> None:
    texts = [f"{one['subject']}\n{one['body']}" for one in service.told]
    for name in names:
        if (times := sum(name in text for text in texts)) != 1:
            found.faults.append(f"the alarm of {name} was told {times} times")
    found.figures["notifications"] = dict(Counter(one["subject"] for one in service.told))


def _no_run_lost(service: Service, home: Home, found: Found) -> None:
    """Each run has a record, or a state that says why it has none."""
    for id_, run in list(service.runs.items()):
        if "type" not in run:  # this driver was ended before the run was
            service.ended(id_)
    recorded = {"mails": home, "other": Home.of(service.repository("other"))}
    known = {read_record(one.origin, past).flow_run for one in recorded.values() for past in records(one.origin)}
    states = Counter(f"{run['flow']}, {run['name']}" for run in service.runs.values())
    for id_, run in service.runs.items():
        if id_ not in known and run["name"] not in ("Skipped", "Crashed"):
            found.faults.append(f"{run['why']} ({run['called']}) ended as {run['name']} and left no record")
    found.figures["runs"] = {"started": len(service.runs), "recorded": len(known & set(service.runs)), **states}


def _verified(service: Service, home: Home, found: Found) -> None:
    done = [past for past in records(home.origin) if read_record(home.origin, past).completed]
    drawn = random.Random(7).sample(done, min(VERIFIED, len(done)))
    for past in drawn:
        said = service.command("driftline", "verify", past.name, "--repository", str(home.origin), code=None)
        if "same bytes" not in said and "the same" not in said:
            found.faults.append(f"{past.name} does not rebuild: {said.strip().splitlines()[-1:]}")
    found.figures["verified"] = len(drawn)


def _memory(service: Service, name: str) -> tuple[float, float]:
    """The largest resident memory in MB, and the growth in MB a run of the process that saw the most runs.

    The growth is the slope between the medians of its second and its last third: a start's own growth does not count.
    """
    seen = [run["memory"][name] for run in service.runs.values() if name in run.get("memory", {})]
    by_process: dict[int, list[float]] = {}
    for pid, size in seen:
        by_process.setdefault(pid, []).append(size)
    longest = max(by_process.values(), key=len)
    third = max(1, len(longest) // 3)
    growth = (median(longest[-third:]) - median(longest[third : 2 * third] or longest)) / third
    return max(size for _, size in seen), growth


def text(service: Service, found: Found) -> str:
    """The section of bench/RESULTS.md."""
    runs, sizes = found.figures["runs"], found.figures["bytes"]
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    lines = [
        f"`python -m tests.year`, {datetime.now(UTC):%Y-%m-%d}, {machine}: a Prefect server, a worker and two "
        "repositories with the tiny pipeline. Dates are the data's; runs are started back to back. Rows and labels "
        "come late, worker and server are killed, the power fails, the remote is away, the checkout moves, its "
        "champion is re-issued, and the machine is lost and restored from a backup.",
        "",
        "| | |",
        "|---|---|",
        f"| windows that had to be watched exactly once | {found.figures['windows']['watched']} |",
        f"| of these with an alarm | {found.figures['windows']['with an alarm']} |",
        "| with the first alarm under their model, which had to be told once | "
        f"{found.figures['windows']['that began an alarm']} |",
        "| windows that have closed since, which had no rows and were said so | "
        f"{found.figures['windows']['without rows']} |",
        f"| runs started, with a record | {runs['started']}, {runs['recorded']} |",
        f"| records that `driftline verify` rebuilt | {found.figures['verified']} |",
        f"| mean seconds of a run, from start to end | {service.seconds / max(1, len(service.runs)):.0f} s |",
        *(f"| {name} on disk at the end | {size / 1e6:.0f} MB |" for name, size in sizes.items()),
        *(
            f"| {name}: largest resident memory, growth a run | {largest:.0f} MB, {growth:+.2f} MB |"
            for name, (largest, growth) in found.figures["memory"].items()
        ),
        f"| not as it should be | {'; '.join(found.faults) or 'nothing'} |",
    ]
    return "\n".join(lines)
