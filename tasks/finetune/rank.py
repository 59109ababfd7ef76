"""One process of a training that has several; ``launch.py`` starts it, and its end ends it.

Only the first prints. What ends a process is written for the launcher, which says it once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from tasks.core import faults
from tasks.core.cli import FAILED, run
from tasks.core.errors import UserError

POLL_SECONDS = 0.5


def end_with(launcher: int) -> None:
    """Kill this process, and those that it started, once the launcher is gone, whatever killed it."""

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(POLL_SECONDS)
        os.killpg(0, signal.SIGKILL)  # the launcher gave this process a group of its own

    threading.Thread(target=watch, name="end with the launcher", daemon=True).start()


def take_part(job: Path, store: Path | None) -> None:
    """This process's part of the training that ``job`` describes."""
    from transformers.utils import logging

    from tasks.core.params import General
    from tasks.finetune import Params, ranks, transformer

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # it warns of processes that its trainer is not told of
    found = json.loads(job.read_text(encoding="utf-8"))
    with ranks.joined(store):
        transformer.run(Params.model_validate(found["section"]), General.model_validate(found["general"]))


def _tell(message: str) -> None:
    """As torch's launcher reads it."""
    said = {"message": message, "timestamp": int(time.time())}
    Path(os.environ["TORCHELASTIC_ERROR_FILE"]).write_text(json.dumps(said), encoding="utf-8")


def work(launcher: int, job: Path, store: Path | None = None) -> None:
    """``launcher``: its process id; ``job``: the file that says what to train; ``store``: on one machine, where its
    processes meet."""
    end_with(launcher)
    if os.environ["RANK"] != "0":
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
    if store and sys.platform == "linux":
        os.environ |= {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
    sys.exit(_code(job, store))


def _code(job: Path, store: Path | None) -> int:
    from tasks.finetune.launch import PEER_LOST
    from tasks.finetune.ranks import PeerLost

    try:
        take_part(job, store)
    except UserError as error:
        _tell(str(error))
        return error.exit_code
    except PeerLost as error:
        _tell(str(error))
        return PEER_LOST
    except Exception as error:  # noqa: BLE001  the launcher says it in a sentence
        _tell(faults.sentence(error) or faults.unforeseen(error))
        return FAILED
    return 0


if __name__ == "__main__":
    run(work)
