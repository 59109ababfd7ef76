"""Run the pipeline as a Prefect flow: ``python -m flows.training [STAGE ...]``.

Runs what is stale, in DVC's order, in this working tree, and says for each stage whether it ran, was restored from the
cache or is unchanged, and why. With stages named, only those and what they need.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from prefect import flow

from flows.artifacts import publish
from flows.dag import Dag
from flows.stage import Result, StageFailed, bring_up_to_date
from flows.summary import closing_lines, table


@flow(name="training", persist_result=False, validate_parameters=True)
def training(stages: list[str] | None = None) -> list[Result]:
    """Bring the pipeline, or the named stages and what they need, up to date in this working tree."""
    results = in_order(Dag(), stages, bring_up_to_date)
    publish(results, Path())
    return results


def in_order(dag: Dag, stages: list[str] | None, bring_up_to_date: Callable[[str, list[str]], Result]) -> list[Result]:
    """Go through the stages in DVC's order; one look at the whole finds what is stale, and what follows a stage that
    did something is looked at again.
    """
    stale = dag.stale()
    touched: set[str] = set()  # stages whose outputs may have changed in this run
    results = []
    for name in dag.order(stages):
        if touched & dag.reads_from(name):
            stale = {**stale, name: dag.stale(name).get(name, [])}
        result = bring_up_to_date(name, stale.get(name, []))
        if result.outcome != "unchanged":
            touched.add(name)
        results.append(result)
    return results


def main() -> None:
    """The command line: 0 when all is up to date, 1 when a stage failed, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python -m flows.training", description=__doc__.split("\n\n")[0])
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="as in dvc.yaml; `ingest` means both its windows")
    wanted = parser.parse_args().stages
    try:
        results = training(wanted or None)
    except StageFailed as failure:
        sys.exit(f"error: a stage failed; it said last:\n{failure}")
    except KeyError as unknown:
        sys.exit(f"error: {unknown.args[0]}")
    except KeyboardInterrupt:
        print("interrupted: the running stage was stopped; run again to go on", file=sys.stderr)
        sys.exit(130)
    print(table(results))
    print("\n".join(closing_lines(Path())))


if __name__ == "__main__":
    main()
