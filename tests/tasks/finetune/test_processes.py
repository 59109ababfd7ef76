"""Several processes train what one would: the same batches, the sum of their gradients, one that writes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from transformers import AutoModelForSequenceClassification

from tasks.core.errors import UserError
from tasks.finetune import Augmentation, Params, linear, ranks
from tasks.finetune.batching import LengthGroupedSampler, model_inputs
from tasks.finetune.device import device_for
from tasks.finetune.fingerprint import fingerprint
from tasks.finetune.image_batches import ImageRows
from tasks.finetune.launch import Nodes, TrainingFailed, refuse_unfit, who_was_lost
from tasks.finetune.shared_trainer import SharedTrainer
from tasks.finetune.shares import Dealt, Shares, cut
from tasks.finetune.trainer import ClassifierTrainer
from tasks.finetune.training import arguments
from tasks.finetune.transformer import read_rows
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.pixels import Layout
from tasks.modelling.training.shutdown import ShutdownRequest
from tasks.modelling.training.trainer import Run
from tests.support.models import NO_CHECKPOINTS, QUICK, digests, ragged
from tests.support.processes import TOP, free_port, wait_for

SECONDS = 500  # that a training may take on a busy machine
TOLERANCE = 1e-4  # of probabilities and losses after 18 steps: float32 sums in another order

# shares


@given(st.lists(st.integers(1, 512), min_size=1, max_size=60), st.integers(1, 9))
def test_each_process_gets_about_as_many_tokens(lengths, count):
    found = np.sort(np.array(lengths, np.int64))
    parts = cut(found, count)
    assert len(parts) == count and parts[0].start == 0 and parts[-1].stop == len(found)
    assert all(one.stop == other.start for one, other in pairwise(parts))
    assert max(found[part].sum() for part in parts) <= found.sum() / count + found.max()


@pytest.mark.parametrize("tokens", [None, 64])
def test_together_they_take_the_batches_of_one_process(tokens):
    lengths = ragged(53).lengths
    whole = LengthGroupedSampler(lengths, 8, 3, tokens)
    shares = [Shares(LengthGroupedSampler(lengths, 8, 3, tokens), index, 3) for index in range(3)]
    for epoch in range(2):
        whole.set_epoch(epoch)
        taken = []
        for one in shares:
            one.set_epoch(epoch)
            taken.append(list(one))
        for number, batch in enumerate(whole):
            step = [one.of_step(epoch * len(whole) + number) for one in shares]
            assert [i for share in step if not share.is_empty for i in share.rows] == batch
            assert [share.rows for share in step] == [batches[number] for batches in taken]
            assert all(share.rows for share in step), "each has something to compute on"


def test_evaluation_is_dealt_out():
    whole = LengthGroupedSampler(ragged(20).lengths, 4, None)
    dealt = [list(Dealt(whole, index, 2)) for index in range(2)]
    assert sorted(map(tuple, dealt[0] + dealt[1])) == sorted(map(tuple, whole.of_epoch(0)))
    assert list(Dealt(whole, 3, 9)) == whole.of_epoch(0), "fewer batches than processes: all by each"


def test_an_image_is_augmented_as_by_one_process():
    layout = Layout((1, 4, 4), (1.0,), (0.0,))
    rows = ImageRows("pixel_values", np.zeros((6, 1, 4, 4), np.uint8), np.arange(7), np.zeros(6, int), layout=layout)
    images = torch.rand(6, 1, 4, 4)
    how = Augmentation(shift=1, flip=True)
    whole = rows.augmented({"pixel_values": images}, how, 7, 3)["pixel_values"]
    parts = [
        rows.augmented({"pixel_values": images[part]}, how, 7, 3, part, 6)["pixel_values"]
        for part in (slice(0, 2), slice(2, 6))
    ]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.slow
@pytest.mark.parametrize("section", [{}, {"class_weights": True, "accumulation": 3}, {"batch_tokens": 30}])
def test_the_gradients_add_up_to_that_of_one_process(bert, tmp_path, monkeypatch, section):
    """Each process's step is run here in turn; batches of one row leave processes without any."""
    chosen = Params(**QUICK | {"dropout": 0.0} | section)
    for module in bert.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    rows, count = ragged(11), 3

    def steps(cls):
        args = arguments(chosen, 3, device_for(chosen), str(tmp_path / "trainer"))
        run = Run(NO_CHECKPOINTS, ShutdownRequest())
        trainer = cls(bert, chosen, 3, run, args=args, train_dataset=rows, eval_dataset=rows)
        for number, inputs in enumerate(trainer.get_train_dataloader()):
            bert.zero_grad()
            trainer.state.global_step = number
            loss = trainer.training_step(bert, inputs)
            yield loss, torch.cat([w.grad.flatten() for w in bert.parameters() if w.grad is not None])

    expected = list(steps(ClassifierTrainer))
    monkeypatch.setattr(ranks, "count", lambda: count)
    monkeypatch.setattr(ranks, "same_weights", lambda model: None)
    monkeypatch.setattr(ranks, "add_up", lambda weights, loss, asked: (loss, asked))
    own = []
    for index in range(count):
        monkeypatch.setattr(ranks, "index", lambda index=index: index)
        own.append(list(steps(SharedTrainer)))
    assert len(expected) == len(own[0])
    for (loss, gradient), *parts in zip(expected, *own, strict=True):
        assert torch.allclose(sum(part[0] for part in parts), loss, atol=1e-6)
        assert torch.allclose(sum(part[1] for part in parts), gradient, atol=1e-6)


# refusals


def test_what_cannot_be_is_refused_before_a_process_is_started(monkeypatch):
    with pytest.raises(UserError, match="a batch has 2 rows: raise"):
        refuse_unfit(Params(processes=4, batch_size=2), Nodes())
    with pytest.raises(UserError, match="there are 2 nodes: set it to a multiple"):
        refuse_unfit(Params(processes=3), Nodes(2, 0, "a:1"))
    assert refuse_unfit(Params(processes=4, batch_size=2, batch_tokens=99), Nodes(2, 0, "a:1")) == 2
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="needs 2 GPUs on this machine, which has 1"):
        refuse_unfit(Params(processes=2), Nodes())


def test_a_batch_norm_takes_one_process(monkeypatch):
    monkeypatch.setattr(ranks, "count", lambda: 2)
    with pytest.raises(UserError, match="the batch norm of Sequential"):
        ranks.refuse_unfit(torch.nn.Sequential(torch.nn.BatchNorm1d(2)))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"PET_NNODES": "two"}, "PET_NNODES is 'two'"),
        ({"PET_NNODES": "2"}, "set PET_MASTER_ADDR and PET_MASTER_PORT"),
        ({"PET_NNODES": "2", "PET_NODE_RANK": "2", "PET_MASTER_ADDR": "a", "PET_MASTER_PORT": "1"}, "PET_NODE_RANK"),
    ],
)
def test_nodes_are_told_by_the_variables_of_torchrun(monkeypatch, given, why):
    for name in ("PET_NNODES", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert Nodes.found() == Nodes()
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=why):
        Nodes.found()


def test_a_linear_model_does_not_read_it(capsys):
    linear.refuse_unfit(Params(processes=2))
    assert "not read for a linear model: finetune.processes" in capsys.readouterr().out


@pytest.mark.slow
def test_a_training_may_go_on_with_another_number(tokens, tiny_checkpoint):
    source = checkpoint.Checkpoint(str(tiny_checkpoint))
    assert fingerprint(tokens, source, Params(processes=2), 7) == fingerprint(tokens, source, Params(), 7)


# the launcher

SECTION = QUICK | {"epochs": 3, "evals_per_epoch": 3, "batch_size": 16, "dropout": 0.0, "checkpoint_seconds": 0.01}
ACT = """
import os, signal, sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder

PLACE, STEP, ACT, RUN = os.environ["ACT"].split()

class Finder(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "tasks.finetune.shared_trainer":
            return None
        found = PathFinder.find_spec(name, path)
        run = found.loader.exec_module
        def loaded(module):
            run(module)
            step = module.SharedTrainer.training_step
            def acting(self, *args):
                attempt = os.environ["TORCHELASTIC_RUN_ID"]
                if module.ranks.index() == int(PLACE) and self.state.global_step == int(STEP) and RUN in attempt:
                    os.kill(os.getpid() if ACT == "KILL" else os.getppid(), getattr(signal, f"SIG{ACT}"))
                    if ACT == "STOP":
                        signal.pause()
                return step(self, *args)
            module.SharedTrainer.training_step = acting
        found.loader.exec_module = loaded
        return found

sys.meta_path.insert(0, Finder())
"""


@pytest.fixture
def place(tokens, tiny_checkpoint, tmp_path):
    """A folder with all that the stage reads."""
    shutil.copytree(tokens, tmp_path / "place/data/tokens")
    shutil.copytree(tiny_checkpoint, tmp_path / "place/base")
    (tmp_path / "act").mkdir()
    (tmp_path / "act/sitecustomize.py").write_text(ACT)
    return tmp_path / "place"


def started(place, act=None, module="tasks.finetune", prefix=(), environment=None, **section):
    """The stage as a process; ``act``: process, step, signal and the end of the run's name, in which it is sent."""
    general = {"seed": 7, "model": {"name": "base"}, "finetune": SECTION | section}
    (place / "params.yaml").write_text(json.dumps(general))
    paths = [str(TOP), *([str(place.parent / "act")] if act else [])]
    found = os.environ | {"PYTHONPATH": os.pathsep.join(paths), **({"ACT": act} if act else {}), **(environment or {})}
    command = [*prefix, sys.executable, "-m", module]
    return subprocess.Popen(
        command,
        cwd=place,
        env=found,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def trained(place, act=None, code=0, **rest):
    """What the stage printed."""
    process = started(place, act, **rest)
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == code, said
    assert not left_behind(process.pid)
    return said


def left_behind(launcher):
    """Processes of a training whose launcher this was."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if "tasks.finetune.rank" in words and str(launcher) in words:
            found.append(int(folder.name))
    return found


def listening(process):
    """The addresses at which a process listens."""
    for file, width in (("tcp", 4), ("tcp6", 16)):
        for line in Path(f"/proc/{process}/net/{file}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets(process):
                yield str(ip_address(bytes.fromhex(words[1].partition(":")[0])[:width][::-1]))


def sockets(process):
    """The sockets that a process holds open."""
    return {str(file.readlink()) for file in Path(f"/proc/{process}/fd").iterdir() if file.is_symlink()}


def result(place):
    """What the classifier says of the test rows, curves and figures."""
    rows = read_rows(place / "data/tokens/test.parquet")
    model = AutoModelForSequenceClassification.from_pretrained(place / "models/classifier").eval()
    with torch.inference_mode():
        said = model(**model_inputs(model, rows, range(len(rows)))).logits.softmax(1)
    curves = np.loadtxt(place / "reports/curves.csv", delimiter=",", skiprows=1)
    return said, curves, json.loads((place / "metrics/finetune.json").read_text())


def assert_close(found, expected):
    """Not by weights: those without a gradient, a key's bias, go where the last digits of a sum lead them."""
    assert torch.allclose(found[0], expected[0], atol=TOLERANCE)
    assert np.allclose(found[1], expected[1], atol=TOLERANCE)
    for name, figure in expected[2].items():
        assert found[2][name] == (pytest.approx(figure, abs=2e-3) if isinstance(figure, float) else figure), name


@pytest.mark.proof
def test_two_processes_train_what_one_does(place, tmp_path):
    """The curve, the answers and the figures; only the first prints, and none is left."""
    expected = trained_by_one(place)
    said = trained(place, processes=2)
    assert_close(result(place), expected)
    assert said.count("training 14,978 parameters") == 1
    assert json.loads((place / "reports/finetune_cost.json").read_text())["processes"] == 2
    assert not list((place / ".checkpoints").glob("*/step-*"))


def trained_by_one(place, **section):
    trained(place, **section)
    return result(place)


@pytest.mark.long
@pytest.mark.parametrize("section", [{"frozen_layers": 4}, {"lora": {"rank": 2}, "batch_size": 2, "epochs": 1}])
def test_three_processes_share_the_frozen_layers_pass_and_adapters(place, section):
    """Of two rows a batch one process at least has none: batch_tokens."""
    section = section | {"batch_tokens": 40}
    expected = trained_by_one(place, **section)
    shutil.rmtree(place / ".checkpoints/activations", ignore_errors=True)
    trained(place, processes=3, **section)
    assert_close(result(place), expected)


@pytest.mark.long
def test_the_same_bytes_each_time_with_dropout(place):
    trained(place, processes=2, dropout=0.1)
    first = digests(place / "models/classifier")
    said = trained(place, "1 7 KILL 0", processes=2, dropout=0.1)
    assert "process 1 was killed by SIGKILL; starting again from the last checkpoint" in said
    assert "resuming at step 7 of 18" in said, "the last whole step was not lost with the process"
    assert digests(place / "models/classifier") == first


@pytest.mark.long
def test_it_goes_on_with_another_number_of_processes(place):
    """From two to one, ended within a step."""
    expected = trained_by_one(place)
    process = started(place, "0 5 TERM 0", processes=2)
    assert process.wait(SECONDS) == 143
    assert "stopped after step 6 of 18" in process.stdout.read()
    assert "resuming at step 6 of 18" in trained(place, processes=1)
    assert_close(result(place), expected)


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ((143, -9), "process 1 was killed by SIGKILL"),  # the launcher ended the first after the second
        ((-15, -9), "process 1 was killed by SIGKILL"),
        ((143, 75), "process 1 has lost the others"),
        ((-15, -15), "process 0 was killed by SIGTERM"),
    ],
)
def test_the_process_that_was_lost_is_named_and_not_one_that_the_launcher_ended(codes, said):
    assert who_was_lost(failed(*codes)).startswith(said)


@pytest.mark.parametrize(
    ("codes", "error"), [((143, 143), SystemExit), ((143, 2), UserError), ((75, 1), TrainingFailed)]
)
def test_what_was_refused_or_ended_is_not_taken_for_lost(codes, error):
    with pytest.raises(error):
        who_was_lost(failed(*codes))


def failed(*codes):
    """What torch's launcher raises after processes ended with these exit codes."""
    return ChildFailedError("rank", {rank: ProcessFailure(rank, 1, code, "") for rank, code in enumerate(codes)})


@pytest.mark.long
def test_a_process_that_is_lost_again_and_again_ends_in_a_sentence(place):
    """The checkpoint is kept, and the next run goes on from it."""
    said = trained(place, "1 7 KILL finetune", code=1, processes=2)
    (line,) = re.findall("^error: .*", said, re.M)
    assert line.startswith("error: finetune: process 1 was killed by SIGKILL, the 4th time: its checkpoint is kept")
    assert said.count("starting again") == 3
    assert "resuming at step 7 of 18" in trained(place, processes=2)


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_stage_leaves_no_process_behind(place, number):
    process = started(place, processes=2, epochs=500)
    assert wait_for(lambda: list((place / ".checkpoints").glob("*/step-*")), SECONDS)
    ids = left_behind(process.pid)
    assert len(ids) == 2
    assert {address for one in [process.pid, *ids] for address in listening(one)} <= {"127.0.0.1"}
    process.send_signal(number)
    assert process.wait(60) == (-9 if number == signal.SIGKILL else 143)
    assert wait_for(lambda: not any(Path(f"/proc/{one}").exists() for one in ids), 10)
    assert list((place / ".checkpoints").glob("*/step-*"))


@pytest.mark.long
def test_a_refusal_is_said_once_and_not_tried_again(place):
    said = trained(place, code=2, processes=2, frozen_layers=6)
    assert "starting again" not in said
    assert said.count("finetune.frozen_layers is 6, but the model has 6 layers; freeze fewer") == 1


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="network namespaces take root and ip")
def test_two_nodes_that_meet_over_the_network(place):
    """Two network namespaces with one disk; a process that the second node loses is started again on both."""
    names = [f"driftline{os.getpid()}{end}" for end in "ab"]
    address = {names[0]: "10.99.77.1", names[1]: "10.99.77.2"}

    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    expected, port = trained_by_one(place), free_port()
    try:
        for name in names:
            ip("netns", "add", name)
        ends = [name[-7:] for name in names]
        ip("link", "add", ends[0], "netns", names[0], "type", "veth", "peer", "name", ends[1], "netns", names[1])
        for name, end in zip(names, ends, strict=True):
            ip("-n", name, "addr", "add", f"{address[name]}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
            ip("-n", name, "link", "set", "lo", "up")
        nodes = []
        for index, (name, end) in enumerate(zip(names, ends, strict=True)):
            told = {"NNODES": 2, "NODE_RANK": index, "MASTER_ADDR": address[names[0]], "MASTER_PORT": port}
            environment = {f"PET_{key}": str(value) for key, value in told.items()} | {"GLOO_SOCKET_IFNAME": end}
            module = "tasks.finetune.node" if index else "tasks.finetune"
            inside = ("ip", "netns", "exec", name)
            nodes.append(started(place, "1 7 KILL 0", module, inside, environment, processes=2))
        said = [node.communicate(timeout=SECONDS)[0] for node in nodes]
        assert [node.returncode for node in nodes] == [0, 0], said
        assert "resuming at step 7 of 18" in said[0] and "resuming" not in said[1]
        assert_close(result(place), expected)
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
