"""``reports/drift.html``: the verdict, the signals, example texts, and Evidently's distributions below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.files import replacing
from tasks.drift import Params
from tasks.drift.distributions import evidently_report
from tasks.drift.examples import what_changed
from tasks.drift.rows import CATEGORIES, Rows
from tasks.drift.segments import Segments, example_texts
from tasks.html.templates import environment
from tasks.recommendation import accuracy, most_lost, recommendation

if TYPE_CHECKING:
    from tasks.drift.verdict import Verdict

SEGMENTS = 3  # on the page
MAX_LABELS = 12
TITLES = {
    (None, None): ("Cannot be told", "silent"),
    (True, True): ("Changed", "alarm"),
    (False, True): ("Changed, by less than counts", "notice"),
    (False, False): ("As before", "calm"),
}
# The page loads nothing from elsewhere, whatever a text in it says.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; font-src data:; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)


def write_page(
    verdict: Verdict,
    reference: Rows,
    current: Rows,
    params: Params,
    seed: int,
    path: Path,
    snapshot: Path | None = None,
    found: Sequence[Segments] = (),
) -> None:
    """Write the page for a verdict, and the snapshot for Evidently's workspace where one is wanted.

    Both are of a seeded sample of each side's rows; the verdict is of all. ``found``: the segments to show texts of.
    """
    rng = np.random.default_rng([seed, 3])
    before, now = (_sample(rows, params.report_rows, rng) for rows in (reference, current))
    report = evidently_report(verdict, before, now)
    shown = [
        (line, example_texts(found, current, reference.count, line["segment"], seed)) for line in most_telling(verdict)
    ]
    linked = snapshot is not None  # the pipeline's page lies beside the report
    texts = {path: _page(verdict, before, now, params, report.page, shown, (reference, current), linked)}
    if snapshot is not None:
        texts[snapshot] = report.snapshot
    for place, text in texts.items():
        with replacing(place) as part:
            part.write_text(text, encoding="utf-8")


def most_telling(verdict: Verdict) -> list[dict[str, Any]]:
    """At most SEGMENTS of them: where accuracy fell the one that lost most, then those that grew most."""
    lines: list[dict[str, Any]] = verdict["segments"]
    lost = most_lost([(one["slice"], one["share"], one["estimated_loss"]) for one in lines])
    if lost is None or accuracy(verdict).answer not in ("lost", "estimated lost"):
        return lines[:SEGMENTS]
    return [lines[lost], *lines[:lost], *lines[lost + 1 :]][:SEGMENTS]


def _sample(rows: Rows, max_rows: int, rng: np.random.Generator) -> Rows:
    if rows.count <= max_rows:
        return rows
    return rows.take(np.sort(rng.choice(rows.count, max_rows, replace=False)))


def _page(
    verdict: Verdict,
    reference: Rows,
    current: Rows,
    params: Params,
    distributions: str,
    shown: list[Any],
    sides: tuple[Rows, Rows],
    linked: bool,
) -> str:
    """``reference`` and ``current`` are samples of the ``sides``."""
    words, examples = what_changed(reference, current, params.examples) if verdict["signals"] else ([], [])
    title, tone = TITLES[(verdict["drifted"], verdict["significant"])]
    template = environment(Path(__file__).parent).get_template("page.html")
    head = template.render(
        title=recommendation(verdict) if verdict["signals"] else title,
        word=title,
        linked=linked,
        tone={"lost": "alarm", "held": "notice"}.get(accuracy(verdict).answer, tone)
        if verdict["significant"]
        else tone,
        accuracy=accuracy(verdict).text,
        dates={"reference": dates(sides[0]), "current": dates(sides[1])},
        shares=list(shares(*sides)),
        verdict=verdict,
        signals=_sorted(verdict["signals"]),
        detectable=verdict["detectable_effect"],
        past=(verdict["detectable_effect"] or {}).get("past_windows_as_different"),
        accuracies=list(_accuracies(verdict["performance"])),
        kinds=_kinds(verdict["change"] or {}),
        copies=_copies(verdict["quality"] or {}),
        shown={"reference": reference.count, "current": current.count},
        words=words,
        examples=examples,
        segments=shown,
        all_labelled=accuracy(verdict).all_labelled,
    )
    return _join(head.rstrip("\n"), distributions)


def dates(rows: Rows) -> str:
    """The first and the last day of the rows; empty where they have no times."""
    if rows.times is None or np.isnat(rows.times).all():
        return ""
    first, last = (str(pick(rows.times)).partition("T")[0] for pick in (np.nanmin, np.nanmax))
    return first if first == last else f"{first} to {last}"


def shares(reference: Rows, current: Rows) -> Iterator[dict[str, Any]]:
    """Of each label and prediction its share of the rows of either side that have one, the largest change first."""
    for kind in CATEGORIES:
        sides = [side.categories.get(kind) for side in (reference, current)]
        if sides[0] is None or sides[1] is None:
            continue
        given = [[value for value in side if value is not None] for side in sides if side is not None]
        if not all(given):
            continue
        counts = [reference.cells.count(side) for side in given]
        known = {**counts[0], **counts[1]}
        before, now = ({name: one[name] / len(side) for name in known} for one, side in zip(counts, given, strict=True))
        names = sorted(before, key=lambda name: (-abs(now[name] - before[name]), name))[:MAX_LABELS]
        lines = [{"name": name, "reference": before[name], "current": now[name]} for name in names]
        yield {"kind": f"{kind}s", "lines": lines, "left_out": len(before) - len(names)}


def _accuracies(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of the table of accuracies."""
    if found["reference_accuracy"] is not None:
        rows = f"{found['reference_rows']:,} held-out rows"
        interval = found.get("reference_interval")
        yield {"name": "Reference", "value": found["reference_accuracy"], "interval": interval, "of": rows}
    for name, estimate in (("Estimated (CBPE)", found), ("Estimated (ATC)", found["atc"] or {})):
        if estimate.get("estimated_accuracy") is not None:
            value, interval = estimate["estimated_accuracy"], estimate["interval"]
            yield {"name": name, "value": value, "interval": interval, "of": "all current rows"}
    if found["measured_accuracy"] is not None:
        value, interval = found["measured_accuracy"], found["measured_interval"]
        yield {
            "name": "Measured",
            "value": value,
            "interval": interval,
            "of": f"{found['measured_rows']:,} rows: {found['measured_over']}",
        }


def _kinds(change: dict[str, Any]) -> str:
    """Which kinds of change the data show."""
    words = {True: "yes", False: "no more than chance explains", None: "not known"}
    kinds = (("inputs", "covariate"), ("labels", "label"), ("what a text's label is", "concept"))
    return "Changed: " + "; ".join(f"{name} – {words[change.get(key)]}" for name, key in kinds) + "."


def _copies(quality: dict[str, Any]) -> str:
    """Copies and unseen labels; empty where there are none."""
    places = (("held-out", "text_in_held_out"), ("training", "text_in_training"))
    copies = [
        f"{_texts(quality[key]['rows'])} among the {name} rows too, word for word."
        for name, key in places
        if (quality.get(key) or {}).get("rows")
    ]
    unseen = quality.get("unseen_labels") or {}
    labels = [f"Labels the reference does not know: {', '.join(f'{k} ({v:,})' for k, v in unseen.items())}."]
    return " ".join([*copies, *(labels if unseen else [])])


def _texts(rows: int) -> str:
    return "1 current text is" if rows == 1 else f"{rows:,} current texts are"


def _sorted(signals: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return sorted(
        signals.items(), key=lambda pair: (not pair[1]["alarm"], not pair[1]["significant"], -pair[1]["effect"])
    )


def _join(head: str, page: str) -> str:
    """Our part first in the body of Evidently's page, and the policy first in its head."""
    meta = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n<title>Drift</title>'
    for tag, addition in (("<head>", meta), ("<body>", head)):
        before, found, after = page.partition(tag)
        if not found:
            raise RuntimeError(f"Evidently's page has no {tag}: its template has changed")
        page = f"{before}{found}\n{addition}\n{after}"
    return page.strip() + "\n"
