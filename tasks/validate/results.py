"""Results of Great Expectations over parts of the rows, as it gives them for all rows at once.

Its own function puts them together: it has no public one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from great_expectations.expectations.expectation import _format_map_output

Result = dict[str, Any]
FORMAT = {"result_format": "COMPLETE", "partial_unexpected_count": 20, "include_unexpected_rows": False}
LISTS = ("unexpected_list", "unexpected_index_list")
QUERY = re.compile(r"items=\[(.*)\]")


def together(validation: Result, frames: Sequence[Sequence[Result]]) -> None:
    """Put into the validation of the last frame what its expectations found in all of them."""
    if len(frames) == 1:
        return
    for last, results in zip(validation["results"], zip(*frames, strict=True), strict=True):
        last["success"] = all(result["success"] for result in results)
        last["result"] = _merged([result["result"] for result in results], last["success"])
    met = sum(result["success"] for result in validation["results"])
    count = len(validation["results"])
    validation["success"] = met == count
    validation["statistics"] |= {
        "successful_expectations": met,
        "unsuccessful_expectations": count - met,
        "success_percent": met / count * 100,
    }


def _merged(results: Sequence[Result], success: bool) -> Result:
    """Of one expectation."""
    elements, unexpected = (sum(result[key] for result in results) for key in ("element_count", "unexpected_count"))
    has_missing = "missing_count" in results[0]
    lists = {key: [one for result in results for one in result.get(key) or []] for key in LISTS}
    places = (QUERY.search(result.get("unexpected_index_query") or "") for result in results)
    query = ", ".join(place[1] for place in places if place and place[1])
    found: Result = _format_map_output(
        FORMAT,
        success,
        elements,
        elements - sum(result["missing_count"] for result in results) if has_missing else None,
        unexpected,
        **lists,
        unexpected_index_query=f"df.filter(items=[{query}], axis=0)",
        unexpected_index_column_names=results[0].get("unexpected_index_column_names"),
    )["result"]
    return found
