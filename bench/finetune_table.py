"""The section of bench/RESULTS.md that ``bench.finetune`` writes, from whatever has been measured."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from bench.finetune_arms import ARMS, BATCH, CHECKED, LONGEST
from bench.finetune_parts import EPOCHS, LOOKS, QUICK, SETTINGS, SIZES, TIMED, Results, chosen_by, settings
from bench.finetune_sets import SETS
from tasks.finetune import record
from tasks.measures import cells, interval

SHORT = "sentences"
ASKED_TIME = {"sentences": 8.0, "mails": 3.0}
ASKED_SHARE = 80


def text(results: Results) -> str:
    """The section, in Markdown."""
    if not results.all:
        return "Nothing has been measured."
    parts = [_how(results), _speed(results), _accuracy(results), _chosen(results)]
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
        f"defaults (probe, linear decay), one validation row for {CHECKED} to train on looked at ten times an epoch "
        "and at the end, counted."
    )
    yield ""
    yield (
        f"**Speed**: {_threads(results, 'speed')}; trainings of one epoch in turns, medians (range) of the "
        f"repetitions; (a) and (b) on {TIMED['a']} and {TIMED['b']} rows, whose rates do not depend on how many there "
        "are, (c) and (d) on the draw's. Seconds are those of training and checks, without loading the weights. The "
        "probe multiplies matrices of the model's own shapes; the share counts the multiplications of all six layers "
        "on real tokens, those that (d) leaves out too, and checks and regression as lost time. (d)'s seconds "
        "hold a forward pass over all rows, for the regression at which its last layer begins, about a third of an "
        f"epoch's multiplications: in one epoch it weighs three times what it does in {EPOCHS}."
    )


def _threads(results: Results, part: str) -> str:
    mine = [found for key, found in results.all.items() if key.startswith(f"{part}/")]
    if not mine:
        return "not measured"
    threads = sorted({found["threads"] for found in mine})
    return (
        f"{' and '.join(map(str, threads))} thread(s), load average at most {max(found['load'] for found in mine):.1f}"
    )


def _speed(results: Results) -> Iterator[str]:
    yield "| set | tokens a text | repetitions | arm | texts/s | over (a) | over (c) | share of the probe's rate |"
    yield "|---|---:|---:|---|---:|---:|---:|---:|"
    for name in SETS:
        probes = _all(results, "speed", name, "probe")
        rates = {arm: [one["texts_a_second"] for one in _all(results, "speed", name, arm)] for arm in ARMS}
        rounds = min(map(len, rates.values()))
        if not rounds:
            continue
        for arm in ARMS:
            over = {
                other: _spread([mine / its for mine, its in zip(rates[arm], rates[other], strict=False)], 2)
                for other in "ac"
            }
            first = f"| {name} | {probes[0]['tokens_a_text']:.0f} | {rounds} " if arm == "a" else "| | | "
            share = _shares(probes, rates["d"]) if arm == "d" else ""
            yield f"{first}| ({arm}) | {_spread(rates[arm])} | {over['a']} | {over['c']} | {share} |"
    yield ""
    yield "Asked on the short texts: 3 times (a), 1.1 times (c), 80 % of the probe's rate; on long ones 1.0 times (c)."


def _shares(probes: list[dict[str, Any]], rates: list[float]) -> str:
    shares = [100 * probe["flops_a_text"] * rate / probe["rate"] for probe, rate in zip(probes, rates, strict=False)]
    short = ASKED_SHARE - statistics.median(shares)
    missed = f": short of {ASKED_SHARE} by {short:.0f}" if short > 0 else ""
    return f"{_spread(shares, 0)} % of {_spread([probe['rate'] / 1e9 for probe in probes], 0)} GFLOP/s{missed}"


def difference(draws: list[tuple[dict[str, Any], dict[str, Any]]]) -> tuple[float, list[float]]:
    """(d) − (a) in macro-F1 over the test rows of all draws, and its 95 % interval (paired bootstrap)."""
    truth, a, d = (
        [str(label) for part in column for label in part]
        for column in zip(*((a["truth"], a["predicted"], d["predicted"]) for a, d in draws), strict=True)
    )
    found = cells(sorted({*truth, *a, *d}), truth, a, d)
    counts = found.resampled(seed=0)
    gains = found.macro_f1(1, counts) - found.macro_f1(0, counts)
    whole = found.counts[None]
    return float((found.macro_f1(1, whole) - found.macro_f1(0, whole))[0]), interval(gains)


def _accuracy(results: Results) -> Iterator[str]:
    if not any(_all(results, "accuracy", name, "d") for name in SETS):
        yield "**Accuracy at equal data, and time to (a)'s final macro-F1**: not measured yet by this script."
        return
    yield (
        f"**Accuracy at equal data, and time**: {EPOCHS} epochs, on {_threads(results, 'accuracy')} (results do not "
        "depend on what else runs); a draw's number is its seed. "
        "The interval is that of a paired bootstrap over the test rows. Time to (a)'s final macro-F1: "
        f"{_threads(results, 'time')}; with a probe, frozen layers kept as they are; {LOOKS} looks an epoch at the "
        "test rows, not counted. (a)'s own time is its rows by the rate above."
    )
    yield ""
    yield "| set | draws | macro-F1 of (a) | of (d) | (d) − (a), points | time to (a)'s macro-F1 | with |"
    yield "|---|---:|---:|---:|---:|---:|---|"
    for name in SETS:
        draws = list(zip(_all(results, "accuracy", name, "a"), _all(results, "accuracy", name, "d"), strict=False))
        if draws:
            scores = " | ".join(_spread([one["f1"] for one in column], 3) for column in zip(*draws, strict=True))
            times = _all(results, "time", name, "time")
            yield f"| {name} | {len(draws)} | {scores} | {_gain(draws)} | {_time(results, name, times)} |"
    yield ""
    yield "Asked: (d) − (a) above −0.5 points; 1/8 of (a)'s time on the short texts, 1/3 on the mails."


def _gain(draws: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    gain, (low, high) = difference(draws)
    words = "above −0.5" if 100 * low > -0.5 else f"short of −0.5 by {-0.5 - 100 * low:.1f}"
    return f"{100 * gain:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]: {words}"


def _time(results: Results, name: str, times: list[dict[str, Any]]) -> str:
    rates = [one["texts_a_second"] for one in _all(results, "speed", name, "a")]
    if not times or not rates:
        return "not measured | "
    whole = EPOCHS * SIZES[name].train / statistics.median(rates)
    reached = [whole / one["seconds"] for one in times if one["seconds"]]
    never = [100 * (one["target"] - one["best"]) for one in times if not one["seconds"]]
    words = [f"1/{statistics.median(reached):.1f} of {whole:.0f} s"] if reached else []
    words += [f"not reached in {len(never)} of {len(times)}, by {max(never):.1f} points at most"] if never else []
    if name in ASKED_TIME and (never or statistics.median(reached) < ASKED_TIME[name]):
        words.append(f"asked: 1/{ASKED_TIME[name]:.0f}")
    return f"{'; '.join(words)} | {times[0]['how']}"


def _chosen(results: Results) -> Iterator[str]:
    rows = {what: chosen_by(results, what) for what in SETTINGS}
    if not any(rows.values()):
        return
    yield (
        "Settings were chosen on one draw of the half of each set that nothing above is measured on, by 400 rows that "
        "were not trained on. (d)'s is the best on average. For the time to (a)'s macro-F1 it is, on each set, what is "
        f"first within half a point of the best of {'; '.join(QUICK)}."
    )
    yield ""
    yield "| (d), macro-F1 on rows to choose by | " + " | ".join(SETS) + " |"
    yield "|---|" + "---:|" * len(SETS)
    for what, found in rows.items():
        cells_ = " | ".join(f"{found[name]:.3f}" if name in found else "not tried" for name in SETS)
        yield f"| {what} | {cells_} |"
