"""What counts as a secret of the environment."""

from __future__ import annotations

from tasks.core.secrets import hidden


def test_the_shells_folder_is_no_password(monkeypatch):
    monkeypatch.setenv("PWD", "/srv/spam-filter")
    monkeypatch.setenv("DB_PWD", "correct horse")
    assert hidden("/srv/spam-filter/data is opened with correct horse") == "/srv/spam-filter/data is opened with ***"
