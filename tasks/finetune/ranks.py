"""What the processes of one training agree on and add up (``finetune.processes``).

Each holds the whole model and runs the trainer as if it were alone; only the sum of the gradients at every step, the
logits of an evaluation, and what one process decides for all pass between them. The first writes and prints. In a
training of one process nothing here does anything.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from transformers import PreTrainedModel

from tasks.core.errors import UserError
from tasks.finetune.batching import min_rows
from tasks.modelling.checkpoints.loader import first_line

T = TypeVar("T")
PATIENCE = timedelta(days=1)  # to wait for a process that is alive: the first may compute a pass alone for hours
LAUNCHERS = (
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "PMI_SIZE",
    "OMPI_COMM_WORLD_SIZE",
    "MV2_COMM_WORLD_SIZE",
)


class PeerLost(Exception):
    """Another process of the training is gone."""


def count() -> int:
    """How many there are."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def index() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if count() > 1 else 0


def is_first() -> bool:
    """Whether this is the one that writes and prints."""
    return index() == 0


@contextmanager
def joined(store: Path | None) -> Iterator[None]:
    """Within the block this process is one of those that torch's launcher started.

    ``store``: a file by which those of one machine find each other; None: over the network, by the launcher's address.
    Libraries are not told, or they would divide the batches once more.
    """
    rank, size, run = (os.environ[name] for name in ("RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID"))
    if store is None:
        address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        found: Any = dist.PrefixStore(run, dist.TCPStore(*address, is_master=False))  # type: ignore[attr-defined]
    else:
        found = dist.FileStore(str(store), int(size))  # type: ignore[attr-defined]
    for name in LAUNCHERS:
        os.environ.pop(name, None)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=found, rank=int(rank), world_size=int(size), timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextmanager
def _noticing() -> Iterator[None]:
    """What torch raises once the connection to another process is closed, as PeerLost."""
    try:
        yield
    except RuntimeError as error:
        raise PeerLost(first_line(error)) from error


def agreed(value: T) -> T:
    """The first process's value, in all of them."""
    if count() == 1:
        return value
    box: list[Any] = [value]
    with _noticing():
        dist.broadcast_object_list(box, src=0)
    found: T = box[0]
    return found


def gathered(value: T) -> list[T]:
    """The value of each, in their order."""
    if count() == 1:
        return [value]
    found: list[Any] = [None] * count()
    with _noticing():
        dist.all_gather_object(found, value)
    return found


def wait() -> None:
    """Until all processes are here."""
    gathered(None)


def on_first_machine() -> tuple[int, int]:
    """This process's place among those on the first one's machine, and how many these are; elsewhere a higher place."""
    machines = gathered(socket.gethostname())
    return index(), machines.count(machines[0])


@contextmanager
def in_turn() -> Iterator[None]:
    """The first process runs the block, then all others at once: they find what it has made."""
    if not is_first():
        agreed(None)
    yield
    if count() > 1 and is_first():
        agreed(None)


@torch.no_grad()
def same_weights(model: nn.Module) -> None:
    """The first process's weights and buffers in all of them, whatever their kinds of processor."""
    if count() > 1:
        with _noticing():
            for tensor in model.state_dict().values():
                dist.broadcast(tensor, src=0)


@torch.no_grad()
def add_up(weights: Iterable[nn.Parameter], loss: torch.Tensor, asked: bool) -> tuple[torch.Tensor, bool]:
    """Replace each weight's gradient by the sum over all processes: the sum of the losses, and whether any was asked
    to end.

    A weight that no process has a gradient of keeps none, as it would in a training of one process.
    """
    trained = [weight for weight in weights if weight.requires_grad]
    parts = [torch.zeros_like(one) if one.grad is None else one.grad for one in trained]
    flat = torch.cat([*(part.flatten().float() for part in parts), loss.float()[None]])
    # on the CPU: no GPU need wait for them
    flags = torch.tensor([asked, *(one.grad is not None for one in trained)], dtype=torch.float32)
    with _noticing():
        dist.all_reduce(flat)
        dist.all_reduce(flags)
    sums = flat[:-1].split([part.numel() for part in parts])  # type: ignore[no-untyped-call]
    any_asked, *known = flags.bool().tolist()
    for weight, part, found, has in zip(trained, parts, sums, known, strict=True):
        weight.grad = part.copy_(found.view_as(part)) if has else None
    return flat[-1], any_asked


def refuse_unfit(model: PreTrainedModel) -> None:
    """UserError where several processes cannot give the gradient of one."""
    if count() > 1 and min_rows(model) > 1:
        raise UserError(
            f"finetune.processes is {count()}, but the batch norm of {type(model).__name__} takes its mean over the "
            "rows of one process: set it to 1"
        )


def refuse_unshared(folder: Path) -> None:
    """UserError where this process does not see a folder that the first has made."""
    if not folder.is_dir():
        raise UserError(
            f"finetune.processes: {socket.gethostname()} does not see {folder.absolute()} of the first node: put the "
            "repository on a disk that all nodes share"
        )
