"""Alarms worth waking for: ``python -m bench.alarms [PART…] [--minutes M]``.

``watch``: streams of dated texts with labels, a model for every reference and the product's verdict on the windows
after it. ``planted``: real texts in a random order with one dated change. ``evidently``, ``nanny`` and ``alibi``: what
others say of the windows of ``watch``. ``policies``: refits on *harmful* and *unusual* beside a schedule and none.
``windows`` and ``schedules``: whether the budget holds on nights that nothing but a planted, steady variation moves.
What is finished is kept, so that a run that M minutes end goes on where it was; ``write`` puts what there is into
bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

from bench.alarms import budget, policies
from bench.alarms.cases import Case, cases
from bench.alarms.peers import ask_alibi, ask_evidently, ask_nanny
from bench.alarms.planted import CHANGED, CHANGES, CORPORA, MONTHS, PLANTED, REFERENCE, ROWS
from bench.alarms.streams import HORIZON, LOOKED_AT, STREAMS
from bench.alarms.table import arms_table, errors_table, streams_table
from bench.alarms.watch import MAX_ROWS, watch_all
from bench.drift.__main__ import head
from bench.results import write_section
from flows.backtest.replay import Summary

PARTS = ("watch", "planted", "nanny", "alibi", "evidently", "policies", "windows", "schedules", "write")
ARMS = (  # that are shown stream by stream
    "changed alone (the gate)",
    "word harmful",
    "alarm: harmful or unusual",
    "NannyML CBPE: any chunk",
    "CBPE ≥ 2 points",
    "corrected ≥ 2 points",
    "newer model ≥ 2 points",
)


def alarms_text(known: list[Case]) -> str:
    """The section on harm, in Markdown."""
    truths = Counter(one.truth for one in known)
    decidable = truths["harmed"] + truths["unharmed"]
    untouched = {stream.name: stream.untouched for stream in STREAMS}
    models = {(one.stream, one.watch) for one in known}
    parts = [
        f"{head('python -m bench.alarms')} {len({one.stream for one in known})} of {len(STREAMS)} streams, "
        f"{len(models)} of their {sum(len(list(each.cut(each.load()))) for each in STREAMS)} models, each a probe "
        "(bench/drift/probe.py) of the windows before, watched on at most "
        f"{HORIZON} windows of at most {MAX_ROWS:,} rows: {len(known)} windows. {truths['harmed']} were harmed: "
        "accuracy fell by 2 points or more, and the 95 % interval of the fall lies above 0. "
        f"{truths['unharmed']} were unharmed, as the interval lies below 2 points: "
        f"{truths['unharmed'] / max(decidable, 1):.0%} of the decidable. {truths['undecidable']} are undecidable; most "
        "windows have fewer than 1,000 labelled rows, which is why so many are. No arm is told the window's labels; "
        "*last measured*, *corrected* (by how much CBPE missed in the model's windows before) and *newer model* (the "
        "answers' chances under a model of the windows just before) use the labels of earlier windows, and are CBPE "
        "where there are none. Brackets: 95 %, streams drawn anew. Delay: windows from a model's first harmed one to "
        "the first alarm in or after it; models whose harm never raised one.",
        "",
        f"{LOOKED_AT}",
    ]
    for half, name in ((False, "Streams that settings were chosen on"), (True, "Streams untouched by any choice")):
        own = [one for one in known if untouched[one.stream] is half]
        if own:
            parts += ["", f"**{name}.**", "", *arms_table(own)]
    return "\n".join(
        [
            *parts,
            "",
            "**Stream by stream.** Harmed windows with an alarm; unharmed windows with one.",
            "",
            *streams_table(known, ARMS),
            "",
            "**The predicted loss of accuracy**: mean absolute error in points, and over how many windows.",
            "",
            *errors_table(known),
        ]
    )


def planted_text(known: list[Case]) -> str:
    """The section on planted changes, in Markdown."""
    changes = "; ".join(f"*{name}*: {(plant.__doc__ or '').rstrip('.')}" for name, plant in CHANGES.items())
    text = (
        f"{head('python -m bench.alarms planted')} Semi-synthetic: {' and '.join(CORPORA)} in a random order, "
        f"{MONTHS} months of {ROWS:,} rows, and from month {CHANGED + 1} on a planted change. {changes}. A model of "
        f"each {REFERENCE} months, watched on at most {HORIZON} months after them, is asked without their labels, as "
        "in *Alarms worth waking for*; windows before the change are harmed by nothing but chance. A model whose "
        "reference has the change in it has learnt some of it."
    )
    lines = [text, "", *arms_table(known), "", *streams_table(known, ARMS)]
    return "\n".join(lines)


def budget_text() -> str:
    """The section on the budget, in Markdown."""
    text = (
        f"{head('python -m bench.alarms windows schedules')} WordNet's glosses as nights of {budget.ROWS} rows, scored "
        "by the probe; the budget is one false alarm in 365 days, of *harmful* and *unusual* together, before the "
        "night's labels and with them. In a random order nothing changes; with a mix of the 45 classes drawn anew for "
        "each night (Dirichlet) every night changes, and none more than the others. Of the schedules the features are "
        "computed once, and a night is taken to have changed always. Brackets: a Poisson count's exact interval."
    )
    return "\n".join([text, "", *budget.table()])


def policies_text(found: dict[str, dict[str, Summary]]) -> str:
    """The section on refits, in Markdown, of the streams whose every answer is known."""
    served = sum(policies.serves(one) for one in found.values())
    text = (
        f"{head('python -m bench.alarms policies')} The streams of *Alarms worth waking for*, each window of a stream "
        "under the model that the policy has by then; a refit is a probe of the windows before, always promoted; "
        "labels come after a window's decision: *harmful* is predicted. The schedule refits after every window. "
        "Accuracy, by rows; in brackets the refits. *Harmful* is within a point of the schedule's accuracy at half its "
        f"refits or fewer on {served} of {len(found)} streams."
    )
    return "\n".join([text, "", *policies.table(found)])


def write() -> None:
    """A section for each part of which anything is known."""
    if known := [one for each in STREAMS for one in cases(each)]:
        write_section("Alarms worth waking for", alarms_text(known))
    if planted := [one for each in PLANTED for one in cases(each)]:
        write_section("Alarms where a change was planted", planted_text(planted))
    if replayed := policies.replay_all(0):
        write_section("Refits on harm, stream by stream", policies_text(replayed))
    if len(budget.table()) > budget.HEAD:
        write_section("Alarms where nothing but a steady variation moves", budget_text())


def main() -> None:
    """Compute, or write down what was computed."""
    parser = argparse.ArgumentParser(prog="python -m bench.alarms", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--minutes", type=float, default=8, help="by the clock, for each part (default: %(default)s)")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"unknown {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    for part in given.parts or PARTS:
        end = time.monotonic() + 60 * given.minutes
        if part == "watch":
            print("all is known" if watch_all(given.minutes) else "the time is spent")
        elif part == "planted":
            print("all is known" if watch_all(given.minutes, PLANTED) else "the time is spent")
        elif part == "nanny":
            ask_nanny()
        elif part == "alibi":
            ask_alibi()
        elif part == "evidently":
            print("all is known" if ask_evidently(end) else "the time is spent")
        elif part == "policies":
            print("\n".join(policies.table(policies.replay_all(end))))
        elif part in ("windows", "schedules"):
            compute = budget.compute_windows if part == "windows" else budget.compute_schedules
            print("all is known" if compute(end) else "the time is spent")
        else:
            write()


if __name__ == "__main__":
    main()
