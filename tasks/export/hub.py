"""The trained classifier as a folder that the Hugging Face Hub takes: ``driftline export --hub TEAM/NAME``.

``models/classifier`` with the model card as its README.md. The card in the repository links to pages of reports/, which
the Hub has not, and loads the model from its folder: here links are words, and the model has its name there.
Nothing is uploaded.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tasks.core import paths, recorded
from tasks.core.errors import UserError
from tasks.core.files import reading, replacing_folder, sha256_of
from tasks.report import CARD

README = "README.md"
TO_REPORTS = re.compile(r"\[([^\]]*)\]\(\.\./reports/[^)]*\)")
READERS = ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json")
"""One of them says how rows are read."""


def hub_folder(repository: str, folder: Path) -> list[str]:
    """Write ``folder`` and return its files. UserError: no model, no card, or the card is of another model."""
    _refuse_other_names(repository)
    recorded.require_output(paths.CLASSIFIER)
    weights = sorted(paths.CLASSIFIER.glob("*.safetensors"))
    if not weights or not any((paths.CLASSIFIER / name).exists() for name in READERS):
        raise UserError(f"{paths.CLASSIFIER} is no trained classifier: `driftline run` makes it")
    with reading(CARD, "a model card"):
        card = CARD.read_text(encoding="utf-8")
    if strange := [file.name for file in weights if sha256_of(file) not in card]:
        raise UserError(f"{CARD} is of another model than {strange[0]}: `driftline run` makes it anew")
    with replacing_folder(folder) as part:
        shutil.copytree(paths.CLASSIFIER, part, dirs_exist_ok=True)
        (part / README).write_text(for_hub(card, repository), encoding="utf-8")
        return sorted(str(file.relative_to(part)) for file in part.rglob("*") if file.is_file())


def _refuse_other_names(repository: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repository)
    except HFValidationError:
        repository = ""
    if "/" not in repository:
        raise UserError("--hub names no repository of the Hub: write TEAM/NAME")


def for_hub(card: str, repository: str) -> str:
    """The card without links that the Hub cannot follow, and with the model's name there."""
    return TO_REPORTS.sub(r"\1", card).replace(f'"{paths.CLASSIFIER}"', f'"{repository}"')
