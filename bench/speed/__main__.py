"""Scoring and training in tokens per CPU second, beside others: ``python -m bench.speed [PART ...] [--minutes 8]``.

MiniLM-L6 on texts of about 20, 130 and 400 tokens; the arms take turns, a process each, and beside each measurement
stands the rate of matrix multiplication that the same process reached just before. CPU seconds, since others may share
the machine. Parts: ``score`` and ``train``.

Each result is kept in a file outside git, so that a run that was ended goes on (``--anew`` forgets them). The section
of bench/RESULTS.md is written from whatever is there. The time to a macro-F1 is ``bench.finetune``'s.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from bench.results import write_section
from bench.speed.measuring import PARTS, Measured, measure, plan
from bench.speed.rows import FOLDER, SIZES, classifier, sample
from bench.speed.table import text

HEADING = "Tokens per CPU second, scoring and training"
WITHOUT = (
    "SetFit 1.2.0, put beside the locked packages, does not import without `evaluate`, which they lack: not run; "
    "model2vec 0.10.0 trains a table of vectors and no layers, and to make one of MiniLM it asks for a transformers "
    "below 5.4."
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, write the section."""
    parser = argparse.ArgumentParser(prog="python -m bench.speed", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all if none is named")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=8.0, help="no measurement begins after so many")
    parser.add_argument("--anew", action="store_true", help="forget what was measured before")
    parser.add_argument("--dry", action="store_true", help="write no results")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    kept = Measured(FOLDER / "measured.json")
    if options.anew:
        kept.all.clear()
    missing = [key for key in plan(options.parts or list(PARTS), options.rounds) if kept.get(key) is None]
    if missing:
        classifier()
        samples = {tokens: sample(tokens) for tokens in SIZES}
        measure(kept, missing, samples, options.threads, options.minutes)
    print(f"still to be measured: {sum(kept.get(key) is None for key in missing)}")
    if not options.dry:
        section = text(kept, options.threads, WITHOUT)
        print(section)
        write_section(HEADING, section)


if __name__ == "__main__":
    main()
