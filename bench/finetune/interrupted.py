"""What a training that is killed over and over gains: ``python -m bench.finetune.interrupted``.

Runs the stage ``finetune`` of the working tree once to its end, in an empty ``.checkpoints``; then anew, killed with
SIGKILL after a quarter, a third and a third of what the whole run took, and once more to its end. Shares are of
processor seconds, so that other work on the machine counts for nothing. Needs ``data/tokens`` and
``models/pretrained``.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.results import write_section
from tasks.core import chip, paths
from tasks.core.files import sha256_of

KILLED_AFTER = (1 / 4, 1 / 3, 1 / 3)
TARGET = 0.4
WEIGHTS = paths.CLASSIFIER / "model.safetensors"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Start:
    """One start of the stage."""

    cpu: float
    """Seconds of processor time, of all threads."""
    clock: float
    said: list[str]
    """Lines that tell where it went on."""


def start(limit: float | None = None) -> Start:
    """Run the stage; kill it after ``limit`` processor seconds."""
    began, log = time.monotonic(), paths.CHECKPOINTS.with_suffix(".log")
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-m", "tasks.finetune"], stdout=file, stderr=subprocess.STDOUT)
        used = 0.0
        while process.poll() is None:
            used = _cpu(process.pid) or used
            if limit is not None and used >= limit:
                process.send_signal(signal.SIGKILL)
                process.wait()
            time.sleep(0.02)
    if process.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(log.read_text())
    words = log.read_text(errors="replace").replace("\r", "\n").splitlines()
    log.unlink()
    done = Start(used, time.monotonic() - began, [line for line in words if line.startswith("resuming at")])
    print(done, flush=True)
    return done


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def main() -> None:
    """Measure, and replace the section of bench/RESULTS.md."""
    shutil.rmtree(paths.CHECKPOINTS, ignore_errors=True)
    whole = start()
    expected = sha256_of(WEIGHTS)
    shutil.rmtree(paths.CHECKPOINTS)
    starts = [start(share * whole.cpu) for share in KILLED_AFTER] + [start()]
    same = sha256_of(WEIGHTS) == expected
    again = start()  # what a trial with another learning rate gains
    rows = [("whole, nothing kept", whole)]
    rows += [
        (f"killed after {share:.2f}", one) for share, one in zip((*KILLED_AFTER, 1), starts, strict=True) if share < 1
    ]
    rows += [("the fourth start, to its end", starts[-1]), ("the next training of the same layers", again)]
    table = "\n".join(
        f"| {name} | {one.cpu:.0f} | {one.cpu / whole.cpu:.0%} | {one.clock:.0f} | {'; '.join(one.said) or '-'} |"
        for name, one in rows
    )
    share = starts[-1].cpu / whole.cpu
    write_section(
        "A training that is killed three times",
        f"`python -m bench.finetune.interrupted`, {datetime.now(UTC):%Y-%m-%d}, {chip.kind()}, "
        f"{os.cpu_count()} cores, load average {os.getloadavg()[1]:.0f}. `driftline preset transformer`; shares are of "
        "processor seconds, all threads.\n\n"
        "| start | processor s | of the whole | s on the clock | |\n|---|---:|---:|---:|---|\n"
        f"{table}\n\nThe fourth start takes {share:.0%} of a whole run; wanted: {TARGET:.0%} at most. "
        f"Weights: {'the same bytes' if same else 'DIFFERENT bytes'}.",
    )


if __name__ == "__main__":
    main()
