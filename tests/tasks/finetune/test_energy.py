"""The meter: parts that add up, nothing written, silent, and no answer for a training that failed."""

from __future__ import annotations

from threading import Event

import pytest

from tasks.finetune.energy import energy_meter


@pytest.fixture
def tracker():
    return pytest.importorskip("codecarbon").OfflineEmissionsTracker


@pytest.mark.proof
def test_a_metered_block_has_its_energy_by_part_and_leaves_no_trace(tracker, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    with energy_meter() as used:
        sum(i * i for i in range(300_000))
    assert used["all"] == pytest.approx(used["cpu"] + used["gpu"] + used["memory"], abs=5e-9) and used["all"] > 0
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_the_training_does_not_wait_for_the_meter(tracker, monkeypatch):
    begun, start = Event(), tracker.start

    def after_the_training_began(self):
        assert begun.wait(60)
        start(self)

    monkeypatch.setattr(tracker, "start", after_the_training_began)
    with energy_meter() as used:
        begun.set()
    assert used["all"] >= 0


@pytest.mark.proof
def test_a_failure_passes_through():
    with pytest.raises(KeyError), energy_meter() as used:
        raise KeyError
    assert used == {}


def test_without_codecarbon_nothing_is_metered(monkeypatch):
    monkeypatch.setattr("tasks.finetune.energy.find_spec", lambda name: None)
    with energy_meter() as used:
        pass
    assert used == {}
