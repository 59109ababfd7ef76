"""Judge one window's rows: ``python -m tasks.validate --window reference|current``."""

from __future__ import annotations

from collections import Counter, defaultdict

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tasks import params, paths
from tasks.artefacts import read_table, write_json, write_table
from tasks.cli import run, window_argument
from tasks.errors import Refused
from tasks.paths import Window, WindowPaths
from tasks.schema import REASONS
from tasks.validate import Params
from tasks.validate.copies import copies
from tasks.validate.expectations import Judge, judge
from tasks.validate.rules import Rule, class_rules, copy_rules, row_rules, table_rules

Reasons = dict[str, list[str]]


def validate(raw: pa.Table, section: Params, window: Window, where: WindowPaths) -> dict[str, object]:
    """Judge the rows, write both tables and Data Docs, and return the figures.

    Raises ``Refused`` when a table rule fails; then the quarantine and Data Docs are there to look at, and no validated
    table is.
    """
    where.validated.unlink(missing_ok=True)
    with judge() as judging:
        reasons = _row_reasons(raw, section, window, judging)
        passed, quarantined = separate(raw, reasons)
        figures = _figures(raw, passed, quarantined)
        broken = _table_failures(figures, passed, section, window, judging) if len(raw) else []
        judging.write_docs(where.data_docs)
    write_table(quarantined, where.quarantine)
    if broken:
        raise Refused("\n".join([*broken, f"Look at {where.data_docs}/index.html and {where.quarantine}."]))
    write_table(passed, where.validated)
    return figures


def _row_reasons(raw: pa.Table, section: Params, window: Window, judging: Judge) -> Reasons:
    """Why each row that may not pass may not, by id: rules on the row, then on the copies among those that met them."""
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    derived = pd.DataFrame(
        {
            "id": raw["id"].to_pandas(),
            "characters": pc.utf8_length(pc.utf8_trim_whitespace(raw["text"])).to_pandas(),
            "label": _not_blank(raw["label"]).to_pandas(),
            "problem": raw["problem"].to_pandas(),
        }
    )
    unreadable = raw.filter(pc.is_valid(raw["problem"]))
    problems = dict(zip(unreadable["id"].to_pylist(), unreadable["problem"].to_pylist(), strict=True))
    for reason, ids in judging.failures(f"{window}_rows", derived, row_rules(section, window)).items():
        for key in ids:
            if reason == "unreadable":
                reasons[key].append(problems[key])
            elif key not in problems:  # what could not be read is not judged for what it lacks
                reasons[key].append(reason)
    good, _ = separate(raw, reasons)
    found = copies(good["id"].to_pylist(), good["text"].to_pylist(), good["label"].to_pylist())
    found.insert(0, "id", good["id"].to_pandas())
    for reason, ids in judging.failures(f"{window}_copies", found, copy_rules()).items():
        for key in ids:
            if reason != "duplicate_text" or key not in reasons:
                reasons[key].append(reason)
    return reasons


def _not_blank(labels: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(labels), ""), pa.scalar(None, pa.string()), labels)


def separate(raw: pa.Table, reasons: Reasons) -> tuple[pa.Table, pa.Table]:
    """The rows without reasons, and those with, ``reasons`` appended; both in order."""
    bad = pc.is_in(raw["id"], value_set=pa.array(list(reasons), pa.string()))
    left = raw.filter(bad)
    column = pa.array([reasons[key] for key in left["id"].to_pylist()], REASONS.type)
    return raw.filter(pc.invert(bad)), left.append_column(REASONS, column)


def _table_failures(
    figures: dict[str, object], passed: pa.Table, section: Params, window: Window, judging: Judge
) -> list[str]:
    counts = Counter(label for label in passed["label"].to_pylist() if label is not None)
    summary = pd.DataFrame(
        {
            "id": ["window"],
            "share_quarantined": [figures["share_quarantined"]],
            "rows_validated": [figures["validated"]],
            "classes": [len(counts)],
        }
    )
    shares = pd.DataFrame({"id": list(counts), "share_of_class": [n / counts.total() for n in counts.values()]})
    broken = []
    for name, table, rules in (
        ("table", summary, table_rules(section, window)),
        ("classes", shares, class_rules(section)),
    ):
        failed = judging.failures(name, table, rules)
        for rule in rules:
            observed = table.set_index("id")[rule.column]
            broken += [_explain(rule, observed[key], key) for key in failed.get(rule.reason, [])]
    return broken


def _explain(rule: Rule, observed: float, key: str) -> str:
    least, most = rule.limits["min_value"], rule.limits["max_value"]
    limit = f"at most {most:g}" if most is not None else f"at least {least:g}"
    of = "" if key == "window" else f" of label {key!r}"
    return f"validate.{rule.reason}: {rule.column}{of} is {observed:.4g}, allowed is {limit}"


def _figures(raw: pa.Table, passed: pa.Table, quarantined: pa.Table) -> dict[str, object]:
    counted = Counter(reason for reasons in quarantined["reasons"].to_pylist() for reason in reasons)
    labels = Counter(label for label in passed["label"].to_pylist() if label is not None)
    return {
        "rows": len(raw),
        "validated": len(passed),
        "quarantined": len(quarantined),
        "share_quarantined": round(len(quarantined) / len(raw), 6) if len(raw) else 0.0,
        "reasons": dict(sorted(counted.items())),
        "labels": dict(sorted(labels.items())),
    }


def main() -> None:
    """Run the stage on the repository's paths."""
    name = window_argument(__doc__)
    where = paths.window(name)
    figures = validate(read_table(where.raw), params.load(Params, "validate"), name, where)
    write_json(figures, paths.metrics("validate", name))
    why = ", ".join(f"{reason} {count}" for reason, count in dict(figures["reasons"]).items())  # type: ignore[call-overload]
    print(f"{name}: {figures['validated']} of {figures['rows']} rows pass" + (f"; quarantined: {why}" if why else ""))


if __name__ == "__main__":
    run(main)
