"""What ``bench.default`` says in bench/RESULTS.md."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import version
from statistics import mean, median
from typing import Any

import numpy as np

from bench.default.plan import ARMS, BASE, FEW, LONGER, MEANS, Piece, chosen_scores
from bench.default.pooled import Difference, Judged, pooled
from bench.default.rows import JUDGE, LABELS, MONTHS, few, labels, months, split_of
from bench.default.samples import NAME, SAMPLE
from tasks.finetune import record

PLACES = ("test", *MONTHS.values(), "all months")


def text() -> str:
    """The section."""
    return "\n".join([*_how(), "", *_judged("judge"), "", *_left(), "", *_few(), "", *_chosen()])


def found(part: str, arm: str) -> dict[int, dict[str, Any]]:
    """By seed, what was measured of an arm."""
    loaded = {seed: Piece(part, arm, seed).load() for seed in JUDGE}
    return {seed: one for seed, one in loaded.items() if one}


def difference(part: str, arm: str, place: str) -> tuple[Difference, int]:
    """Of an arm and the baseline on the splits that both were fitted on, and how many these are."""
    base, other = found(part, BASE), found(part, arm)
    seeds = [seed for seed in JUDGE if seed in base and seed in other]
    return pooled([_on(part, seed, place, base[seed], other[seed]) for seed in seeds]), len(seeds)


def _on(part: str, seed: int, place: str, base: dict[str, Any], arm: dict[str, Any]) -> Judged:
    names = list(MONTHS.values()) if place == "all months" else [place]
    split = split_of(seed) if part == "judge" else few(seed, int(part.split("-")[1]))
    rows = np.concatenate([split["test"] if name == "test" else months()[name] for name in names])
    said = (np.array([one for name in names for one in each["said"][name]]) for each in (base, arm))
    return Judged(rows, labels()[rows], *said)


def _how() -> Iterator[str]:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "scikit-learn"))
    every = [one for part in ("judge", *_few_parts()) for arm in ARMS for one in found(part, arm).values()]
    dates = sorted({one["date"] for one in every})
    counts = ", ".join(
        f"{name} {len(rows):,} ({int(labels()[rows].sum())} {LABELS[1]})" for name, rows in months().items()
    )  # fmt: skip
    yield (
        f"`{'' if NAME == 'mails' else f'SAMPLE={NAME} '}python -m bench.default`, "
        f"{' to '.join(dict.fromkeys([dates[0], dates[-1]]))}, {platform.machine()}, "
        f"{record.host()['cpu']}, one thread of two shared cores, no GPU; {packages}. Load average at most "
        f"{max(one['load'] for one in every):.1f}."
    )
    yield ""
    yield (
        f"{SAMPLE.said}, split by `tasks.split`, seeds {', '.join(map(str, JUDGE))}; "
        f"rows of the months after: {counts}. Macro-F1 is the mean over the splits; the difference is arm minus "
        f"{BASE}, which is fitted and chosen by the stage `baseline` on the same rows. Its 95 % interval is a paired "
        "bootstrap in which a row is drawn once for all splits that judge it. *Not worse*: above −.01; *better*: "
        "above 0. Seconds: processor time of one thread for a training, the frozen layers' pass over its rows included "
        "(the pass is in fact done once for all)."
    )


def _few_parts() -> list[str]:
    return [f"few-{count}" for count in FEW]


def _judged(part: str) -> Iterator[str]:
    yield f"| | splits | {' | '.join(PLACES)} | s |"
    yield f"|---|---:|{'---|' * len(PLACES)}---:|"
    for arm in ARMS:
        measured = found(part, arm)
        if measured and found(part, BASE):
            spent = [one["seconds"] for one in measured.values() if one["seconds"] is not None]
            yield _line(part, arm, f"{median(spent):.0f}" if spent else "")


def _line(part: str, arm: str, seconds: str) -> str:
    cells, count = [], 0
    for place in PLACES:
        gap, count = difference(part, arm, place)
        cells.append(f"{gap.arm:.3f}" if arm == BASE else _cell(gap))
    return f"| {arm} | {count} | {' | '.join(cells)} | {seconds} |"


def _cell(gap: Difference) -> str:
    return f"{gap.arm:.3f}: {gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}] {gap.verdict}"


def _left() -> Iterator[str]:
    """What is not measured, and what comes from elsewhere."""
    if never := [arm for arm in ARMS if not found("judge", arm)]:
        yield f"- Not measured on these splits: {'; '.join(never)}."
    for arm in ARMS:
        if seeds := [seed for seed, one in found("judge", arm).items() if one["seconds"] is None]:
            yield f"- {arm}, seed {seeds[0]}: the model of a run that was committed before."


def _few() -> Iterator[str]:
    parts = [part for part in _few_parts() if found(part, BASE)]
    if parts:
        yield (
            "**With few labels.** Of each split as many labelled rows in all, drawn by its seed: four fifths of train, "
            "the rest of validation. Test rows and months are the same."
        )
    for part in parts:
        yield ""
        yield f"{part.split('-')[1]} labelled rows:"
        yield ""
        yield from _judged(part)


def _chosen() -> Iterator[str]:
    scores = {arm: chosen_scores(arm) for arm in MEANS | LONGER}
    if not any(scores.values()):
        return
    yield (
        "**Settings** were chosen on the splits of seeds 1 and 2: macro-F1 on their test rows, and on "
        f"{SAMPLE.chosen_by} by what was fitted on their train rows before it; the highest mean is what is judged."
    )
    yield ""
    yield f"| | test | {SAMPLE.chosen_by} | mean |"
    yield "|---|---:|---:|---:|"
    for arm, by in scores.items():
        if by:
            yield f"| {arm} | {by['test']:.3f} | {by[SAMPLE.chosen_by]:.3f} | {mean(by.values()):.3f} |"
