"""Every preset beside every other: ``python -m bench.families [--minutes 45] [--threads 2] [--only rnn]``.

Each file of ``presets/``, and ``params.yaml`` as it comes, goes through the pipeline's own stages in a clone
(``bench/families/runs.py``): those of texts on the same 2,000 mails, drawn by seed from the committed sample, those of
images on the data that they name. Beside them TF-IDF and logistic regression. All of it is meant to fit into 45 minutes
on two cores. What does not fit runs fewer epochs, and the table says so.

A run that was ended goes on where it was: call it again until nothing is missing. The section of bench/RESULTS.md is
written from whatever is there.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from typing import Any

import torch
from ruamel.yaml import YAML

from bench.families.peers import Peer, Predict, milliseconds, peers
from bench.families.runs import COUNT, FOLDER, SEED, TOP, Run, TimeIsUpError, measure, overlay, splits
from bench.results import write_section
from tasks.core.files import read_json, write_json
from tasks.core.tables import read_table
from tasks.modelling.checkpoints.families import register

HEADING = "Every family from one pipeline"
AS_IT_COMES = "default"  # params.yaml without a preset
TIMED = 60  # texts, one at a time


@dataclass(frozen=True)
class Budget:
    """Of one preset on two cores that do nothing else."""

    minutes: float = 4
    """Of its training."""
    cuts: Mapping[str, Mapping[str, int]] | None = None
    """What is run in place of the preset's own, so that it fits."""


BUDGETS = {
    "bert": Budget(9, {"finetune": {"epochs": 3}}),
    "pretrain": Budget(18, {"pretrain": {"epochs": 1}, "finetune": {"epochs": 2}}),
    "vit": Budget(9),
}
FOR_A_GPU = ("gpu",)


def runs(threads: int) -> dict[str, Run]:
    """What is measured, in the order of the table; records of earlier calls are in it."""
    names = [AS_IT_COMES, *sorted(file.stem for file in (TOP / "presets").glob("*.yaml"))]
    if not torch.cuda.is_available():
        names = [name for name in names if name not in FOR_A_GPU]
    return {name: Run(name, overlay(name, threads, BUDGETS.get(name, Budget()).cuts or {})).load() for name in names}


def shortened(name: str) -> str:
    """In words, what was run in place of the preset's own."""
    file = TOP / "presets" / f"{name}.yaml"
    own: dict[str, Any] = YAML(typ="safe").load(file.read_text(encoding="utf-8")) if file.exists() else {}
    cuts = BUDGETS.get(name, Budget()).cuts or {}
    return ", ".join(
        f"{section}.{key} {value} of {own.get(section, {}).get(key)}"
        for section, changes in cuts.items()
        for key, value in changes.items()
    )


def of_texts(run: Run) -> bool:
    """Whether it was trained on the mails."""
    return "ingest" in run.overlay


def latencies(done: Mapping[str, Run], beside: Mapping[str, Peer], threads: int) -> dict[str, float]:
    """Median milliseconds over one input, through ``transformers.pipeline`` and what it does before the model."""
    torch.set_num_threads(threads)
    texts = splits()["test"]["text"].to_pylist()[:TIMED]
    models: dict[str, Predict] = {name: _pipeline(run) for name, run in done.items() if of_texts(run)}
    models |= {name: peer.predict for name, peer in beside.items()}
    found = milliseconds(models, texts)
    for name, run in done.items():
        if not of_texts(run):
            found |= milliseconds({name: _pipeline(run)}, _images(run))
    return found


def _pipeline(run: Run) -> Predict:
    from transformers import pipeline

    register(read_json(run.classifier / "config.json")["model_type"])
    if of_texts(run):
        made: Any = pipeline("text-classification", str(run.classifier))
        return lambda one: made(one, truncation=True)
    seen: Any = pipeline("image-classification", str(run.classifier))
    return lambda one: seen(one)


def _images(run: Run) -> list[Any]:
    from PIL import Image

    rows = read_table(run.test)["image"].to_pylist()[:TIMED]
    return [Image.open(BytesIO(row)) for row in rows]


def row(*cells: str) -> str:
    """Of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def of_run(run: Run, took: float | None) -> str:
    """A preset's line."""
    judged, spent = run.figures["evaluate"], run.spent.values()
    size = sum(file.stat().st_size for file in run.classifier.rglob("*") if file.is_file())
    return row(
        f"`{run.name}`",
        shortened(run.name) or "as written",
        scored(judged["macro_f1"], judged["intervals"]["macro_f1"]),
        f"{sum(one.cores for one in spent):,.0f}",
        f"{run.figures['finetune']['parameters'] / 1e6:.2f} M",
        f"{size / 1e6:.1f}",
        "not measured" if took is None else f"{took:.1f}",
    )


def of_peer(name: str, peer: Peer, took: float | None) -> str:
    """A baseline's line."""
    return row(
        name,
        "",
        scored(peer.macro_f1, peer.interval),
        f"{peer.seconds:,.0f}",
        f"{peer.parameters / 1e6:.2f} M",
        f"{peer.megabytes:.1f}",
        "not measured" if took is None else f"{took:.1f}",
    )


def scored(value: float, around: list[float]) -> str:
    """Macro-F1 with its interval."""
    return f"{value:.3f} [{around[0]:.3f}, {around[1]:.3f}]"


def lines(done: Mapping[str, Run], beside: Mapping[str, Peer], took: Mapping[str, float]) -> Iterator[str]:
    """The table: texts, what stands beside them, images."""
    yield row(
        "preset", "run", "test macro-F1 [95 %]", "training, core-seconds", "parameters", "MB", "ms a text or image"
    )
    yield "|---|---|---|---:|---:|---:|---:|"
    yield from (of_run(run, took.get(name)) for name, run in done.items() if of_texts(run))
    yield from (of_peer(name, peer, took.get(name)) for name, peer in beside.items())
    yield from (of_run(run, took.get(name)) for name, run in done.items() if not of_texts(run))


def notes(every: Mapping[str, Run], done: Mapping[str, Run]) -> Iterator[str]:
    """What the table does not say."""
    for name, run in done.items():
        if run.figures["pretrain"]["epochs"]:
            found = run.figures["pretrain"]
            before, after = (f"{found[f'perplexity_{when}']:,.0f}" for when in ("before", "after"))
            yield f"`{name}`: perplexity on held-out train texts {before} before pre-training, {after} after."
        minutes = sum(one.wall for one in run.spent.values()) / 60
        if minutes > (budget := BUDGETS.get(name, Budget()).minutes):
            yield f"`{name}`: {minutes:.0f} minutes on the clock, beside other work; its budget is {budget:g}."
        if not of_texts(run):
            judged, counts = run.figures["evaluate"], run.figures["split"]["rows"]
            lowest = judged["baseline"]["macro_f1"], judged["intervals"]["baseline"]["macro_f1"]
            yield (
                f"`{name}`: {counts['train']:,} images to train on, {counts['test']:,} to test on; the baseline that "
                f"`evaluate` fits on the same: {scored(*lowest)}."
            )
    for name in FOR_A_GPU:
        if name not in every:
            yield f"`{name}`: not measured, there was no GPU."
    if missing := [name for name in every if name not in done]:
        yield f"Not run yet: {', '.join(missing)}."


def text(every: Mapping[str, Run], beside: Mapping[str, Peer], took: Mapping[str, float], threads: int) -> str:
    """The section."""
    done = {name: run for name, run in every.items() if run.figures}
    counts = {name: f"{len(table):,}" for name, table in splits().items()}
    budgets = ", ".join(f"{name} {BUDGETS.get(name, Budget()).minutes:g}" for name in every)
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "scikit-learn"))
    wall = sum(one.wall for run in done.values() for one in run.spent.values())
    cores = sum(one.cores for run in done.values() for one in run.spent.values())
    return "\n".join(
        [
            f"`python -m bench.families --threads {threads}`, {time.strftime('%Y-%m-%d')}, {platform.machine()}, "
            f"{os.cpu_count()} cores shared with others, no GPU; {versions}. {COUNT:,} mails of before September 2002, "
            f"drawn from the sample (seed {SEED}): {counts['train']} to train on, {counts['validation']} for "
            f"validation, {counts['test']} to test on, after `validate` and `split`.",
            "",
            *lines(done, beside, took),
            "",
            f"Trained with {threads} thread{'s' * (threads > 1)}. Training: processor time of the stages `pretrain` "
            f"and `finetune`, imports included, {cores / 60:.0f} core-minutes together ({wall / 60:.0f} minutes on the "
            f"clock, shared). Budgets in minutes on two cores: {budgets}. Size: the classifier's folder; the pickle of "
            f"the baselines. Time: median of {TIMED}, one at a time, one thread, through `transformers.pipeline`.",
            "",
            *(f"- {note}" for note in notes(every, done)),
        ]
    )


def main() -> None:
    """Measure what is missing and write the section."""
    parser = argparse.ArgumentParser(prog="python -m bench.families", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=45, help="of this call; what is left goes on with the next")
    parser.add_argument("--threads", type=int, default=2, help="of every training and scoring")
    parser.add_argument("--only", nargs="+", metavar="PRESET", help="train these alone")
    given = parser.parse_args()
    every, until = runs(given.threads), time.monotonic() + 60 * given.minutes
    if unknown := set(given.only or ()) - set(every):
        parser.error(f"there is nothing to train called {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    try:
        for name in given.only or every:
            measure(every[name], until)
    except TimeIsUpError as stage:
        print(f"the time is up in {stage}; call again to go on", flush=True)
    beside = peers(splits(), SEED)
    done = {name: run for name, run in every.items() if run.figures}
    took = _timed(done, beside, time.monotonic() < until)
    write_section(HEADING, text(every, beside, took, given.threads))


def _timed(done: Mapping[str, Run], beside: Mapping[str, Peer], measured: bool) -> dict[str, float]:
    """Latencies measured now, or those of the last call."""
    file = FOLDER / "latency.json"
    if measured:
        write_json(latencies(done, beside, threads=1), file)
    return read_json(file) if file.exists() else {}


if __name__ == "__main__":
    main()
