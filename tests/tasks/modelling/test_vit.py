"""A model of images is trained, continued, saved, loaded and scored like any other."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageClassification, ViTConfig, ViTImageProcessorPil, ViTModel, pipeline

from tasks.core.errors import UserError
from tasks.core.files import sha256_of
from tasks.core.params import Model
from tasks.dataset.labels import LabelFormat
from tasks.finetune import Augmentation, Params, WarmStart, image_batches
from tasks.finetune.fingerprint import fingerprint
from tasks.finetune.trainer import ClassifierTrainer
from tasks.finetune.transformer import finetune, read_rows, write_classifier
from tasks.modelling import pixels
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.training import checkpoint_store
from tasks.score import Params as ScoreParams
from tasks.score.predict import predict
from tasks.tokenize import pixelate
from tests.support.models import digests

CONFIG = {"image_size": 12, "patch_size": 4, "hidden_size": 16, "layers": 2, "heads": 2}
QUICK = {"batch_size": 16, "learning_rate": 5e-3, "threads": 1, "probe": False, "epochs": 3}
SHIFT = {"augmentation": {"shift": 2, "flip": True}}


def drawn(label, random):
    """A bar, upright or lying, somewhere in a noisy image that is larger than what the model takes."""
    levels = random.integers(0, 60, (20, 16))
    at = random.integers(3, 12)
    levels[(at, slice(None)) if label == "lying" else (slice(None), at)] += 180
    held = io.BytesIO()
    Image.fromarray(levels.astype(np.uint8)).save(held, "PNG")
    return held.getvalue()


def rows(count, seed):
    random = np.random.default_rng(seed)
    labels = random.permutation(["lying", "upright"] * (count // 2)).tolist()
    images = pa.array([drawn(label, random) for label in labels], pa.binary())
    return pa.table({"id": [f"{seed}/{i}" for i in range(count)], "image": images, "label": labels})


@pytest.fixture(scope="module")
def scratch():
    return checkpoint.resolve(Model(name=None, family="vit", config=CONFIG))


@pytest.fixture(scope="module")
def splits():
    return {"train": rows(96, 0), "validation": rows(24, 1), "test": rows(24, 2)}


@pytest.fixture(scope="module")
def tokens(splits, scratch, tmp_path_factory):
    """Splits of images as ``tokenize`` leaves them."""
    folder = tmp_path_factory.mktemp("tokens")
    figures = pixelate(splits, checkpoint.processor(scratch), folder)
    assert figures["train"] == {"rows": 96}
    assert (figures["channels"], figures["height"], figures["width"]) == (3, 12, 12)
    return folder


def test_images_are_numbered_by_the_order_of_their_labels(splits, scratch, tmp_path):
    names = sorted(set(splits["train"]["label"].to_pylist()), reverse=True)
    pixelate(splits, checkpoint.processor(scratch), tmp_path, LabelFormat("ordinal", tuple(names)))
    assert json.loads((tmp_path / "labels.json").read_text())["labels"] == names
    numbers = pq.read_table(tmp_path / "train.parquet")["label"].to_pylist()
    assert [names[i] for i in numbers] == splits["train"]["label"].to_pylist()


@pytest.fixture(scope="module")
def trained(tokens, scratch, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "classifier"
    model, done = finetune(tokens, scratch, Params(**QUICK | {"epochs": 16}), 7)
    write_classifier(model, tokens / "tokenizer", folder)
    return folder, model, done


def test_the_rows_are_what_the_processor_makes_of_the_images(tokens, splits, scratch):
    found = read_rows(tokens / "train.parquet", "image")
    given = found.collator(0)([found[i] for i in range(8)])["pixel_values"].numpy()
    processor = checkpoint.processor(scratch)
    expected = pixels.values(processor, splits["train"]["image"][:8].to_pylist())
    np.testing.assert_allclose(given, expected, atol=1e-6)
    assert given.shape == (8, 3, 12, 12)
    assert found.describe([0, 1]) == "0/0, 0/1"
    assert found.sample(5, 1).values.shape == (5, 3, 12, 12)


def test_a_processor_that_makes_other_sizes_or_more_than_a_scaling_is_refused(splits):
    few = [*splits["train"]["image"][:3].to_pylist(), drawn("lying", np.random.default_rng(9))]
    wide = io.BytesIO()
    Image.new("RGB", (40, 10), "grey").save(wide, "PNG")
    with pytest.raises(UserError, match="images of different sizes"):
        pixels.resized(ViTImageProcessorPil(size={"shortest_edge": 8}), [*few, wide.getvalue()])

    class Bent(ViTImageProcessorPil):
        def rescale(self, image, scale, **_):
            return (image.astype(np.float32) * scale) ** 2

    with pytest.raises(UserError, match="more than resize and scale"):
        pixels.layout(Bent(size={"height": 8, "width": 8}), few)


@pytest.mark.proof
def test_it_learns_and_the_pipeline_says_what_score_says(trained, splits):
    folder, model, done = trained
    assert done.metrics["validation_accuracy"] > 0.9
    assert sorted(file.name for file in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    assert "auto_map" not in (folder / "config.json").read_text() + (folder / "preprocessor_config.json").read_text()
    loaded = AutoModelForImageClassification.from_pretrained(folder).state_dict()
    assert all(torch.equal(weight, loaded[name]) for name, weight in model.state_dict().items())
    data = splits["test"]["image"].to_pylist()
    scored = predict(data, folder, ScoreParams(threads=1, batch_size=7))
    assert scored.embeddings.shape == (24, 16)
    classify = pipeline("image-classification", str(folder))
    for image, row in zip(data, scored.probabilities, strict=True):
        said = {one["label"]: one["score"] for one in classify(Image.open(io.BytesIO(image)))}
        np.testing.assert_allclose([said[label] for label in scored.labels], row, atol=1e-5)
    assert predict([], folder, ScoreParams()).embeddings.shape == (0, 16)


@pytest.mark.slow
def test_a_checkpoint_with_its_own_processor_is_trained_too(splits, tmp_path):
    torch.manual_seed(3)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    ViTModel(ViTConfig(image_size=8, patch_size=4, **sizes), add_pooling_layer=False).save_pretrained(tmp_path / "vit")
    ViTImageProcessorPil(size={"height": 8, "width": 8}, image_mean=[0.2] * 3).save_pretrained(tmp_path / "vit")
    source = checkpoint.resolve(Model(name=str(tmp_path / "vit")))
    pixelate(splits, checkpoint.processor(source), tmp_path / "tokens")
    model, _ = finetune(tmp_path / "tokens", source, Params(**QUICK | {"epochs": 1, "probe": True}), 7)
    write_classifier(model, tmp_path / "tokens/tokenizer", tmp_path / "classifier")
    begun = WarmStart(folder=str(tmp_path / "classifier"), sha256=sha256_of(tmp_path / "classifier/model.safetensors"))
    again, _ = finetune(tmp_path / "tokens", source, Params(**QUICK | {"epochs": 1}, warm_start=begun), 7)
    assert again.config.model_type == "vit"


class Killed(BaseException):
    """Nothing catches it."""


@pytest.mark.proof
def test_killed_anywhere_it_ends_as_if_never_killed(tokens, scratch, tmp_path, monkeypatch):
    """With images that are moved and mirrored at random."""
    monkeypatch.setattr(checkpoint_store, "MAX_TIME_SHARE", 1e9)
    step = ClassifierTrainer.training_step

    def train(name, keep=None, at=None):
        def acting(self, *args, **named):
            if self.state.global_step == at:
                raise Killed
            return step(self, *args, **named)

        monkeypatch.setattr(ClassifierTrainer, "training_step", acting)
        section = Params(**QUICK | SHIFT | {"epochs": 2}, checkpoint_seconds=1e-9)
        model, done = finetune(tokens, scratch, section, 7, keep)
        write_classifier(model, tokens / "tokenizer", tmp_path / name)
        return digests(tmp_path / name), done.metrics, done.curves

    whole = train("whole")
    for at in (2, 6):
        with pytest.raises(Killed):
            train("killed", tmp_path / f"kept{at}", at)
        assert train("continued", tmp_path / f"kept{at}") == whole, f"killed after step {at}"


def test_images_are_moved_within_the_frame_and_the_same_at_the_same_step(tokens):
    found = read_rows(tokens / "train.parquet", "image")
    batch = found.collator(0)([found[i] for i in range(6)])
    how = Augmentation(shift=2)
    one, two, later = (found.augmented(batch, how, 7, step)["pixel_values"] for step in (3, 3, 4))
    assert torch.equal(one, two)
    assert not torch.equal(one, later)
    black = found.layout.shift[0]
    for whole, moved in zip(batch["pixel_values"], one, strict=True):
        framed = torch.full((3, 16, 16), black)
        framed[:, 2:14, 2:14] = whole
        windows = [framed[:, y : y + 12, x : x + 12] for y in range(5) for x in range(5)]
        assert any(torch.equal(moved, window) for window in windows)
    flipped = found.augmented(batch, Augmentation(shift=0, flip=True), 7, 3)["pixel_values"]
    mirrored = [torch.equal(a, b.flip(-1)) for a, b in zip(flipped, batch["pixel_values"], strict=True)]
    same = [torch.equal(a, b) for a, b in zip(flipped, batch["pixel_values"], strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert any(mirrored)
    assert found.augmented(batch, None, 7, 3) is batch


@pytest.mark.proof
def test_a_batch_in_parts_takes_the_same_step(tokens, scratch):
    losses = [
        finetune(tokens, scratch, Params(**QUICK | SHIFT | {"epochs": 1}, accumulation=parts), 7)[1].metrics
        for parts in (1, 3)
    ]
    assert losses[0]["validation_loss"] == pytest.approx(losses[1]["validation_loss"], abs=1e-4)


def test_what_decides_the_pixels_decides_the_fingerprint(tokens, scratch, tmp_path):
    shutil.copytree(tokens, tmp_path / "tokens")
    section = Params()
    assert fingerprint(tokens, scratch, section, 7) == fingerprint(tmp_path / "tokens", scratch, section, 7)
    layout = json.loads((tokens / pixels.LAYOUT_FILE).read_text())
    (tmp_path / "tokens" / pixels.LAYOUT_FILE).write_text(json.dumps(layout | {"shift": [0.0, 0.0, 0.0]}))
    assert fingerprint(tokens, scratch, section, 7) != fingerprint(tmp_path / "tokens", scratch, section, 7)


def test_what_is_for_texts_is_refused(tokens, scratch, tiny_checkpoint):
    with pytest.raises(UserError, match=r"finetune.frozen_layers is for texts"):
        finetune(tokens, scratch, Params(frozen_layers=1), 7)
    texts = checkpoint.Checkpoint(str(tiny_checkpoint))
    with pytest.raises(UserError, match="cannot be loaded"):
        checkpoint.processor(texts)
    with pytest.raises(UserError, match="a family for texts, but the rows are images"):
        checkpoint.processor(checkpoint.resolve(Model(name=str(tiny_checkpoint), family="rnn")))
    with pytest.raises(UserError, match="a family for images, but the rows are texts"):
        checkpoint.tokenizer(scratch)
    with pytest.raises(UserError, match=r"model.name is null"):
        checkpoint.resolve(Model(name=None, family="rnn"))
    with pytest.raises(UserError, match=r"no multiple of patch_size"):
        checkpoint.processor(checkpoint.resolve(Model(name=None, family="vit", config={"patch_size": 5})))


def test_pixels_come_back_from_a_table_of_several_pieces():
    pieces = pa.chunked_array([pa.array([b"ab", b"cd", b"ef"]).slice(1), pa.array([b"gh"])])
    assert b"".join(image_batches.flat_bytes(chunk).tobytes() for chunk in pieces.chunks) == b"cdefgh"
