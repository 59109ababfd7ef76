"""Should I retrain weekly, on alarm, or not at all? ``python -m bench.backtest [mails|tweets ...]``; minutes.

Replays four policies (``bench.replay``) over the committed mails, July to September 2002 by week, and over 12,000
health tweets by quarter. Restartable: what was finished is not done again. Writes its section of bench/RESULTS.md and
the page bench/backtest.html.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from bench.encoder import encoded
from bench.replay import Replay, Step, Stream, plain, summary, walk

from bench.corpora import Corpus, health_tweets, mails
from bench.results import write_section
from flows.policy import Rules
from flows.spans import Span, moment
from tasks.report.drawing import axis

PAGE = Path(__file__).with_suffix(".html")
TEMPLATE = Path(__file__).with_name("backtest_page.html")
HEADING = "Which policy would have served best"
SEED = 7


@dataclass(frozen=True)
class Setting:
    """One history: what is read, from when to when, in which windows."""

    name: str
    what: str
    corpus: Callable[[], Corpus]
    rows: int | None
    """A seeded sample of so many; None: all."""
    tokens: int
    since: str
    until: str
    first: tuple[str, str]
    """The first window, after whose length all are."""


MAILS = Setting(  # the first three weeks of July are the first model's: before them there is no ham to learn from
    "mails", "SpamAssassin mails by week", mails, None, 128, "2002-07-22", "2002-09-30", ("2002-07-22", "2002-07-29")
)
TWEETS = Setting(
    "tweets",
    "health tweets by quarter",
    health_tweets,
    12_000,
    48,
    "2013-01-01",
    "2015-04-01",
    ("2013-01-01", "2013-04-01"),
)
SETTINGS = {one.name: one for one in (MAILS, TWEETS)}


def stream(setting: Setting) -> Stream:
    """The rows in order of time, exact copies of a text left out, embedded."""
    corpus = setting.corpus()
    assert corpus.times is not None
    order = np.argsort(corpus.times, kind="stable")
    order = order[corpus.times[order] < np.datetime64(setting.until)]
    seen: set[str] = set()
    kept = [i for i in order if not (corpus.texts[i] in seen or seen.add(corpus.texts[i]))]  # type: ignore[func-returns-value]
    if setting.rows and setting.rows < len(kept):
        chosen = np.random.default_rng(SEED).choice(len(kept), setting.rows, replace=False)
        kept = [kept[i] for i in np.sort(chosen)]
    texts = [corpus.texts[i] for i in kept]
    objects = (np.array(values, object) for values in (texts, [corpus.labels[i] for i in kept]))
    return Stream(setting.name, *objects, corpus.times[kept], encoded(texts, setting.tokens))


def windows(setting: Setting) -> list[Span]:
    """One after the other, while they end by ``until``."""
    found = [Span(*map(moment, setting.first))]
    while (following := found[-1].from_(found[-1].until)).until <= moment(setting.until):
        found.append(following)
    return found


def policies(spans: list[Span]) -> list[Rules]:
    """Never, after every window, on alarm, on a loss of estimated accuracy."""
    length = min((one.until - one.since).days for one in spans)
    return [
        Rules("never"),
        Rules("schedule", every_days=length, cooldown_days=length),
        Rules("alarm", cooldown_days=length),
        Rules("estimated_loss", cooldown_days=length),
    ]


@dataclass(frozen=True)
class Found:
    """What came of one history."""

    setting: Setting
    rows: int
    trained: int
    steps: dict[str, list[Step]]
    sums: dict[str, dict[str, Any]]
    rules: list[Rules]
    seconds: float
    redone: int


def replayed(setting: Setting, permutations: int) -> Found:
    """All policies over one history."""
    start = time.monotonic()
    data = stream(setting)
    replay, spans = Replay(data, permutations), windows(setting)
    rules = policies(spans)
    steps = {rule.policy: walk(replay, spans, rule, lambda line: print(line, flush=True)) for rule in rules}
    sums = {name: summary(of, steps["never"]) for name, of in steps.items()}
    trained = len(data.within(None, spans[0].since))
    rows = sum(step.look["rows"] for step in steps["never"])
    return Found(setting, rows, trained, steps, sums, rules, time.monotonic() - start, replay.redone)


def table(found: Found) -> list[str]:
    """One line for each policy."""
    lines = [
        "| policy | accuracy, by rows | against never, paired (95 %) | alarms | refits | promoted | rows trained on "
        "| CPU s |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for rule in found.rules:
        one = found.sums[rule.policy]
        against = "" if rule.policy == "never" else f"{one['difference']:+.4f} ± {one['error']:.4f}"
        lines.append(
            f"| {rule.policy}{plain(rule)} | {one['accuracy']:.4f} | {against} | {one['alarms']} of "
            f"{len(found.steps[rule.policy])} | {one['refits']} | {one['promoted']} | {one['trained_rows']:,} | "
            f"{one['seconds']:.1f} |".replace("{'", "(")
            .replace("'", "")
            .replace("}", ")")
        )
    return lines


def text(all_found: list[Found], load: float) -> str:
    """The section, in Markdown."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "scikit-learn", "numpy"))
    head = (
        f"`python -m bench.backtest`, {time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores shared "
        f"with others (load average before: {load:.1f}), no GPU; {versions}. **The model is no full fine-tune**: a "
        "logistic regression on the frozen MiniLM's mean embeddings, computed once. Policy, split, drift verdict and "
        "promotion gate (*not_worse*) are the product's own. Labels are taken to be there when a window ends. CPU "
        "seconds are those of refits: splitting, fitting, the gate. Not done: full refits, to see whether the ranking "
        "holds. An alarm in every window means that here the alarm policy is the schedule: both streams do change all "
        "the time (the mails' mix is an artefact of their collection; outlets join and leave the tweets)."
    )
    parts = [head]
    for found in all_found:
        parts += [
            "",
            f"**{found.setting.what}**: {len(found.steps['never'])} windows from {found.setting.since} to "
            f"{found.setting.until}, {found.rows:,} rows; the first model on {found.trained:,} rows before. "
            f"{found.seconds:.0f} s in all, {found.redone} looks made anew.",
            "",
            *table(found),
        ]
    return "\n".join(parts)


COLOURS = {"never": "#8a6d3b", "schedule": "#1f6feb", "alarm": "#c0392b", "estimated_loss": "#6f42c1"}


def chart(found: Found) -> dict[str, Any]:
    """Where the marks of one history stand, in per cent."""
    steps = [step for of in found.steps.values() for step in of]
    scale = axis(min(s.look["interval"][0] for s in steps), max(s.look["interval"][1] for s in steps))
    count = len(found.steps["never"])
    series = []
    for shift, (name, of) in enumerate(found.steps.items()):
        points = [
            {
                "x": round(100 * (i + 0.5 + 0.12 * (shift - 1.5)) / count, 2),
                "y": 100 - scale.place(step.look["accuracy"]),
                "top": 100 - scale.place(step.look["interval"][1]),
                "bottom": 100 - scale.place(step.look["interval"][0]),
                "promoted": bool(step.gate and step.gate["promote"]),
            }
            for i, step in enumerate(of)
        ]
        series.append({"name": name, "colour": COLOURS[name], "points": points})
    ticks = [{"at": 100 - scale.place(tick), "text": scale.written(tick)} for tick in scale.ticks]
    names = [
        {"at": round(100 * (i + 0.5) / count, 2), "text": f"{s.window.since:%Y-%m-%d}"}
        for i, s in enumerate(found.steps["never"])
    ]
    return {
        "found": found,
        "series": series,
        "ticks": ticks,
        "names": names,
        "rows": list(zip(*found.steps.values(), strict=True)),
    }


def page(all_found: list[Found]) -> str:
    """The page; whatever comes from data is escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return made.render(charts=[chart(found) for found in all_found], date=time.strftime("%Y-%m-%d"), plain=plain)


def main() -> None:
    """Replay and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.backtest", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("histories", nargs="*", metavar="HISTORY", help=f"of {', '.join(SETTINGS)} (default: all)")
    parser.add_argument("--permutations", type=int, default=999, help="of each drift verdict (default: %(default)s)")
    given = parser.parse_args()
    unknown = set(given.histories) - set(SETTINGS)
    if unknown:
        parser.error(f"unknown history {', '.join(sorted(unknown))}; there are {', '.join(SETTINGS)}")
    load = os.getloadavg()[0]
    found = [replayed(SETTINGS[name], given.permutations) for name in given.histories or SETTINGS]
    PAGE.write_text(page(found), encoding="utf-8")
    write_section(HEADING, text(found, load))


if __name__ == "__main__":
    main()
