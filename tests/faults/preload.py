"""Starts this process again under ``preload.c``, whose failing calls its forks then use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

STARTED = "FAULTS_PRELOADED"


def start(folder: Path, module: str) -> None:
    """Return in the process that has it; the compiled library is kept in ``folder``."""
    if STARTED in os.environ:
        return
    if shutil.which("cc") is None:
        sys.exit("error: the harness of faults needs a C compiler: install gcc, then run again")
    library = folder / "preload.so"
    source = Path(__file__).with_name("preload.c")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    environment = {**os.environ, STARTED: "1", "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, "-m", module, *sys.argv[1:]], env=environment, check=False)
    sys.exit(ended.returncode)
