"""Start the processes of a training by torch's elastic launcher, and go on from the checkpoint when one is lost.

On several nodes each runs this, told by the variables that ``torchrun`` takes: PET_NNODES, PET_NODE_RANK,
PET_MASTER_ADDR and PET_MASTER_PORT. They say where the processes run and change no byte of a result. The processes of
one machine find each other by a file that only this user can read, and listen on its loopback alone.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from tasks.core.cli import FAILED
from tasks.core.errors import UserError
from tasks.core.params import General
from tasks.finetune import Params

RESTARTS = 3
PEER_LOST = 75  # exit code of a process whose peer is gone: it was not at fault
ENDED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
JOIN_SECONDS = 900
JOB, STORE = "job.json", "store"  # in the launcher's folder


class TrainingFailed(UserError):
    """A process failed, or was lost again and again."""

    exit_code: ClassVar[int] = FAILED


@dataclass(frozen=True)
class Nodes:
    """The machines of a training, and which of them this is."""

    count: int = 1
    index: int = 0
    address: str = ""
    """HOST:PORT of the first one."""

    @classmethod
    def found(cls) -> Nodes:
        """From the variables that torchrun takes; one node without them."""
        count, index = (_whole(name, least) for name, least in (("PET_NNODES", 1), ("PET_NODE_RANK", 0)))
        if count == 1:
            return cls()
        host, port = (os.environ.get(name) for name in ("PET_MASTER_ADDR", "PET_MASTER_PORT"))
        if not host or not port or index >= count:
            raise UserError(
                f"PET_NNODES is {count}: set PET_MASTER_ADDR and PET_MASTER_PORT to the first node's address and a "
                f"free port, the same on all nodes, and PET_NODE_RANK to 0 to {count - 1}"
            )
        return cls(count, index, f"{host}:{port}")


def _whole(name: str, least: int) -> int:
    text = os.environ.get(name, str(least))
    if not text.isdecimal() or int(text) < least:
        raise UserError(f"{name} is {text!r}, and must be a whole number from {least} on")
    return int(text)


def run(section: Params, general: General, nodes: Nodes | None = None) -> None:
    """The stage with ``section.processes``. UserError for what cannot be trained so, before any is started."""
    nodes = nodes or Nodes.found()
    here = refuse_unfit(section, nodes)
    with tempfile.TemporaryDirectory() as folder, _quiet(), _kept_store(nodes):
        job = {"section": section.model_dump(mode="json"), "general": general.model_dump(mode="json")}
        (Path(folder) / JOB).write_text(json.dumps(job), encoding="utf-8")
        for attempt in range(RESTARTS + 1):
            try:
                _start(Path(folder), nodes, here, attempt)
                return
            except ChildFailedError as error:
                lost = who_was_lost(error)
                print(flush=True)  # ends the line of a progress bar that was killed with its process
            if attempt < RESTARTS:
                print(f"finetune: {lost}; starting again from the last checkpoint", flush=True)
    raise TrainingFailed(
        f"finetune: {lost}, the {RESTARTS + 1}th time: its checkpoint is kept; look at the machine's memory and log, "
        "or lower finetune.processes, then run again"
    )


@contextmanager
def _kept_store(nodes: Nodes) -> Iterator[None]:
    """Within the block the first node answers at its address, also between two starts."""
    host, _, port = nodes.address.rpartition(":")
    is_host = nodes.count > 1 and nodes.index == 0
    kept: Any = None
    if is_host:
        try:
            kept = torch.distributed.TCPStore(  # type: ignore[attr-defined]
                host, int(port), is_master=True, wait_for_workers=False, multi_tenant=True
            )
        except torch.distributed.DistError as error:
            raise UserError(f"PET_MASTER_PORT: {nodes.address} is taken: choose a free port, on all nodes") from error
    yield
    del kept


def refuse_unfit(section: Params, nodes: Nodes) -> int:
    """The number of processes on this node; UserError where there are too many of them, or too few."""
    count, here = section.processes, section.processes // nodes.count
    if count % nodes.count:
        raise UserError(f"finetune.processes is {count}, but there are {nodes.count} nodes: set it to a multiple")
    if section.batch_tokens is None and section.batch_size < count:
        raise UserError(
            f"finetune.processes is {count}, but a batch has {section.batch_size} rows: raise finetune.batch_size, or "
            "use fewer"
        )
    if torch.cuda.is_available() and here > torch.cuda.device_count():
        raise UserError(
            f"finetune.processes needs {here} GPUs on this machine, which has {torch.cuda.device_count()}: lower it"
        )
    return here


def _start(folder: Path, nodes: Nodes, here: int, attempt: int) -> None:
    """Run the processes of this node to their end. ChildFailedError where one fails; SystemExit on a signal."""
    store = folder / f"{STORE}{attempt}"
    alone: dict[str, Any] = {
        "rdzv_backend": "c10d",
        "rdzv_endpoint": str(folder / f"rendezvous{attempt}"),
        "rdzv_configs": {"store_type": "file", "timeout": JOIN_SECONDS},
        "local_addr": "127.0.0.1",
    }
    several: dict[str, Any] = {
        "rdzv_backend": "static",
        "rdzv_endpoint": nodes.address,
        "rdzv_configs": {"rank": nodes.index, "timeout": JOIN_SECONDS},
    }
    config = LaunchConfig(
        nodes.count,
        nodes.count,
        here,
        run_id=f"finetune-{attempt}",
        max_restarts=0,  # torch would start a refused training again as well
        virtual_local_rank=True,  # each process sees one GPU
        logs_specs=DefaultLogsSpecs(str(folder)),
        **(several if nodes.count > 1 else alone),
    )
    arguments = ["-m", "tasks.finetune.rank", str(os.getpid()), str(folder / JOB)]
    if nodes.count == 1:
        arguments += ["--store", str(store)]
    try:
        elastic_launch(config, sys.executable)(*arguments)
    except SignalException as error:
        raise SystemExit(128 + error.sigval) from None
    except (torch.distributed.DistError, TimeoutError) as error:
        raise UserError(
            f"finetune: not all {nodes.count} nodes came to {nodes.address} within {JOIN_SECONDS // 60} minutes: start "
            "the training on each, and let them reach that port"
        ) from error


def who_was_lost(error: ChildFailedError) -> str:
    """Which process was lost; what one of them refused or failed by is raised, and so is that all were ended.

    The launcher sends SIGTERM to those that are left, so that one that ended by it says nothing beside another reason.
    """
    failures = sorted(error.failures.items())
    codes = {rank: failure.exitcode for rank, failure in failures}
    for rank, failure in failures:
        if codes[rank] > 0 and codes[rank] not in (PEER_LOST, *ENDED):
            raise _said(failure)
    for rank, failure in failures:
        if codes[rank] < 0 and codes[rank] != -signal.SIGTERM:
            return f"process {rank} was killed by {failure.signal_name()}"
    for rank, failure in failures:
        if codes[rank] == PEER_LOST:
            return f"process {rank} has lost the others ({failure.message})"
    for code in codes.values():
        if code in ENDED:
            raise SystemExit(code)
    rank, failure = failures[0]
    return f"process {rank} was killed by {failure.signal_name()}"


def _said(failure: ProcessFailure) -> UserError:
    """The error that ended a process, with its exit code."""
    kind = UserError if failure.exitcode == UserError.exit_code else TrainingFailed
    return kind(failure.message)


@contextmanager
def _quiet() -> Iterator[None]:
    """Within the block torch's launcher says nothing, listens on no port for one machine, and handles signals."""
    before = {
        number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    }
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        for number, handler in before.items():
            signal.signal(number, handler)
