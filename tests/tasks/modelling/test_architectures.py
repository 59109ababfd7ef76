"""Every architecture that transformers can classify with trains, resumes, scores and is explained, or is refused before
the first step: as docs/architectures.md says. Each is tried on a tiny checkpoint with the parameters as shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.architecture_runs import AS_THEY_ARE, Outcome, outcome
from tests.support.architectures import IMAGE, TEXT

DOCS = Path(__file__).parents[3] / "docs" / "architectures.md"
TABLE = {"text": TEXT, "image": IMAGE}
SOME = {"text": ("qwen2", "bart", "mpnet", "xlnet", "reformer"), "image": ("levit",)}
LEAST = {"text": 0.90, "image": 0.85}  # share that trains


def rows(modality):
    """What the page says of architectures for texts or images, as rows of a table."""
    part = DOCS.read_text(encoding="utf-8").partition(f"\n## {modality.capitalize()}s\n")[2].partition("\n## ")[0]
    plain = part.partition(AS_THEY_ARE)[2].partition("\n\n")[0].split("`")[1::2]
    found = {kind: Outcome(kind, True, "").row() for kind in plain}
    return found | {line.split("`")[1]: line for line in part.splitlines() if line.startswith("| `")}


@pytest.mark.parametrize("modality", TABLE)
def test_the_table_has_every_architecture_and_most_of_them_train(modality):
    found = rows(modality)
    assert sorted(found) == sorted(TABLE[modality])
    assert sum("| yes |" in line for line in found.values()) >= LEAST[modality] * len(found)


@pytest.mark.proof
@pytest.mark.parametrize(("modality", "kind"), [(modality, kind) for modality in SOME for kind in SOME[modality]])
def test_an_architecture_does_what_the_table_says(modality, kind, tmp_path):
    assert outcome(kind, tmp_path, image=modality == "image").row() == rows(modality)[kind]


@pytest.mark.long
@pytest.mark.parametrize(
    ("modality", "kind"),
    [(modality, kind) for modality in TABLE for kind in TABLE[modality] if kind not in SOME[modality]],
)
def test_every_other_does_too(modality, kind, tmp_path):
    assert outcome(kind, tmp_path, image=modality == "image").row() == rows(modality)[kind]
