"""The section of bench/RESULTS.md that ``bench.speed`` writes, from whatever has been measured."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bench.speed.arms import BF16
from bench.speed.measuring import PARTS, Measured
from bench.speed.rows import SIZES
from tasks.core import chip
from tasks.score.passes import TOKENS

ASKED = 80  # per cent
PACKAGES = ("torch", "transformers", "accelerate", "onnxruntime", "sentence-transformers")
CAUSE = (
    "Profile of scoring with the last layer whole, in passes of some 1,000 and 4,000 tokens (torch.profiler, "
    "2026-11-28): products 68 to 82 % of the time, attention 5 % at 20 tokens, 11 to 13 at 130 and 18 to 23 at 400, "
    "GELU 3 to 7, copies of biases and heads 2 to 6, layer norms and sums 1 to 5; only the first count. "
    "Of a training step, every layer, on texts of 355 tokens (the same profile, what comes before the first step "
    "included): products 66 % of the time, attention 23, GELU 3, copies and sums 5, AdamW below 1."
)
WORDS = {"score": "Scoring", "train": "Training"}
NOTES = {
    "score": (
        "Tokenizing is counted, reading the weights is not. *ours* is `tasks.score.predict`; "
        "`transformers.pipeline` is given the texts from short to long, in batches of 32; ONNX Runtime runs the graph "
        "of `driftline export` in the passes that *ours* takes; sentence-transformers makes embeddings alone."
    ),
    "train": (
        "An epoch from the same weights, the last layer drawn at random, the arms of `bench.finetune`: half of what "
        "three epochs take over one, as what is done once before the first step has a column of its own (of *ours* the "
        "checks of batch against row, the trial of the batch's size and the frozen layers' pass); `Trainer` in "
        "batches of like length, fused AdamW; 256 texts of 20 tokens, 64 of 130, 24 of 400, at most 32 a step. "
        "All arms but the one that says so train every layer; the share of that one counts every layer's products too. "
        "SetFit and model2vec's trainer have no row: "
    ),
}


def text(kept: Measured, threads: int, why_not: str) -> str:
    """The section, in Markdown."""
    if not kept.all:
        return "Nothing has been measured."
    parts = [_how(kept, threads), *(_part(kept, part, why_not) for part in PARTS), _short(kept)]
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part)


def _spread(values: list[float], digits: int = 0) -> str:
    """Median, and the range where there are several."""
    middle = f"{statistics.median(values):,.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def _version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} not installed"


def _how(kept: Measured, threads: int) -> Iterator[str]:
    found = list(kept.all.values())
    dates = sorted({one["date"] for one in found})
    rates = [one["rate"] / 1e9 for key, one in kept.all.items() if not key.endswith(BF16)]
    in_bf16 = [one["rate"] / 1e9 for key, one in kept.all.items() if key.endswith(BF16)]
    beside = f" in fp32 and {_spread(in_bf16)} in bf16" if in_bf16 else ""
    yield (
        f"`python -m bench.speed`, {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}, {platform.machine()}, "
        f"{chip.kind()}, no GPU; {', '.join(map(_version, PACKAGES))}. {threads} thread(s). MiniLM-L6. The "
        f"machine was shared (load average {min(one['load'] for one in found):.0f} to "
        f"{max(one['load'] for one in found):.0f}), so a second is one of the process's CPU; the arms take turns, a "
        "process each, and a run that was ended goes on in the next; medians (range) over the rounds. Tokens are real "
        "ones, padding does not count. "
        f"Before each measurement its process multiplied the model's matrices on {TOKENS:,} tokens, at "
        f"{_spread(rates)} GFLOP/s{beside}; the share is of the median of its round in the arm's precision. All "
        "products of all six layers count, "
        "those that an arm leaves out included, and those of the attention do not."
    )
    yield ""
    if not chip.has_bf16():
        yield "bf16: not measured, this processor has neither AVX512-BF16 nor AMX; its arms are left out."


def _part(kept: Measured, part: str, why_not: str) -> Iterator[str]:
    if not any(kept.rounds(part, tokens, arm) for tokens in SIZES for arm in PARTS[part]):
        yield f"**{WORDS[part]}**: not measured yet."
        return
    yield f"**{WORDS[part]}.** {NOTES[part]}{why_not if part == 'train' else ''}"
    yield ""
    yield "| tokens | arm | rounds | tokens per CPU second | over ours | share of the peak | s before |"
    yield "|---:|---|---:|---:|---:|---:|---:|"
    for tokens in SIZES:
        base = [_speed(one) for one in kept.rounds(part, tokens, next(iter(PARTS[part])))]
        for arm in PARTS[part]:
            if arm.endswith(BF16) and not kept.rounds(part, tokens, arm):
                continue
            yield _row(kept.rounds(part, tokens, arm), arm, base, shares(kept, part, tokens, arm))


def _speed(one: dict[str, Any]) -> float:
    return float(one["tokens"] / one["cpu"])


def shares(kept: Measured, part: str, tokens: int, arm: str) -> list[float]:
    """Of the peak, round by round, in per cent: the median of what the round's processes measured."""
    return [
        100 * one["share"] * one["rate"] / statistics.median(kept.rates(part, number, arm))
        for number, one in enumerate(kept.rounds(part, tokens, arm))
    ]


def _row(found: list[dict[str, Any]], arm: str, base: list[float], share: list[float]) -> str:
    if not found:
        return f"| | {arm} | 0 | not measured | | | |"
    speeds = [_speed(one) for one in found]
    ratios = [mine / other for mine, other in zip(speeds, base, strict=False)]
    length = f"{found[0]['tokens'] / found[0]['texts']:.0f}"
    over = _spread(ratios, 2) if ratios else ""
    before = _spread([one["before"] for one in found], 1) if found[0].get("before") else ""
    return f"| {length} | {arm} | {len(found)} | {_spread(speeds)} | {over} | {_spread(share)} % | {before} |"


def _short(kept: Measured) -> Iterator[str]:
    """Where a first arm stays below what is asked."""
    missed = []
    for part, made in PARTS.items():
        for tokens in SIZES:
            found = shares(kept, part, tokens, next(iter(made)))
            if found and (short := ASKED - statistics.median(found)) > 0:
                missed.append(f"{WORDS[part].lower()} at {tokens} by {short:.0f}")
    if missed:
        yield f"Asked of *ours*: {ASKED} % of the peak. Short of it, in points: {', '.join(missed)}. {CAUSE}"
    else:
        yield f"Asked of *ours*: {ASKED} % of the peak, which all that was measured reaches."
