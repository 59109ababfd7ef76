"""How far off each estimate of a window's accuracy without its labels is: ``python -m bench.drift.without_labels``.

The histories of bench.drift.real_change, one at a time (``--only NAME``), each beside its rows in a random order.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.drift.__main__ import head
from bench.drift.real_change import MOST, SEED, Series, scored, series
from bench.drift.reweighted import reweighted
from bench.results import write_section
from tasks.drift.estimates import Estimate, estimated_accuracy, measured_accuracy
from tasks.drift.rows import Rows


@dataclass(frozen=True)
class Window:
    """One window: the truth, each estimate by its name, and the share of its rows outside the reference's support."""

    name: str
    rows: int
    truth: Estimate
    estimates: dict[str, Estimate]
    outside: float
    effective: float


def watch(found: Series, control: bool) -> Iterator[Window]:
    """Estimate every window from the reference's held-out rows."""
    for name, reference, current in scored(found, control):
        yield _window(name, reference, current)


def _window(name: str, reference: Rows, current: Rows) -> Window:
    cbpe, atc = estimated_accuracy(reference, current, SEED)
    weighted = reweighted(reference, current, SEED)
    assert weighted is not None
    # Nothing is known of rows outside the reference's support: none of them, or all, may be right (Manski 1990).
    allowed = weighted.outside
    low = min(cbpe.low, weighted.accuracy.low) * (1 - allowed)
    high = max(cbpe.high, weighted.accuracy.high) * (1 - allowed) + allowed
    estimates = {
        "CBPE": cbpe,
        "ATC": atc,
        "weighted": weighted.accuracy,
        "both, outside open": Estimate((cbpe.value + weighted.accuracy.value) / 2, low, high),
        "no change": measured_accuracy(reference),
    }
    return Window(name, current.count, measured_accuracy(current), estimates, weighted.outside, weighted.effective_rows)


def table(found: list[Window]) -> list[str]:
    """The windows of one history, and the mean error of each estimate, in Markdown."""
    names = list(found[0].estimates)
    lines = [
        f"| window | rows | accuracy | outside | effective rows | {' | '.join(names)} |",
        "|---|---:|---:|---:|---:|" + "---|" * len(names),
    ]
    for one in found:
        each = [f"{e.value:.3f} [{e.low:.3f}, {e.high:.3f}]" for e in one.estimates.values()]
        lines.append(
            f"| {one.name} | {one.rows:,} | {one.truth.value:.3f} | {one.outside:.1%} | {one.effective:,.0f} | "
            f"{' | '.join(each)} |"
        )
    return [*lines, f"| **mean absolute error; interval holds** | | | | | {' | '.join(_errors(found, names))} |"]


def _errors(found: list[Window], names: list[str]) -> Iterator[str]:
    for name in names:
        off = [abs(one.estimates[name].value - one.truth.value) for one in found]
        held = sum(one.estimates[name].holds(one.truth.value) for one in found)
        yield f"{np.mean(off):.3f}; {held} of {len(found)}"


def main() -> None:
    """Measure and write; with ``--only``, print one history and write nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="the first words of a history's name")
    only, start = parser.parse_args().only, time.process_time()
    parts: list[str] = []
    for found in series():
        if only and not found.name.startswith(only):
            continue
        for control in (False, True):
            title = f"**{found.name}{', in a random order' if control else ''}.**"
            part = [title, "", *table(list(watch(found, control))), ""]
            print("\n".join(part), flush=True)
            parts += part
    if not only:
        text = (
            f"{head('python -m bench.drift.without_labels')} {time.process_time() - start:.0f} s of processor time. "
            f"TF-IDF and logistic regression (bench/probe.py), at most {MOST:,} rows a window; 95 % intervals. "
            "*Weighted*: a domain classifier's weights, doubly robust. *Outside*: the share of the window's rows "
            "farther from the reference than 99 % of its own, so that 1 % is what no change gives. *Both, outside "
            "open*: the mean of CBPE and weighted; its interval holds both theirs, and lets the rows outside be all "
            "wrong or all right."
        )
        write_section("Accuracy without labels, estimate by estimate", "\n".join([text, "", *parts]))


if __name__ == "__main__":
    main()
