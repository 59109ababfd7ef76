"""Mutation testing by hand: change one operator or number of a module at a time and see whether its tests notice.

``python -m tests.mutation tasks/gate/paired.py tests/tasks/gate --sample 20 -k "not command"`` prints each mutant that
survives, and the score. It works on a copy of the repository. Not covered: mutants that are equivalent to the original,
which no test can kill; look at each survivor.
"""

from __future__ import annotations

import argparse
import ast
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "cumsum": "cumprod", "minimum": "maximum"}


def mutants(source: str) -> list[tuple[int, str, str]]:
    """Line, what changes, and the whole module with that one change."""
    found = []
    for place, node in enumerate(ast.walk(ast.parse(source))):
        for what, line in _changes(node):
            tree = ast.parse(source)
            _apply(list(ast.walk(tree))[place])
            found.append((line, what, ast.unparse(tree)))
    return found


def _changes(node: ast.AST) -> list[tuple[str, int]]:
    before = ast.unparse(node) if isinstance(node, ast.expr) else ""
    if not _apply(node):
        return []
    return [(f"{before} -> {ast.unparse(node)}", getattr(node, "lineno", 0))]


def _apply(node: ast.AST) -> bool:
    """Change the node in its place; False where there is nothing to change."""
    if isinstance(node, (ast.BinOp, ast.BoolOp)) and type(node.op) in SWAPS:
        node.op = SWAPS[type(node.op)]()
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        node.ops[0] = SWAPS[type(node.ops[0])]()
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        node.value += 1
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node.op = ast.UAdd()
    elif isinstance(node, ast.Name) and node.id in NAMES:
        node.id = NAMES[node.id]
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        node.attr = NAMES[node.attr]
    else:
        return False
    return True


def survives(folder: Path, file: Path, mutant: str, options: list[str], seconds: int) -> bool:
    """Whether the tests pass on the mutant; one that runs for ever is killed."""
    original = (folder / file).read_text(encoding="utf-8")
    (folder / file).write_text(mutant, encoding="utf-8")
    call = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-m",
        "not slow and not soak",
        "-p",
        "no:cacheprovider",
        *options,
    ]
    try:
        return subprocess.run(call, cwd=folder, capture_output=True, timeout=seconds, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        (folder / file).write_text(original, encoding="utf-8")


def main() -> None:
    """Try a sample of the mutants of one module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("tests", nargs="+")
    parser.add_argument("--sample", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=180, help="for the tests of one mutant")
    parser.add_argument("-k", dest="only", default="", help="as pytest has it")
    given = parser.parse_args()
    found = mutants(given.file.read_text(encoding="utf-8"))
    chosen = random.Random(given.seed).sample(found, min(given.sample, len(found)))
    killed = 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "repository"
        shutil.copytree(".", folder, ignore=shutil.ignore_patterns(".git", ".venv", ".dvc", "data", "models"))
        for line, what, mutant in sorted(chosen):
            if survives(folder, given.file, mutant, [*given.tests, "-k", given.only], given.seconds):
                print(f"survived: {given.file}:{line}: {what}", flush=True)
            else:
                killed += 1
    print(f"{given.file}: {killed} of {len(chosen)} killed, of {len(found)} mutants")


if __name__ == "__main__":
    main()
