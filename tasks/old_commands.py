"""Commands that an earlier release had as ``python -m …``, each with the one that took its place."""

from __future__ import annotations

import sys

NOW = {
    "tasks.environment": "environment",
    "tasks.explain --text": "explain",
    "tasks.export": "export",
    "tasks.preset": "preset",
    "tasks.release": "quarantine release",
    "tasks.report.say": "report",
    "tasks.trace": "trace",
    "flows.backtest": "backtest",
    "flows.demo": "demo",
    "flows.drift_pages": "drift-pages",
    "flows.mend": "reaper",
    "flows.prune": "prune",
    "flows.status": "status",
    "flows.verify": "verify",
}


def old_name(module: str, arguments: list[str]) -> str | None:
    """What of ``python -m module arguments`` is an old name; None where that is still the command."""
    first = arguments[0].partition("=")[0] if arguments else ""
    return next((name for name in (module, f"{module} {first}") if name in NOW), None)


def answer(argv: list[str], original: list[str]) -> None:
    """Exit with the new name if Python was started with an old one.

    While Python looks for the module of ``-m``, ``sys.argv`` is ``["-m", *arguments]``; its name is in
    ``sys.orig_argv``, before the arguments.
    """
    if argv[:1] == ["-m"] and len(original) > len(argv):
        old = old_name(original[-len(argv)].removeprefix("-m"), argv[1:])
        if old:
            print(f"error: `python -m {old}` is now `driftline {NOW[old]}`", file=sys.stderr)
            sys.exit(2)
