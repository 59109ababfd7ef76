"""A year's events, one after the other: ``python -m tests.year [--minutes 55]``.

Two repositories with the tiny pipeline on one Prefect server with one worker. The first is watched for 52 weeks and
trained in 60 nights, the second is trained in 10. Dates are the data's; runs are started back to back by the driver,
through the deployments of ``prefect.yaml``: 44 weeks by their dates, the last eight as a backlog that one run begins.
Between them rows and labels come late, processes are killed, the remote is away, the checkout moves, its champion is
re-issued, and it is lost and restored from a backup. What happened is kept in ``.year/``: a run that is ended, or that
``--minutes`` end, goes on where it was. At the end it checks what is asked and writes its section of bench/RESULTS.md.
Exit code 0: all held; 1: something did not; 3: to be continued.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from bench.results import write_section
from tests.year.check import check, text
from tests.year.service import TOP, Service
from tests.year.story import events


def main() -> None:
    """Go on with the year."""
    parser = argparse.ArgumentParser(prog="python -m tests.year", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--folder", type=Path, default=TOP / ".year", help="what happened, kept (default: .year)")
    parser.add_argument("--weeks", type=int, default=52)
    parser.add_argument("--minutes", type=float, default=55.0, help="at most; a later call goes on")
    given = parser.parse_args()
    service, until = Service.begin(given.folder.resolve()), time.monotonic() + 60 * given.minutes
    try:
        for name, event in events(given.weeks):
            if name in service.done:
                continue
            if time.monotonic() > until:
                print(f"up to {service.done[-1] if service.done else 'nothing'}: call it again to go on")
                sys.exit(3)
            started = time.monotonic()
            event(service)
            service.keep(name)
            print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
        found = check(service, given.weeks)
    finally:
        service.end()
    print(json.dumps(found.figures, indent=2))
    for fault in found.faults:
        print(f"fault: {fault}")
    write_section("A simulated year", text(service, found))
    sys.exit(bool(found.faults))


if __name__ == "__main__":
    main()
