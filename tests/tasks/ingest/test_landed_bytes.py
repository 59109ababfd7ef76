"""A part of a landing whose bytes have changed is refused; nothing else is hashed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tasks.core.errors import UserError
from tasks.ingest.landed_bytes import refuse_changed


@pytest.mark.parametrize("spoil", [lambda data: data[:-1], lambda data: bytes([data[0] ^ 1]) + data[1:], lambda _: b""])
def test_a_part_that_is_not_what_was_landed_is_refused(spoil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = b"id,text\n1,hello\n"
    part = Path(f"data/landing/mails/000001-{hashlib.sha256(content).hexdigest()[:16]}.csv")
    part.parent.mkdir(parents=True)
    part.write_bytes(content)
    refuse_changed(part)
    part.write_bytes(spoil(content))
    with pytest.raises(UserError, match=rf"{part} is not what was landed.*dvc checkout --force data/landing/mails`"):
        refuse_changed(part)


@pytest.mark.parametrize("name", ["data/mails.csv", "data/landing/mails/README.md", f"data/in/a/000001-{'a' * 16}.csv"])
def test_other_files_may_change(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(parents=True)
    Path(name).write_text("any")
    refuse_changed(Path(name))
