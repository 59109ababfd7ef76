"""What RESULTS.md says of each everyday file stays true."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.everyday.measure import AT_ONCE, ONE_KEY, TWO_KEYS, compared, read
from tests.everyday.table import FILES

RECORDED = json.loads(Path(__file__).with_name("results.json").read_text())["after"]
READ = [file for file in FILES if RECORDED[file.name][0] in (AT_ONCE, ONE_KEY, TWO_KEYS)]


@pytest.mark.parametrize("file", READ, ids=lambda file: file.name)
def test_a_file_that_was_read_is_read(file):
    keys = {} if RECORDED[file.name][0] == AT_ONCE else file.param
    assert compared(read(file, keys), file).outcome == AT_ONCE


def test_every_file_is_recorded():
    assert {file.name for file in FILES} == RECORDED.keys() and len(FILES) >= 60
