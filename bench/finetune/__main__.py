"""Ways to fine-tune, side by side: ``python -m bench.finetune [PART ...] [--minutes 8]``.

(a) the textbook loop, (b) ``Trainer`` as it comes, (c) ``Trainer`` as a careful user sets it, (d) Driftline with every
layer trained and validation looked at every tenth of an epoch; and the time that Driftline, spending as little as it
can, takes to reach the macro-F1 at which (a) ends. All from the same weights (MiniLM-L6) on the same token ids of at
most 128, on the mails and on two sets that are fetched through pip. In parts, in this order:

- ``choose``: what (d) and the time to (a)'s macro-F1 are set to, by validation rows of the half of each set that
  nothing else is measured on;
- ``train``: whole trainings of all arms in turns, timed, and what they say of the test rows; a probe of matrix
  multiplication among them;
- ``time``: until the test rows' macro-F1 is (a)'s final one.

Each result is kept in a file beside the fetched sets, so that a run that was ended goes on. The section of
bench/RESULTS.md is written from whatever is there.
"""

from __future__ import annotations

import argparse

import torch

from bench.finetune.arms import ARMS
from bench.finetune.parts import PARTS, Results, measure, plan
from bench.finetune.sets import CACHE, SETS
from bench.finetune.table import text
from bench.results import write_section

HEADING = "Fine-tuning beside a textbook loop and Trainer"


def main() -> None:
    """Measure what is missing, write the section."""
    parser = argparse.ArgumentParser(prog="python -m bench.finetune", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all if none is named")
    parser.add_argument("--draws", type=int, default=5, help="of the rows to train on, of each set")
    parser.add_argument("--arms", nargs="*", choices=list(ARMS), default=list(ARMS), help="that are trained")
    parser.add_argument("--sets", nargs="*", choices=list(SETS), default=list(SETS))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--minutes", type=float, default=8.0, help="no measurement begins after so many")
    parser.add_argument("--dry", action="store_true", help="write no results")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    torch.set_num_threads(options.threads)
    results = Results(CACHE / "finetune-trainings.json")
    asked = plan(options.parts or list(PARTS), options.draws, options.arms)
    missing = [key for key in asked if key[1] in options.sets and results.get(*key) is None]
    measure(results, missing, options.minutes)
    print(f"still to be measured: {sum(results.get(*key) is None for key in missing)}")
    if not options.dry:
        section = text(results)
        print(section)
        write_section(HEADING, section)


if __name__ == "__main__":
    main()
