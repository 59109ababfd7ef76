"""Rows and tables, outside the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from flows.cli.options import examples
from tasks.core.cli import file_option
from tasks.core.errors import UserError
from tasks.drift.command import drift
from tasks.export import HUB, ONNX, Options
from tasks.gate.command import gate
from tasks.score.command import score

PANEL = "Rows and tables"
commands = typer.Typer()
quarantine = typer.Typer(help="Rows that `validate` holds back: let them pass.")
commands.add_typer(quarantine, name="quarantine", rich_help_panel=PANEL)

Given = ParamSpec("Given")


def with_verified_model(command: Callable[Given, None]) -> Callable[Given, None]:
    """The command, refused where ``models/classifier`` is a promoted version and one of its files is another."""

    @wraps(command)
    def verified(*args: Given.args, **kwargs: Given.kwargs) -> None:
        from flows.champion.manifest import verify_trained

        verify_trained(Path())
        command(*args, **kwargs)

    return verified


commands.command(
    rich_help_panel=PANEL,
    epilog=examples(
        'score --text "Dear friend, you have won"',
        "score --image digit.png",
        "score --input mails.csv --output scored.csv --column body",
    ),
)(with_verified_model(score))
commands.command(
    rich_help_panel=PANEL,
    epilog=examples("drift --reference a.parquet --current b.parquet --output verdict.json --report drift.html"),
)(drift)
commands.command(
    rich_help_panel=PANEL,
    epilog=examples(
        "gate --champion a.csv --challenger b.csv --truth labels.csv --output verdict.json",
        "gate --champion a.csv --challenger b.csv --output verdict.json --rule not_worse --earlier old.json",
    ),
)(gate)


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples('explain --text "Dear friend, you have won"', "explain --image digit.png --output why.png"),
)
@with_verified_model
def explain(
    text: Annotated[str | None, typer.Option(help="The text to explain.")] = None,
    text_pair: Annotated[str | None, typer.Option(help="The second text, for a model of pairs.")] = None,
    image: Annotated[Path | None, file_option("An image to explain.")] = None,
    output: Annotated[Path | None, file_option("The png that shows where in the image.")] = None,
) -> None:
    """Show which tokens of a text, or which parts of an image, speak for the model's answer."""
    from tasks.core import params
    from tasks.explain import Params
    from tasks.explain.__main__ import explain_image, explain_text

    section = params.load(Params, "explain")
    if (text is None) == (image is None) or (image is None) != (output is None):
        raise UserError("name --text, or --image and --output")
    if text_pair is not None and text is None:
        raise UserError("--text-pair goes with --text")
    if image and output:
        explain_image(image, output, section)
    else:
        explain_text(text or "", section, text_pair)


@commands.command(rich_help_panel=PANEL, epilog=examples("trace spam-2/00049", "trace spam-2/00049 --text"))
def trace(
    id: Annotated[str, typer.Argument(metavar="ID", help="A row's id, or as much of its beginning as is unique.")],
    text: Annotated[bool, typer.Option("--text", help="Print its text whole and unredacted.")] = False,
) -> None:
    """Tell one row's life: source, checks, split, the model's answer."""
    from tasks.trace import trace

    for heading, words in trace(id, text):
        print(f"{heading:<14}{words}")


@quarantine.command(epilog=examples('quarantine release spam-2/00049 --why "checked with the desk: real, only long"'))
def release(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Rows in data/<window>/quarantine.parquet.")],
    why: Annotated[str, typer.Option(help="The reason, kept beside the row in data/released.csv.")],
    reason: Annotated[str | None, typer.Option(help="Release the rows from this reason only.")] = None,
) -> None:
    """Let rows pass that `validate` holds back, from the next run on."""
    from tasks.release import release
    from tasks.validate import RELEASED

    for line in release(ids, why, reason):
        print(f"released {line.id} from {line.reason}")
    print(f"commit {RELEASED}, then `driftline run`")


@commands.command(
    rich_help_panel=PANEL,
    epilog=examples(
        "export --output models/onnx --threads 4", "export --hub team/mails    # a folder for the Hugging Face Hub"
    ),
)
@with_verified_model
def export(
    output: Annotated[Path | None, file_option(f"The folder to write; {ONNX}, with --hub {HUB}.", "FOLDER")] = None,
    hub: Annotated[
        str | None, typer.Option(metavar="TEAM/NAME", help="Write a folder for this repository of the Hub instead.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of the CPU, for the timings.")] = Options.threads,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts at once.")] = Options.batch_size,
) -> None:
    """Export the trained classifier to ONNX, or for the Hugging Face Hub.

    Its labels are compared with the trained model's on every test row. Nothing is uploaded.
    """
    if hub:
        from tasks.export.hub import hub_folder

        folder = output or HUB
        print(f"{folder} is written: {', '.join(hub_folder(hub, folder))}\nto upload it: hf upload {hub} {folder} .")
        return
    from tasks.export import EXPORT_REPORT
    from tasks.export.classifier import export_classifier, table

    made = export_classifier(output or ONNX, Options(threads, batch_size))
    print(table(made))
    print(f"int8 {'kept' if made['int8']['kept'] else 'left out'}: {made['int8']['why']}")
    print(f"{output or ONNX} is written; the figures are in {EXPORT_REPORT}")
