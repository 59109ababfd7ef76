"""The page of all keys of ``prefect.yaml``: the file's model, and what each flow of the shipped one takes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

from docsite.cells import cell
from docsite.models import table, written
from flows import parameters
from flows.parameters import Group
from flows.schedule.prefect_yaml import ConcurrencyLimit, Deployment, PrefectYaml, Schedule

TOP = Path(__file__).resolve().parents[1]
INTRODUCTION = """# Every key of prefect.yaml

What runs when, and by which policy: [running](../running.md#prefectyaml) explains the file. A key that is not here is
refused by name. Values are literals, anchors, or `"{{ $NAME }}"`, a variable of the environment.
"""
GROUPS = ("window", "policy", "limits", "publish", "request", "keep")


def page() -> str:
    """The page, as Markdown."""
    parts = [INTRODUCTION, "## The file\n", *table(PrefectYaml), ""]
    parts += ["## A deployment\n", *table(Deployment, ("schedules", "concurrency_limit")), ""]
    one_of = "A list of these; each names one of `cron`, `interval` and `rrule`.\n"
    parts += ["### schedules\n", one_of, *table(Schedule), ""]
    parts += ["### concurrency_limit\n", "A number, or this.\n", *table(ConcurrencyLimit), ""]
    for name, entrypoint in _deployments():
        parts += [f"## parameters of {name}\n", *_parameters(entrypoint), ""]
    for name in GROUPS:
        model: type[Group] = getattr(parameters, name.capitalize())
        parts += [f"## {name}\n", f"{(model.__doc__ or '').strip()}\n", *table(model), ""]
    return "\n".join(parts)


def _deployments() -> Iterator[tuple[str, str]]:
    declared = YAML(typ="safe").load((TOP / "prefect.yaml").read_text(encoding="utf-8"))
    yield from ((one["name"], one["entrypoint"]) for one in declared["deployments"])


def _parameters(entrypoint: str) -> list[str]:
    """What the flow takes: from its source, because importing flows starts Prefect."""
    file, _, name = entrypoint.partition(":")
    tree = ast.parse((TOP / file).read_text(encoding="utf-8"))
    flow = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    about, _, said = (ast.get_docstring(flow) or "").partition("Args:")
    words = dict(re.findall(r"^ *(\w+): (.*)$", said, re.M))
    rows = [
        f"| `{argument.arg}` | {_takes(argument)} | {cell(_default(default))} | {cell(words[argument.arg])} |"
        for argument, default in zip(flow.args.args, flow.args.defaults, strict=True)
        if argument.arg != "repository"  # the file's own
    ]
    return [f"{' '.join(about.split())}\n", "| parameter | takes | default | |", "|---|---|---|---|", *rows]


def _takes(argument: ast.arg) -> str:
    if argument.arg in GROUPS:
        return f"[the group](#{argument.arg})"
    assert argument.annotation
    annotation = ast.unparse(argument.annotation)
    names = {"str": "text", "list[str]": "list", "float": "number", "int": "whole number", "bool": "true, false"}
    names |= {"Rule": "`better`, `not_worse`", "Overlap": "`wait`, `skip`", "None": "null"}
    inner = re.sub(r"Annotated\[(\w+), Field\((\w+)=(\d+)\)\]", r"\1", annotation)
    bound = re.search(r"Field\((gt|ge)=(\d+)\)", annotation)
    said = " or ".join(names[part] for part in inner.split(" | "))
    return said + (f", {'>' if bound[1] == 'gt' else '≥'} {bound[2]}" if bound else "")


def _default(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return f"`{written(value.value)}`"
    return "200" if ast.unparse(value) == "TO_LABEL" else "below"
