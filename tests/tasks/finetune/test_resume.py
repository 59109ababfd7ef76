"""An interrupted training, continued, ends in the weights, curves and figures of one that never was."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys

import pytest
import torch

from tasks.finetune import Params, kept_pass, pieces
from tasks.finetune.eval_schedule import is_eval_step
from tasks.finetune.fingerprint import fingerprint
from tasks.finetune.pieces import Pieces
from tasks.finetune.trainer import ClassifierTrainer
from tasks.finetune.transformer import finetune, write_classifier
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.training import checkpoint_store
from tests.support.models import QUICK, digests

SECTION = QUICK | {"epochs": 3, "evals_per_epoch": 3, "checkpoint_seconds": 1e-9, "batch_size": 16}  # 6 steps an epoch


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


@pytest.fixture(scope="module")
def trained():
    """What a training that nothing ended came to, by its section: each is trained once for all tests."""
    return {}


@pytest.fixture
def uninterrupted(train, trained):
    """The weights, figures and curves of the training that nothing ended."""

    def once(**section):
        key = tuple(sorted(section.items()))
        if key not in trained:
            trained[key] = train("whole", **section)
        return trained[key]

    return once


@pytest.fixture
def train(tokens, tiny_checkpoint, tmp_path, monkeypatch):
    """Train, with a checkpoint after every step; ``at_step`` is done when so many have ended and before the next."""
    monkeypatch.setattr(checkpoint_store, "MAX_TIME_SHARE", 1e9)
    step = ClassifierTrainer.training_step

    def run(name, keep=None, at_step=None, act=None, **section):
        def acting(self, *args, **named):
            if self.state.global_step == at_step:
                act()
            return step(self, *args, **named)

        monkeypatch.setattr(ClassifierTrainer, "training_step", acting)
        source = checkpoint.Checkpoint(str(tiny_checkpoint))
        model, done = finetune(tokens, source, Params(**SECTION | section), 7, keep)
        write_classifier(model, tokens / "tokenizer", tmp_path / name)
        return digests(tmp_path / name), done.metrics, done.curves

    return run


def die():
    raise Killed


@pytest.mark.proof
@pytest.mark.parametrize(("depth", "moments"), [(0, (3, 6, 12, 17)), (4, (7,))])
def test_killed_anywhere_it_ends_as_if_never_killed(train, uninterrupted, tmp_path, capsys, depth, moments):
    """Within an epoch, between two, between two checks."""
    whole = uninterrupted(frozen_layers=depth)
    assert [row["step"] for row in whole[2]] == [2, 4, 6, 8, 10, 12, 14, 16, 18]
    for at in moments:
        keep = tmp_path / f"kept{at}"
        with pytest.raises(Killed):
            train("killed", keep, at, die, frozen_layers=depth)
        capsys.readouterr()
        assert train("continued", keep, frozen_layers=depth) == whole, f"killed after step {at}"
        assert f"resuming at step {at} of 18" in capsys.readouterr().out


@pytest.mark.long
def test_early_stopping_waits_on_where_it_was(train, tmp_path):
    section = {"learning_rate": 0.05, "scheduler": "constant_with_warmup", "early_stopping": 3, "epochs": 6}
    whole = train("whole", **section)
    best, last = whole[1]["selected_step"], whole[1]["steps"]
    assert best < last < 36
    for at in (best + 1, last - 1):
        with pytest.raises(Killed):
            train("killed", tmp_path / f"kept{at}", at, die, **section)
        assert train("continued", tmp_path / f"kept{at}", **section) == whole
    keep = tmp_path / "kept"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr("tasks.finetune.fit.temperature.fit", lambda *_: die())
        train("killed", keep, **section)
    assert train("continued", keep, **section) == whole


@pytest.mark.long
def test_the_parts_that_memory_allowed_are_known_to_the_next(train, tmp_path, monkeypatch):
    compute, tries = ClassifierTrainer.compute_loss, []

    def scarce(self, model, inputs, *args, **named):
        tries.append(len(inputs["labels"]))
        if model.training and len(inputs["labels"]) > 4:
            raise torch.OutOfMemoryError("CUDA")
        return compute(self, model, inputs, *args, **named)

    monkeypatch.setattr(ClassifierTrainer, "compute_loss", scarce)
    whole = train("whole")
    with pytest.raises(Killed):
        train("killed", tmp_path / "kept", 5, die)
    tries.clear()
    assert train("continued", tmp_path / "kept") == whole
    assert tries[0] == 4, "it was tried again"


@pytest.mark.long
def test_killed_twice_and_after_the_last_step(train, uninterrupted, tmp_path, monkeypatch):
    whole, keep = uninterrupted(), tmp_path / "kept"
    for at in (2, 9):
        with pytest.raises(Killed):
            train("killed", keep, at, die)
    with monkeypatch.context() as patch:
        patch.setattr("tasks.finetune.fit.temperature.fit", lambda *_: die())
        with pytest.raises(Killed):
            train("killed", keep)
    assert [folder.name for folder in keep.glob("step-*")] == ["step-000000018"], "older ones take room for nothing"
    assert train("continued", keep) == whole


@pytest.mark.proof
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_keeps_the_step_in_hand_and_leaves(train, uninterrupted, tmp_path, number):
    keep, handler = tmp_path / "kept", signal.getsignal(number)
    with pytest.raises(SystemExit) as left:
        train("ended", keep, 8, lambda: os.kill(os.getpid(), number), checkpoint_seconds=1e6)
    assert left.value.code == 128 + number
    assert [folder.name for folder in keep.glob("step-*")] == ["step-000000009"]
    assert signal.getsignal(number) is handler
    assert train("continued", keep, checkpoint_seconds=1e6) == uninterrupted()


@pytest.mark.proof
@pytest.mark.parametrize("file", ["optimizer.pt", "complete.json"])
def test_a_torn_checkpoint_is_ignored(train, uninterrupted, tmp_path, capsys, file):
    keep = tmp_path / "kept"
    with pytest.raises(Killed):
        train("killed", keep, 5, die)
    torn = keep / "step-000000005" / file
    torn.write_bytes(torn.read_bytes()[: torn.stat().st_size // 2])
    assert train("continued", keep) == uninterrupted()
    assert "step-000000005 is incomplete" in capsys.readouterr().out


@pytest.mark.proof
@pytest.mark.parametrize("place", ["before it is complete", "before older ones are deleted"])
def test_a_kill_within_a_checkpoint_leaves_a_whole_one(train, uninterrupted, tmp_path, monkeypatch, capsys, place):
    keep, complete, delete = (
        tmp_path / "kept",
        checkpoint_store.mark_complete,
        checkpoint_store.CheckpointStore.delete_all_but,
    )

    def dying(done):
        return lambda *args: die() if str(args[-1]).endswith("step-000000005") else done(*args)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        if place == "before it is complete":
            patch.setattr(checkpoint_store, "mark_complete", dying(complete))
        else:
            patch.setattr(checkpoint_store.CheckpointStore, "delete_all_but", dying(delete))
        train("killed", keep)
    assert len(list(keep.glob("step-*"))) == 2
    assert train("continued", keep) == uninterrupted()
    assert f"at step {4 if place == 'before it is complete' else 5} of 18" in capsys.readouterr().out


@pytest.fixture
def computed(monkeypatch):
    """How many batches each pass of the frozen layers computed."""
    counted, missing = [], Pieces.missing

    def counting(self):
        found = missing(self)
        if len(self.batches) > 1:  # the preflight's sample is one batch
            counted.append(len(found))
        return found

    monkeypatch.setattr(Pieces, "missing", counting)
    return counted


def passes_in(tmp_path):
    """The kept pass of the train rows and that of the validation rows, by their size."""
    return sorted((tmp_path / "activations").glob("*/values.f32"), key=lambda file: -file.stat().st_size)


@pytest.mark.proof
def test_the_frozen_layers_pass_serves_the_next_training(train, uninterrupted, tmp_path, computed):
    whole = uninterrupted(frozen_layers=4)
    computed.clear()
    assert train("first", tmp_path / "one", frozen_layers=4) == whole
    assert len(computed) == 2 and min(computed) > 1
    computed.clear()
    assert train("again", tmp_path / "two", frozen_layers=4) == whole
    other = train("rate", tmp_path / "three", frozen_layers=4, learning_rate=1e-3)
    train("unprobed", tmp_path / "four", frozen_layers=4, probe=False, dropout=0.2)
    assert other == uninterrupted(frozen_layers=4, learning_rate=1e-3) != whole
    assert computed[:6] == [0] * 6, "nothing is computed twice"
    assert (tmp_path / "activations").stat().st_mode & 0o777 == 0o700
    computed.clear()
    train("fewer", tmp_path / "five", frozen_layers=3)
    train("batches", tmp_path / "six", frozen_layers=4, batch_size=8)
    train("threads", tmp_path / "seven", frozen_layers=4, threads=2)
    assert all(computed), "what may have other bytes is another pass"


@pytest.mark.long
@pytest.mark.parametrize("damage", ["flipped", "truncated", "journal cut", "journal flipped", "garbage"])
def test_a_damaged_piece_of_the_pass_is_made_again(train, uninterrupted, tmp_path, monkeypatch, computed, damage):
    monkeypatch.setattr(pieces, "PIECE_SECONDS", 0.0)
    whole, keep = uninterrupted(frozen_layers=4), tmp_path / "kept"
    with pytest.raises(Killed):
        train("killed", keep, 5, die, frozen_layers=4)
    file = passes_in(tmp_path)[0]
    file = pieces.journal_of(file) if damage.startswith("journal") or damage == "garbage" else file
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle] ^= 1
    changed = {"truncated": content[:-4], "journal cut": content[: middle + 3], "garbage": b"[1]\n{}\n\xff\n"}
    file.write_bytes(changed.get(damage, content))
    every = computed[0]
    computed.clear()
    assert train("continued", keep, frozen_layers=4) == whole
    assert 0 < computed[0] <= every and computed[1] == 0
    assert damage in ("truncated", "garbage") or computed[0] < every, "whole pieces are taken"
    assert train("again", tmp_path / "another", frozen_layers=4) == whole
    assert computed[2:] == [0, 0]


KILLED_WITHIN = """
import sys
from pathlib import Path
from tasks.finetune import Params, frozen, pieces
from tasks.finetune.transformer import finetune
from tasks.modelling.checkpoints import checkpoint

pieces.PIECE_SECONDS = 0.0
run = frozen.halved_on_oom
done = 0

def slowly(batch, step):
    global done
    done += 1
    if done > 4:
        print("ready", flush=True)
        sys.stdin.read()
    run(batch, step)

frozen.halved_on_oom = slowly
tokens, source, keep, section = sys.argv[1:]
finetune(Path(tokens), checkpoint.Checkpoint(source), Params.model_validate_json(section), 7, Path(keep))
"""


@pytest.mark.proof
def test_killed_within_the_pass_it_goes_on_there(
    train, uninterrupted, tokens, tiny_checkpoint, tmp_path, monkeypatch, computed
):
    """A process of its own and SIGKILL, so that what counts is what the system has."""
    section = Params(**SECTION | {"frozen_layers": 4}).model_dump_json()
    whole, keep = uninterrupted(frozen_layers=4), tmp_path / "kept"
    command = [sys.executable, "-c", KILLED_WITHIN, tokens, tiny_checkpoint, keep, section]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert any(line == "ready\n" for line in process.stdout)
    process.kill()
    process.communicate()
    computed.clear()
    assert train("continued", keep, frozen_layers=4) == whole
    assert train("new", tmp_path / "elsewhere/kept", frozen_layers=4) == whole
    assert computed[0] == computed[2] - 3 and computed[1] == computed[3], (
        "one batch was the preflight's, three are kept"
    )


def test_all_passes_together_are_bounded_and_the_oldest_goes(tmp_path):
    folders = [tmp_path / name for name in ("old", "used", "new", "busy")]
    for age, folder in enumerate(folders):
        folder.mkdir()
        (folder / kept_pass.FILE).write_bytes(bytes(1000))
        journal = pieces.journal_of(folder / kept_pass.FILE)
        journal.touch()
        os.utime(journal, (age, age))
    os.utime(pieces.journal_of(folders[3] / kept_pass.FILE), (0, 0))
    with checkpoint_store.exclusive(folders[3]):
        assert kept_pass.trim(tmp_path, limit=3000) == [folders[0]]
        assert kept_pass.trim(tmp_path, used=[folders[1]], limit=2000) == [folders[2]]
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["busy", "used"]


@pytest.mark.proof
def test_a_pass_above_the_bound_lies_with_the_checkpoints(train, uninterrupted, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_pass, "MAX_BYTES", 1000)
    assert train("large", tmp_path / "kept", frozen_layers=4) == uninterrupted(frozen_layers=4)
    assert len(list((tmp_path / "kept/activations").glob("*/values.f32"))) == 2
    assert not passes_in(tmp_path)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("name", "value"),
    [("tasks.core.chip.kind", lambda: "another"), ("tasks.modelling.checkpoints.versions.installed", lambda: {})],
)
def test_another_kind_of_processor_or_other_versions_compute_their_own(train, tmp_path, monkeypatch, name, value):
    train("here", tmp_path / "one", frozen_layers=4)
    before = set(passes_in(tmp_path))
    monkeypatch.setattr(name, value)
    train("there", tmp_path / "two", frozen_layers=4)
    assert len(passes_in(tmp_path)) == 2 * len(before) == 4


@pytest.mark.proof
def test_a_full_disk_costs_the_checkpoint_and_nothing_else(train, uninterrupted, tmp_path, monkeypatch, capsys):
    write, unlimited = ClassifierTrainer.write_checkpoint, resource.getrlimit(resource.RLIMIT_FSIZE)

    def full(self, folder):
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, unlimited[1]))
        try:
            write(self, folder)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)

    whole = uninterrupted()
    monkeypatch.setattr(ClassifierTrainer, "write_checkpoint", full)
    assert train("full", tmp_path / "kept") == whole
    assert "checkpoint at step 1 not saved" in capsys.readouterr().out
    assert not list((tmp_path / "kept").glob("step-*"))


def test_only_one_at_a_time_keeps_things(tmp_path):
    with (
        checkpoint_store.exclusive(tmp_path / "kept") as first,
        checkpoint_store.exclusive(tmp_path / "kept") as second,
    ):
        assert (first, second) == (True, False)
    with checkpoint_store.exclusive(tmp_path / "kept") as again:
        assert again


@pytest.mark.proof
def test_whatever_decides_the_result_decides_the_fingerprint(tokens, tiny_checkpoint, tmp_path):
    def copied(folder, name):
        subprocess.run(["cp", "-r", folder, tmp_path / name], check=True)
        return tmp_path / name

    source = checkpoint.Checkpoint(str(tiny_checkpoint))
    here = fingerprint(tokens, source, Params(), 7)
    elsewhere = checkpoint.Checkpoint(str(copied(tiny_checkpoint, "checkpoint")))
    assert fingerprint(copied(tokens, "tokens"), elsewhere, Params(), 7) == here
    with (tmp_path / "tokens/train.parquet").open("ab") as file:
        file.write(b"x")
    with (tmp_path / "checkpoint/model.safetensors").open("ab") as file:
        file.write(b"x")
    others = [
        fingerprint(tmp_path / "tokens", source, Params(), 7),
        fingerprint(tokens, elsewhere, Params(), 7),
        fingerprint(tokens, source, Params(learning_rate=1e-4), 7),
        fingerprint(tokens, source, Params(), 8),
        fingerprint(tokens, checkpoint.Checkpoint("owner/model", "a"), Params(), 7),
        fingerprint(tokens, checkpoint.Checkpoint("owner/model", "b"), Params(), 7),
    ]
    assert len({here, *others}) == 7


@pytest.mark.parametrize(("steps", "checks"), [(10, 1), (10, 10), (7, 3), (5, 10), (1, 1)])
def test_checks_are_spread_over_an_epoch_and_end_it(steps, checks):
    at = [step for step in range(1, 2 * steps + 1) if is_eval_step(step, steps, checks)]
    assert len(at) == 2 * min(steps, checks)
    assert {steps, 2 * steps} <= set(at)
    gaps = [b - a for a, b in zip([0, *at], at, strict=False)]
    assert max(gaps) - min(gaps) <= 1
