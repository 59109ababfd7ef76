"""Where quote marks can be read in two ways, what the other lines hold decides."""

from __future__ import annotations

import pytest

from tasks.ingest.dialect import detect
from tasks.ingest.dialect_params import Dialect
from tasks.ingest.dialect_quotes import MAX_KINDS, Usual, shape

PLAIN = "".join(f"line {i}\t{'ab'[i % 2]}\n" for i in range(12))


@pytest.mark.parametrize(("lines", "odd", "refused"), [(3, 1, False), (4, 1, True), (5, 1, True), (5, 2, False)])
def test_lines_that_are_unlike_the_others_are_inside_a_text(lines, odd, refused):
    """Up to a quarter of the lines may be unlike: then they could still be records, and only a person can say."""
    labels = ["no label"] * odd + ["a"] * (lines - odd)
    inside = "".join(f"inside\t{label}\n" for label in labels[:-1])
    found = detect(f'text\tlabel\n{PLAIN}"open {inside}closed"\ta\n'.encode())
    assert bool(found.refusal) is refused
    assert found.dialect.quoted


def usual(*lines, width=2):
    made = Usual(Dialect(), width)
    for line in lines:
        made.add(f"{line}\r\n")
    return made


def test_the_share_of_unlike_lines_is_that_of_the_column_that_fits_best():
    found = usual(*(f"{'xy'[i % 2]},2020-01-0{i}" for i in range(1, 7)))
    assert found.lines == 6
    assert found.unlike(["x,2021-05-06\n", "z,2021-05-07\n"]) == 0, "each is a day, though no day of before"
    assert found.unlike(["x,soon\n", "z,later\n"]) == 0.5
    assert found.unlike(["z,soon\n"]) == 1
    assert found.unlike(['"z,"soon\n']) == 0, "what holds a quote mark is not judged"
    assert usual("a,b,c").lines == 0, "another number of cells is no record"


def test_a_column_of_many_values_judges_nothing():
    many = usual(*(f"word {chr(97 + i % 26)}{i},w" for i in range(3 * MAX_KINDS)))
    assert many.unlike(["another,w\n"]) == 0
    assert many.unlike(["another,v\n"]) == 1


def test_the_shape_of_a_number_is_its_signs():
    assert [shape(cell) for cell in ("12", "-3.50", "2020-01-02T03:04Z", "5 %", "12a", "")] == [
        "9",
        "-9.9",
        "9-9-9T9:9Z",
        "9 %",
        "words",
        "",
    ]
