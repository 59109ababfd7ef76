"""Score texts, an image or a table by hand: ``driftline score``, or ``python -m tasks.score``.

``python -m tasks.score --window reference|current`` is the pipeline's stage.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tasks.core.cli import file_option
from tasks.core.errors import UserError
from tasks.score import Precision


def score(
    text: Annotated[str | None, typer.Option(help="Score this text and print its label.")] = None,
    text_pair: Annotated[str | None, typer.Option(help="With --text: the second text, for a model of pairs.")] = None,
    image: Annotated[Path | None, file_option("Score this image and print its label.")] = None,
    input: Annotated[Path | None, file_option("Score this csv, tsv, jsonl or parquet file.")] = None,
    output: Annotated[Path | None, file_option("With --input: the file to write, of any of those kinds.")] = None,
    column: Annotated[str, typer.Option(help="With --input: the column that holds the texts.")] = "text",
    pair_column: Annotated[
        str | None, typer.Option(help="With --input: the column of the second texts, for a model of pairs.")
    ] = None,
    precision: Annotated[Precision | None, typer.Option(help="Used in place of score.precision.")] = None,
) -> None:
    """Score a text, an image or a table with the trained model.

    The pipeline's outputs are not touched.
    """
    if sum(one is not None for one in (text, image, input)) != 1:
        raise UserError("give exactly one of --text, --image and --input")
    if (input is None) != (output is None):
        raise UserError("--input and --output go together")
    if text_pair is not None and text is None:
        raise UserError("--text-pair goes with --text")
    if pair_column is not None and input is None:
        raise UserError("--pair-column goes with --input")
    from tasks.core import params
    from tasks.score import Params, __main__

    section = params.load(Params, "score")
    if precision:
        section = section.model_copy(update={"precision": precision})
    if text is not None:
        __main__.score_text(text if text_pair is None else (text, text_pair), section)
    elif image is not None:
        __main__.score_image(image, section)
    elif input is not None and output is not None:
        __main__.score_file(input, output, column, section, pair_column)
