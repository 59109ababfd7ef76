"""params.yaml of an older commit: renamed keys are read; in the working tree they are refused."""

from __future__ import annotations

import pytest

from flows.runs.old_params import section_today, seed_of, windows_of
from tasks import validate
from tasks.core.errors import UserError
from tasks.core.params import load
from tasks.gate import Params

OLD = """
seed: 9
model: {name: x}
no_longer_a_section: {}
windows: {reference: {until: 2026-01-01}, current: {from: 2026-01-01}}
gate: {slice_rows: 12}
validate: {privacy: mask, phone_regions: [FR]}
"""


def test_an_old_key_is_read_from_a_commit_and_refused_in_the_working_tree(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text(OLD)
    assert section_today(Params, "gate", file).min_slice_rows == 12
    assert section_today(validate.Params, "validate", file).privacy == "redact"
    assert (seed_of(file), f"{windows_of(file).current.from_:%Y-%m-%d}") == (9, "2026-01-01")
    file.write_text(OLD.replace("no_longer_a_section: {}\n", ""))
    with pytest.raises(UserError, match=r"gate\.slice_rows is now gate\.min_slice_rows"):
        load(Params, "gate", file)
    file.write_text(OLD.replace("slice_rows: 12", "unheard_of: 12"))
    with pytest.raises(UserError, match=r"unknown key gate\.unheard_of"):
        section_today(Params, "gate", file)
