"""A fault in params.yaml is named: file, key, value, and what would be right."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pyarrow as pa
import pytest
from pydantic import ValidationError

from tasks.core import params
from tasks.core.errors import UserError
from tasks.core.rows import TIMESTAMP
from tasks.dataset.windows import load as load_windows
from tasks.ingest.windows import within


class Inner(params.Section):
    RENAMED: ClassVar[Mapping[str, str]] = {"length": "size"}
    size: int = 1


class Outer(params.Section):
    RENAMED: ClassVar[Mapping[str, str]] = {"speed": "rate", "length": "inner.size"}
    rate: float = 0.1
    inner: Inner = Inner()


def write(tmp_path, text):
    file = tmp_path / "params.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("finetune: {rats: 1.0}", ["unknown key finetune.rats; finetune takes rate, inner"]),
        ("finetune: {inner: {sizes: 1}}", ["unknown key finetune.inner.sizes; finetune.inner takes size"]),
        ("finetune: {rate: yes}", ["finetune.rate", "number", "'yes'"]),
        ("finetun: {}", ["unknown key 'finetun'", "finetune"]),
        ("finetune: [1, 2]", ["finetune"]),
        ("finetune: {rate: ", ["not valid YAML"]),
        ("just text", ["mapping"]),
    ],
)
def test_a_fault_in_a_section_is_named(tmp_path, text, words):
    with pytest.raises(UserError) as refusal:
        params.load(Outer, "finetune", write(tmp_path, text))
    assert all(word in str(refusal.value) for word in words)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("{speed: 1.0}", ["finetune.speed is now finetune.rate"]),
        (
            "{speed: 1.0, length: 2}",
            ["finetune.speed is now finetune.rate", "finetune.length is now finetune.inner.size"],
        ),
        ("{inner: {length: 2}}", ["finetune.inner.length is now finetune.inner.size"]),
    ],
)
def test_a_renamed_key_is_refused_with_its_new_name(tmp_path, text, lines):
    file = write(tmp_path, f"finetune: {text}")
    with pytest.raises(UserError) as refusal:
        params.load(Outer, "finetune", file)
    expected = [f"{file}: {line}: rename it, or run `driftline upgrade`" for line in lines]
    assert str(refusal.value).splitlines() == expected


@pytest.mark.parametrize(
    ("windows", "words"),
    [
        ('{reference: {until: "2002-10-01"}, current: {from: "2002-09-01"}}', ["windows", "overlap"]),
        ('{reference: {until: "2002-09-01"}, current: {until: "2002-10-01"}}', ["overlap"]),
        ("{reference: {from: 2002-10-01, until: 2002-09-01}}", ["windows.reference", "not before"]),
        ("{reference: {from: 2002-09-01, until: 2002-09-01}}", ["windows.reference", "not before"]),
        ("{reference: {until: yesterday}}", ["windows.reference.until", "2002-09-01"]),
        ("{refrence: {}}", ["unknown key windows.refrence", "reference, current"]),
    ],
)
def test_a_fault_in_the_windows_is_named(tmp_path, windows, words):
    with pytest.raises(UserError) as refusal:
        load_windows(write(tmp_path, f"model: {{name: m}}\nwindows: {windows}"))
    assert all(word in str(refusal.value) for word in words)


def test_windows_are_half_open_in_utc_however_they_are_written(tmp_path):
    text = 'model: {name: m}\nwindows: {reference: {until: 2002-09-01}, current: {from: "2002-09-01T02:00:00+02:00"}}'
    windows = load_windows(write(tmp_path, text))
    edge = datetime(2002, 9, 1, tzinfo=UTC)
    assert windows.reference.until == windows.current.from_ == edge
    times = pa.chunked_array([pa.array([edge - timedelta(microseconds=1), edge, None], TIMESTAMP)])
    assert within(times, windows.reference).to_pylist() == [True, False, False]
    assert within(times, windows.current).to_pylist() == [False, True, False]


def test_windows_with_their_own_sources_may_share_their_time(tmp_path):
    text = "model: {name: m}\nwindows: {reference: {until: 2002-10-01}, current: {from: 2002-09-01, source: new.csv}}"
    assert load_windows(write(tmp_path, text)).current.source == "new.csv"


def test_a_missing_section_has_its_defaults_and_is_frozen(tmp_path):
    section = params.load(Outer, "finetune", write(tmp_path, "seed: 1"))
    assert section == Outer()
    with pytest.raises(ValidationError, match="frozen"):
        section.rate = 1.0


def test_numbers_are_read_as_dvc_reads_them(tmp_path):
    assert params.load(Outer, "finetune", write(tmp_path, "finetune: {rate: 2e-5}")).rate == 2e-5


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("{}", "linear"),
        ("{name: null, revision: null, family: null, config: null}", "linear"),
        ("{name: m}", None),
        ("{name: m, family: linear}", "linear"),
        ("{family: vit}", "vit"),
    ],
)
def test_where_no_model_is_named_it_is_linear(tmp_path, model, family):
    assert params.general(write(tmp_path, f"model: {model}")).model.family == family


def test_a_missing_file_says_where_to_stand(tmp_path):
    with pytest.raises(UserError, match="top of the repository"):
        params.read(tmp_path / "params.yaml")
