"""Great Expectations runs the rules and writes Data Docs."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from html import escape, unescape
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.types.base import ProgressBarsConfig
from pandas.api.types import is_numeric_dtype

from tasks.validate import pages
from tasks.validate.results import together
from tasks.validate.rules import Rule

KEY = "id"  # the column that names a failing row
FRAME = 1 << 18  # rows that Great Expectations checks at once: each time costs it a fixed 0.2 s
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RuleChecker:
    """Checks rules with a file context of Great Expectations, and writes the results as Data Docs.

    ``when`` is the time that they bear: of the data, since with the clock's the same rows would give other pages.
    """

    def __init__(self, folder: Path, when: datetime = EPOCH) -> None:
        self._folder, self._when = folder, when
        self._context = gx.get_context(mode="file", project_root_dir=folder)
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        self._source = self._context.data_sources.add_pandas("driftline")
        self._site = folder / "gx/uncommitted/data_docs/local_site"
        self._failure_counts: dict[str, dict[str, int]] = {}
        self._results: dict[str, list[list[dict[str, Any]]]] = {}  # by suite, of each frame

    def failures(self, name: str, parts: Iterable[pd.DataFrame], rules: Sequence[Rule]) -> dict[str, list[str]]:
        """The keys of the rows that break each rule, by its reason; ``parts`` are the rows one after the other.

        They have the column ``id``, unique; ``FRAME`` of them are checked at once.
        """
        parts = (_checked_columns(part, rules) for part in parts if len(part) and rules)
        definition, found, results = None, {rule.reason: list[str]() for rule in rules}, []
        for frame in _frames(parts):
            definition = definition or self._definition(name, rules)
            outcome = definition.run(
                batch_parameters={"dataframe": frame},
                result_format={"result_format": "COMPLETE", "unexpected_index_column_names": [KEY]},
                run_id=RunIdentifier(run_time=self._when),
            )
            for result in outcome.results:
                found[result.expectation_config.meta["reason"]] += _failing_keys(result)
            results.append([result.to_json_dict() for result in outcome.results])
        if not results:
            return {}
        self._results[name] = results
        self._failure_counts[name] = {reason: len(keys) for reason, keys in found.items()}
        return found

    def _definition(self, name: str, rules: Sequence[Rule]) -> gx.ValidationDefinition:
        suite = self._context.suites.add(gx.ExpectationSuite(name=name))
        for rule in rules:
            kind = getattr(gx.expectations, rule.expectation)
            labels = {"notes": f"Rule `{rule.reason}`", "meta": {"reason": rule.reason}}
            suite.add_expectation(kind(column=rule.column, **labels, **_escaped_limits(rule.limits)))
        batch = self._source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
        return self._context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))

    def write_docs(self, folder: Path, quarantined: pa.Table, findings: Sequence[str] = ()) -> None:
        """Write Data Docs of all checks so far, of the quarantined rows and of what else was found; what was in
        ``folder`` is replaced."""
        self._complete_results()
        self._context.build_data_docs()
        pages.make_self_contained(self._site, self._failure_counts, quarantined, findings)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._site, folder)

    def _complete_results(self) -> None:
        """Each result is that of all frames. The time at which rows were loaded, too, is that of the data; in UTC, not
        in the machine's zone."""
        for file in (self._folder / "gx/uncommitted/validations").rglob("*.json"):
            result = json.loads(file.read_text(encoding="utf-8"))
            together(result, self._results[result["suite_name"]])
            result["meta"]["batch_markers"]["ge_load_time"] = f"{self._when:%Y%m%dT%H%M%S.%fZ}"
            result["meta"]["run_id"]["run_time"] = self._when.astimezone(UTC).isoformat()
            file.write_text(json.dumps(result, sort_keys=True), encoding="utf-8")


def _frames(parts: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The rows of the parts, ``FRAME`` in each but the last; the index counts on."""
    start, held = 0, pd.DataFrame()
    for part in parts:
        held = pd.concat([held, part], ignore_index=True) if len(held) else part
        while len(held) >= FRAME:
            yield _numbered(held[:FRAME], start)
            start, held = start + FRAME, held[FRAME:]
    if len(held):
        yield _numbered(held, start)


def _numbered(rows: pd.DataFrame, start: int) -> pd.DataFrame:
    return rows.set_index(pd.RangeIndex(start, start + len(rows)))


def _checked_columns(rows: pd.DataFrame, rules: Sequence[Rule]) -> pd.DataFrame:
    """The columns that the rules check."""
    used = rows[list(dict.fromkeys([KEY, *(rule.column for rule in rules)]))]
    texts = [str(name) for name in used if not is_numeric_dtype(used[name])]
    return used.assign(
        **{name: used[name].map(_escaped, na_action="ignore") for name in texts if _has_html_characters(used[name])}
    )


def _has_html_characters(values: pd.Series) -> bool:
    """Whether any value holds a character that HTML gives a meaning."""
    return bool(pc.any(pc.match_substring_regex(pa.array(values, pa.string(), from_pandas=True), "[&<>\"']")).as_py())


def _escaped(value: Any) -> Any:
    """Text escaped for HTML: Great Expectations writes values into its pages unescaped."""
    return escape(value) if isinstance(value, str) else value


def _escaped_limits(limits: Mapping[str, Any]) -> dict[str, Any]:
    """The limits, escaped like the values they are compared with."""
    return {name: [*map(_escaped, limit)] if isinstance(limit, list) else limit for name, limit in limits.items()}


def _failing_keys(result: gx.core.ExpectationValidationResult) -> list[str]:
    if result.exception_info and result.exception_info.get("raised_exception"):
        raise RuntimeError(f"Great Expectations could not check {result.expectation_config}: {result.exception_info}")
    return [unescape(str(entry[KEY])) for entry in result.result.get("unexpected_index_list") or []]


@contextmanager
def rule_checker(times: pa.ChunkedArray) -> Iterator[RuleChecker]:
    """A ``RuleChecker`` of rows of these times, whose working files are removed afterwards."""
    newest = pc.max(times).as_py()
    with tempfile.TemporaryDirectory() as folder:
        yield RuleChecker(Path(folder), newest or EPOCH)
