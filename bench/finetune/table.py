"""The section of bench/RESULTS.md that ``bench.finetune`` writes, from whatever has been measured."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.finetune.arms import ARMS, BATCH, CHECKED, CHECKS, LONGEST
from bench.finetune.parts import CHOOSING, EPOCHS, LOOKS, QUICK, SETTINGS, SIZES, Results, Size, chosen_by, settings
from bench.finetune.sets import SETS
from tasks.finetune import record
from tasks.statistics.measures import cells, interval

ASKED_TIME = {"sentences": 8.0, "mails": 3.0}
ASKED_SHARE = 80


def text(results: Results) -> str:
    """The section, in Markdown."""
    if not results.all:
        return "Nothing has been measured."
    parts = [_how(results), _trainings(results), _accuracy(results), _chosen(results)]
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part)


def _all(results: Results, part: str, name: str, what: str) -> list[dict[str, Any]]:
    """The measurements of all seeds or repetitions."""
    found: list[dict[str, Any]] = []
    while one := results.get(part, name, len(found), what):
        found.append(one)
    return found


def _spread(values: list[float], digits: int = 1) -> str:
    """Median, and the range where there are several."""
    middle = f"{statistics.median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _how(results: Results) -> Iterator[str]:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "accelerate"))
    dates = sorted({found["date"] for found in results.all.values()})
    draws = "; ".join(f"{name} {size.train}, {size.validation}, {size.test}" for name, size in SIZES.items())
    yield (
        f"`python -m bench.finetune`, {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}, {platform.machine()}, "
        f"{record.host()['cpu']}, no GPU; {packages}. MiniLM-L6, texts cut at {LONGEST} tokens, batches of {BATCH} "
        f"((b): 8, Trainer's own). Rows of a draw, to train on, for validation, to test on: {draws}."
    )
    yield ""
    yield (
        f"(a) every text padded to {LONGEST}, float32, Adam 1e-4; (b) Trainer's defaults; (c) batches of like length, "
        f"fused AdamW 1e-4, warm-up; (d) Driftline, every layer trained, {settings(results)}, otherwise its "
        f"defaults, one validation row for {CHECKED} to train on looked at {CHECKS} times an epoch "
        "and at the end, counted."
    )
    yield ""
    yield (
        f"**Trainings**: {EPOCHS} epochs, {_threads(results, 'train')}; all arms in turns, a process each; medians "
        "(range) over the draws. Seconds are those of training and checks, without loading the weights. The test rows "
        "are the same in every draw. The probe multiplies matrices of the model's own shapes. The share counts the "
        "multiplications of all six layers on real tokens, those that (d) leaves out too: first of the training alone, "
        "so that checks and the pass at which the last layer's regression begins are lost time; in brackets theirs too."
    )


def _threads(results: Results, part: str) -> str:
    mine = [found for key, found in results.all.items() if key.startswith(f"{part}/")]
    if not mine:
        return "not measured yet"
    threads = sorted({found["threads"] for found in mine})
    return (
        f"{' and '.join(map(str, threads))} thread(s), load average at most {max(found['load'] for found in mine):.1f}"
    )


def _trainings(results: Results) -> Iterator[str]:
    yield "| set | tokens a text | arm | draws | texts/s | over (a) | over (c) | share of the probe's rate | macro-F1 |"
    yield "|---|---:|---|---:|---:|---:|---:|---:|---:|"
    for name in SETS:
        probes = _all(results, "train", name, "probe")
        found = {arm: _all(results, "train", name, arm) for arm in ARMS}
        rates = {arm: [one["texts_a_second"] for one in ones] for arm, ones in found.items()}
        if not all(rates.values()):
            continue
        for arm in ARMS:
            over = {
                other: _spread([mine / its for mine, its in zip(rates[arm], rates[other], strict=False)], 2)
                for other in "ac"
            }
            first = f"| {name} | {probes[0]['tokens_a_text']:.0f} " if arm == "a" else "| | "
            share = _shares(probes, rates["d"], _beside(SIZES[name], settings(results))) if arm == "d" else ""
            score = _spread([one["f1"] for one in found[arm]], 3)
            row = [f"({arm})", str(len(rates[arm])), _spread(rates[arm]), over["a"], over["c"], share, score]
            yield f"{first}| {' | '.join(row)} |"
    yield ""
    yield "Asked on the short texts: 3 times (a), 1.1 times (c), 80 % of the probe's rate; on long ones 1.0 times (c)."


def _shares(probes: list[dict[str, Any]], rates: list[float], beside: float) -> str:
    shares = [100 * probe["flops_a_text"] * rate / probe["rate"] for probe, rate in zip(probes, rates, strict=False)]
    rate = _spread([probe["rate"] / 1e9 for probe in probes], 0)
    every = [share * (1 + beside) for share in shares]
    short = ASKED_SHARE - statistics.median(shares)
    missed = f": short of {ASKED_SHARE} by {short:.0f}" if short > 0 else ""
    return f"{_spread(shares, 0)} % of {rate} GFLOP/s{missed} (all: {_spread(every, 0)} %)"


def _beside(size: Size, how: str) -> float:
    """The rows that pass forward alone, for the regression, the checks and the end, beside those that are trained on,
    whose step is three times as much."""
    regression = size.train if SETTINGS[how].get("probe", True) else 0
    looked_at = EPOCHS * CHECKS * max(1, size.train // CHECKED) + size.validation
    return (regression + looked_at) / (3 * EPOCHS * size.train)


def difference(draws: list[tuple[dict[str, Any], dict[str, Any]]]) -> tuple[float, list[float]]:
    """(d) − (a) in macro-F1, the mean over the draws, and its 95 % interval: a paired bootstrap over the test rows."""
    truth = [str(label) for label in draws[0][0]["truth"]]
    said = [[str(label) for label in one["predicted"]] for draw in draws for one in draw]
    found = cells(sorted({*truth, *(label for one in said for label in one)}), truth, *said)

    def gain(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        pairs = range(0, len(said), 2)
        return np.mean([found.macro_f1(i + 1, counts) - found.macro_f1(i, counts) for i in pairs], axis=0)

    return float(gain(found.counts[None])[0]), interval(gain(found.resampled(seed=0)))


def _accuracy(results: Results) -> Iterator[str]:
    pairs = {
        name: list(zip(_all(results, "train", name, "a"), _all(results, "train", name, "d"), strict=False))
        for name in SETS
    }
    if not any(pairs.values()):
        return
    yield (
        "**Accuracy at equal data, and time to (a)'s final macro-F1.** The difference is the mean over the draws; its "
        "95 % interval is that of a paired bootstrap over the test rows, the same rows in all draws: it holds the "
        f"chance of the test rows, not that of the draws, whose range is beside it. Time: {_threads(results, 'time')}; "
        f"with a probe, frozen layers kept as they are; {LOOKS} looks an epoch at the test rows, not counted, "
        "the first at which (a)'s macro-F1 is reached; (a)'s own time is that of the draw."
    )
    yield ""
    yield "| set | draws | (d) − (a), points | in each draw | time to (a)'s macro-F1 | with |"
    yield "|---|---:|---:|---:|---:|---|"
    for name, draws in pairs.items():
        if draws:
            each = _spread([100 * (d["f1"] - a["f1"]) for a, d in draws])
            yield f"| {name} | {len(draws)} | {_gain(draws)} | {each} | {_time(results, name)} |"
    yield ""
    yield "Asked: (d) − (a) above −0.5 points; 1/8 of (a)'s time on the short texts, 1/3 on the mails."


def _gain(draws: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    gain, (low, high) = difference(draws)
    words = "above −0.5" if 100 * low > -0.5 else f"short of −0.5 by {-0.5 - 100 * low:.1f}"
    return f"{100 * gain:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]: {words}"


def _time(results: Results, name: str) -> str:
    times = _all(results, "time", name, "time")
    if not times:
        return "not measured | "
    reached = [one["textbook"] / one["seconds"] for one in times if one["seconds"]]
    never = [100 * (one["target"] - one["best"]) for one in times if not one["seconds"]]
    whole = statistics.median(one["textbook"] for one in times)
    words = [f"1/{_spread(reached)} of {whole:.0f} s"] if reached else []
    words += [f"not reached in {len(never)} of {len(times)}, by {max(never):.1f} points at most"] if never else []
    if name in ASKED_TIME and (never or statistics.median(reached) < ASKED_TIME[name]):
        words.append(f"asked: 1/{ASKED_TIME[name]:.0f}")
    return f"{'; '.join(words)} | {times[0]['how']}"


def _chosen(results: Results) -> Iterator[str]:
    rows = {what: chosen_by(results, what) for what in SETTINGS}
    if not any(rows.values()):
        return
    yield (
        f"Settings were chosen on one draw of the half of each set that nothing above is measured on, by {CHOOSING} "
        "rows that were not trained on. (d)'s is the best on average. For the time to (a)'s macro-F1 it is, on each "
        f"set, what is first within half a point of the best of {'; '.join(QUICK)}."
    )
    yield ""
    yield "| (d), macro-F1 on rows to choose by | " + " | ".join(SETS) + " |"
    yield "|---|" + "---:|" * len(SETS)
    for what, found in rows.items():
        cells_ = " | ".join(f"{found[name]:.3f}" if name in found else "not tried" for name in SETS)
        yield f"| {what} | {cells_} |"
