"""One stage of the soak's repository: seconds of work, deaf to a polite end, the same bytes for the same inputs."""

from __future__ import annotations

import hashlib
import signal
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    out, seconds, *sources = sys.argv[1:]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    value = hashlib.sha256(b"".join(Path(source).read_bytes() for source in sources)).hexdigest()
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until:
        time.sleep(0.05)
    Path(out).write_text("\n".join(hashlib.sha256(f"{value}{i}".encode()).hexdigest() for i in range(20_000)))
