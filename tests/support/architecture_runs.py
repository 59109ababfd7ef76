"""What comes of an architecture: a tiny checkpoint of it through the stages, with the parameters as shipped.

``python -m tests.support.architecture_runs`` prints the tables and lists of docs/architectures.md, or parts of them::

    python -m tests.support.architecture_runs text bert gpt2
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np

from tasks.core.errors import UserError
from tasks.core.params import Model
from tasks.explain import Params as ExplainParams
from tasks.explain.attribution import Explainer
from tasks.explain.explained import Unexplained
from tasks.finetune import Params
from tasks.finetune.trainer import ClassifierTrainer
from tasks.finetune.transformer import finetune, write_classifier
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.training import checkpoint_store
from tasks.score import Params as ScoreParams
from tasks.score.predict import predict
from tasks.tokenize import Params as TokenizeParams
from tasks.tokenize import pixelate, prepared, tokenize
from tests.support.architectures import IMAGE, TEXT, checkpoint_of, drawings
from tests.support.mails import mails
from tests.support.models import digests

SECTION = Params(
    epochs=1, batch_size=8, learning_rate=1e-3, threads=1, frozen_layers="auto", checkpoint_seconds=1e-9
)  # fmt: skip
SCORE = ScoreParams(threads=1)
TOLERANCE = 1e-5
ALONE = 5  # rows scored one by one
AS_THEY_ARE = "Train as they are: "
"""What the list of those begins with of which nothing has to be said."""


class Killed(BaseException):
    """As nothing catches SIGKILL."""


@dataclass(frozen=True)
class Outcome:
    """A row of the table."""

    kind: str
    trains: bool
    words: str
    """What is said of it: of a refusal its sentence."""

    def row(self) -> str:
        """In Markdown."""
        return f"| `{self.kind}` | {'yes' if self.trains else 'refused'} | {self.words} |"


def outcome(kind: str, folder: Path, *, image: bool = False) -> Outcome:
    """Train a checkpoint of that kind, kill and resume it, score and explain by it.

    AssertionError where an answer depends on the batch, scoring differs from training, or a resumed training from one
    that was not killed; whatever but a UserError a stage raises is raised.
    """
    splits = {
        name: drawings(rows, seed) if image else mails(rows, seed)
        for seed, (name, rows) in enumerate((("train", 33), ("validation", 12), ("test", 12)))
    }
    try:
        source = checkpoint.resolve(Model(name=str(checkpoint_of(kind, folder / "checkpoint", image=image))))
        if image:
            pixelate(splits, checkpoint.processor(source), folder / "tokens")
        else:
            tokenize(splits, prepared(source, TokenizeParams(max_length=40)), folder / "tokens")
        model, done = finetune(folder / "tokens", source, SECTION, 7)
    except UserError as error:
        said = str(error).replace(str(folder / "checkpoint"), "the folder")
        return Outcome(kind, False, re.sub(r" \([^)]*\)", "", said))
    write_classifier(model, folder / "tokens" / "tokenizer", folder / "classifier")
    _assert_resumes(folder, source)
    rows = splits["validation"]["image" if image else "text"].to_pylist()
    scored = predict(rows, folder / "classifier", SCORE)
    alone = np.concatenate([predict([row], folder / "classifier", SCORE).probabilities for row in rows[:ALONE]])
    assert np.abs(alone - scored.probabilities[:ALONE]).max() < TOLERANCE
    truth = [scored.labels.index(label) for label in splits["validation"]["label"].to_pylist()]
    loss = -np.log(scored.probabilities[np.arange(len(truth)), truth]).mean()
    assert abs(loss - done.metrics["validation_loss_at_temperature"]) < 1e-4, "trained and scored differ"
    assert predict([], folder / "classifier", SCORE).embeddings.shape[1] == scored.embeddings.shape[1]
    equal = getattr(model.config, "equal_length_batches", False)
    words = ["batches of one length"] if equal else []
    if not image:
        words += [] if _explains(rows[0], folder / "classifier") else ["not explained"]
    return Outcome(kind, True, ", ".join(words))


def _assert_resumes(folder: Path, source: checkpoint.Checkpoint) -> None:
    step = ClassifierTrainer.training_step

    def killed(self: ClassifierTrainer, *args: object, **named: object) -> object:
        if self.state.global_step == 3:
            raise Killed
        return step(self, *args, **named)

    with mock.patch.object(checkpoint_store, "MAX_TIME_SHARE", 1e9):
        with mock.patch.object(ClassifierTrainer, "training_step", killed), contextlib.suppress(Killed):
            finetune(folder / "tokens", source, SECTION, 7, folder / "kept")
        assert list((folder / "kept").glob("step-*")), "no checkpoint was written"
        resumed, _ = finetune(folder / "tokens", source, SECTION, 7, folder / "kept")
    write_classifier(resumed, folder / "tokens" / "tokenizer", folder / "resumed")
    assert digests(folder / "resumed") == digests(folder / "classifier"), "resumed, it ended in other bytes"


def _explains(text: str, classifier: Path) -> bool:
    try:
        Explainer(classifier, ExplainParams(threads=1, max_steps=16)).explain(text)
    except Unexplained:
        return False
    return True


def main() -> None:
    """Print what comes of the architectures named, or of all."""
    which, *kinds = sys.argv[1:] or ("both",)
    for name, known in (("text", TEXT), ("image", IMAGE)):
        if which not in (name, "both"):
            continue
        plain: list[str] = []
        for kind in kinds or known:
            said = io.StringIO()
            quiet = contextlib.redirect_stderr(said), contextlib.redirect_stdout(said)
            with tempfile.TemporaryDirectory() as folder, quiet[0], quiet[1]:
                found = outcome(kind, Path(folder), image=name == "image")
            if found.words:
                print(found.row(), flush=True)
            else:
                plain.append(f"`{kind}`")
        print(f"\n{AS_THEY_ARE}{', '.join(plain)}.\n", flush=True)


if __name__ == "__main__":
    main()
