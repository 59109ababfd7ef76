"""The plain way that ``bench.data_gate`` is set beside: pandas, Great Expectations and scikit-learn, as one writes it.

Reads ``rows.csv``, has Great Expectations judge the same row rules, keeps the rows that meet them, drops copies (case
and spaces aside) and splits at random by label. No reasons beside the row, no look at conflicting labels, no
near-duplicates, nothing that stays where it is when rows are added.
"""

from __future__ import annotations

import great_expectations as gx
import pandas as pd
from great_expectations.data_context.types.base import ProgressBarsConfig
from sklearn.model_selection import train_test_split

LABELS = ["billing", "delivery", "returns", "account", "praise"]


def main() -> None:
    """Read, judge, split, write."""
    rows = pd.read_csv("rows.csv", dtype=str, keep_default_na=False, parse_dates=["received_at"])
    rows["characters"] = rows["text"].str.strip().str.len()
    bad = _failures(rows)
    good, held = rows[~rows.index.isin(bad)], rows[rows.index.isin(bad)]
    key = good["text"].str.casefold().str.split().str.join(" ")
    good = good[~key.duplicated()]
    train, rest = train_test_split(good, test_size=0.3, random_state=7, stratify=good["label"])
    validation, test = train_test_split(rest, test_size=2 / 3, random_state=7, stratify=rest["label"])
    for name, table in {"quarantine": held, "train": train, "validation": validation, "test": test}.items():
        table.to_parquet(f"plain_{name}.parquet")
    print(f"plain: train {len(train)}  validation {len(validation)}  test {len(test)}  quarantine {len(held)}")


def _failures(rows: pd.DataFrame) -> set[int]:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    expect = gx.expectations
    suite = gx.ExpectationSuite(
        name="rows",
        expectations=[
            expect.ExpectColumnValuesToNotBeNull(column="text"),
            expect.ExpectColumnValuesToBeBetween(column="characters", min_value=1),
            expect.ExpectColumnValuesToNotBeNull(column="label"),
            expect.ExpectColumnValuesToBeInSet(column="label", value_set=LABELS),
            expect.ExpectColumnValuesToBeUnique(column="id"),
        ],
    )
    batch = (
        context.data_sources.add_pandas("rows").add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    )
    found = batch.get_batch({"dataframe": rows}).validate(suite, result_format={"result_format": "COMPLETE"})
    return {place for result in found.results for place in result.result.get("unexpected_index_list") or []}
