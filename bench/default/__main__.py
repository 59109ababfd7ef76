"""What ships as the default: ``python -m bench.default [PART ...] [--minutes 8] [--arms ARM ...]``.

What ``driftline preset transformer`` trains, the mean over the tokens of frozen layers (a stock model:
``mean_layer.py``), and what is trained above them at 128 and 256 tokens, each beside the baseline as the stage tunes
it. In parts:

- ``choose``: the settings of the mean and of what is trained with it, on the splits of seeds 1 and 2 and on the
  reference's last month, fitted on what was before it;
- ``judge``: the splits of five other seeds, on their test rows and on each month after the reference;
- ``few-300``, ``few-600``: the same with so many labelled rows of the split, drawn by its seed.

The frozen layers' pass is computed once (``states.py``). Each arm on each split is kept in a file, so that a run that
was ended goes on. ``SAMPLE=tweets`` in the environment takes another sample (``samples.py``).
``DRIFTLINE_CACHE`` names the place; it takes 4 GB. The section of bench/RESULTS.md is written from whatever is there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import torch

from bench.default import table
from bench.default.plan import ARMS, BASE, LONGER, MEANS, PARTS, PRESET, Piece, choice, pieces
from bench.default.samples import SAMPLE
from bench.default.trained import Trained
from bench.results import write_section


def wanted(part: str, named: list[str]) -> Iterator[Piece]:
    """The pieces of a part: of the arms that are named, or of all that the part needs."""
    if part == "choose":
        return pieces(part, named or [*MEANS, *(name for name in LONGER if _cheap(name))])
    found = [name for name in (BASE, choice(MEANS), PRESET, choice(LONGER)) if name]
    return pieces(part, named or (found[:3] if part.startswith("few") else found))


def _cheap(name: str) -> bool:
    """Whether only the mean layer is trained: what trains more is not tried four times."""
    arm = LONGER[name]
    return isinstance(arm, Trained) and arm.mean == 0


def main() -> None:
    """Measure what is missing, write the section."""
    parser = argparse.ArgumentParser(prog="python -m bench.default", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all if none is named")
    parser.add_argument("--arms", nargs="*", choices=list(ARMS), default=[], help="that are measured")
    parser.add_argument("--minutes", type=float, default=8.0, help="no measurement begins after so many")
    parser.add_argument("--dry", action="store_true", help="write no results")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    torch.set_num_threads(1)  # the seconds are those of one thread
    until, left = time.monotonic() + 60 * options.minutes, 0
    for part in options.parts or PARTS:
        for piece in wanted(part, options.arms):
            if piece.load() is None and time.monotonic() < until:
                found = piece.measure()
                print(piece.part, piece.arm, piece.seed, found["f1"], found.get("seconds"), flush=True)
            left += piece.load() is None
    print(f"still to be measured: {left}")
    if not options.dry:
        section = table.text()
        print(section)
        write_section(SAMPLE.heading, section)


if __name__ == "__main__":
    main()
