"""Attributions of images: complete, where the difference is, and drawn."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from tasks.core import paths
from tasks.core.errors import UserError
from tasks.explain import Params
from tasks.explain.__main__ import explain_image
from tasks.explain.page import ImageMistake, page
from tasks.explain.pictures import CELLS, ImageExplainer, cells, data_uri, png
from tasks.score import Params as Score
from tasks.score.predict import predict

SECTION = Params(threads=1, steps=8, max_steps=256, tolerance=0.02)


def encoded(levels):
    held = io.BytesIO()
    Image.fromarray(levels.astype(np.uint8)).save(held, "PNG")
    return held.getvalue()


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vit") / "classifier"
    torch.manual_seed(3)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    named = {"id2label": {0: "lying", 1: "upright", 2: "none"}, "label2id": {"lying": 0, "upright": 1, "none": 2}}
    model = ViTForImageClassification(ViTConfig(image_size=12, patch_size=4, **sizes, **named))
    torch.nn.init.normal_(model.classifier.weight)
    model.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 12, "width": 12}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def image():
    levels = np.full((12, 12, 3), 90)
    levels[2:5, 3:9] = (250, 200, 10)
    return encoded(levels)


@pytest.mark.proof
def test_attributions_add_up_to_the_difference_of_the_logits_that_scoring_sees(classifier, image):
    found = ImageExplainer(classifier, SECTION).explain(image)
    assert found.complete and found.values.shape == (12, 12) and found.seen.shape == (3, 12, 12)
    assert found.values.sum() == pytest.approx(found.margin - found.masked_margin, rel=SECTION.tolerance)
    scored = predict([image], classifier, Score(threads=1))
    said = dict(zip(scored.labels, np.log(scored.probabilities[0]), strict=True))
    assert found.predicted == scored.answers[0]
    assert found.margin == pytest.approx(said[found.predicted] - said[found.other], abs=1e-4)
    other = next(label for label in said if label not in (found.predicted, found.other))
    assert ImageExplainer(classifier, SECTION).explain(image, other).other == other


@pytest.mark.proof
def test_what_is_of_the_mean_colour_adds_nothing(classifier):
    found = ImageExplainer(classifier, SECTION).explain(encoded(np.full((12, 12, 3), 90)))
    np.testing.assert_allclose(found.values, 0, atol=1e-6)
    assert found.margin == pytest.approx(found.masked_margin, abs=1e-5)
    assert Image.open(io.BytesIO(png(found))).getpixel((50, 50)) == (90, 90, 90), "and has no colour"


@pytest.mark.parametrize("size", [(1, 1), (5, 12), (14, 29), (224, 224), (100, 3)])
def test_cells_hold_all_of_the_attributions(size):
    values = np.random.default_rng(1).normal(size=size)
    found = cells(values)
    assert found.sum() == pytest.approx(values.sum()) and found.shape == tuple(min(CELLS, side) for side in size)


@pytest.mark.proof
def test_the_page_shows_each_mistake_and_runs_nothing_from_it(classifier, image):
    explained = ImageExplainer(classifier, SECTION).explain(image)
    uri = data_uri(png(explained))
    mistake = ImageMistake("<script>1</script>", "a.csv, row 1", 0.9, ("lying", "upright"), explained, (uri, uri))
    made = page([], [], None, [mistake])
    assert made.count(uri) == 2 and "<script>" not in made and "predicted lying, labelled upright" in made
    assert "right on every test image" in page([], [], None, [])


@pytest.mark.proof
def test_the_command_draws_a_new_png_and_refuses_what_it_cannot_read(classifier, image, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "CLASSIFIER", classifier)
    monkeypatch.setattr("tasks.explain.__main__.recorded.require_output", lambda _: None)
    (tmp_path / "a.png").write_bytes(image)
    (tmp_path / "b.png").write_bytes(b"no image")
    explain_image(tmp_path / "a.png", tmp_path / "why.png", SECTION)
    assert "blue spoke for" in capsys.readouterr().out
    assert max(Image.open(tmp_path / "why.png").size) == 224
    for file, target, said in (
        ("a.png", "why.png", "name a new file that ends in .png"),
        ("a.png", "why.jpg", "name a new file that ends in .png"),
        ("b.png", "new.png", "b.png cannot be read: image unidentified"),
        ("c.png", "new.png", "c.png"),
    ):
        with pytest.raises(UserError, match=said):
            explain_image(tmp_path / file, tmp_path / target, SECTION)
    assert not (tmp_path / "new.png").exists()
