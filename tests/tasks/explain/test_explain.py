"""Explanations: complete, blind to what the model ignores, never markup; suspects: planted ones are found."""

from __future__ import annotations

import csv
import re

import numpy as np
import pyarrow as pa
import pytest
import torch

from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.tables import write_table
from tasks.dataset import layout
from tasks.explain import EXPLAINED, SUSPECTS, Params
from tasks.explain.__main__ import explain_all, explain_text
from tasks.explain.attribution import Explainer, word_embeddings
from tasks.explain.explained import Explained
from tasks.explain.page import Mistake, coloured, page, shown
from tasks.explain.suspects import suspects
from tasks.modelling.checkpoints import checkpoint
from tasks.redaction import redact, redactions
from tasks.score import Params as ScoreParams
from tasks.score.predict import predict
from tests.support.mails import mails

SECTION = Params(threads=1, steps=8, max_steps=256, tolerance=0.02)
TEXT = "free money, win a prize on monday"


@pytest.fixture(scope="module")
def explainer(classifier):
    return Explainer(classifier, SECTION)


@pytest.mark.proof
def test_attributions_add_up_to_the_difference_of_the_logits_that_scoring_sees(explainer, classifier):
    its = explainer.explain(TEXT)
    assert its.complete and its.error <= SECTION.tolerance
    total = sum(value for _, value in its.pieces)
    assert total == pytest.approx(its.margin - its.masked_margin, rel=0.1), "special tokens hold the rest"
    shares = dict(
        zip(explainer.labels, predict([TEXT], classifier, ScoreParams(threads=1)).probabilities[0], strict=True)
    )
    assert np.log(shares[its.predicted] / shares[its.other]) == pytest.approx(its.margin, abs=1e-3)
    assert its == explainer.explain(TEXT)


def test_the_pieces_are_the_text_and_what_is_not_read_is_named(explainer):
    its = explainer.explain(TEXT)
    assert "".join(piece for piece, _ in its.pieces) == TEXT and its.unread == ""
    long = explainer.explain("free money " * 200)
    assert "".join(piece for piece, _ in long.pieces).strip() + " " + long.unread == ("free money " * 200).strip()
    again = explainer.explain(TEXT, other=its.other)
    assert again == its


@pytest.mark.proof
def test_more_steps_are_taken_until_the_sum_is_complete_and_giving_up_is_said(classifier):
    hasty = Explainer(classifier, Params(threads=1, steps=4, max_steps=4, tolerance=1e-9)).explain(TEXT)
    assert (hasty.steps, hasty.complete) == (4, False)
    patient = Explainer(classifier, Params(threads=1, steps=4, max_steps=64, tolerance=1e-9)).explain(TEXT)
    assert patient.steps == 64 and patient.error <= hasty.error


def test_text_and_masked_text_run_through_the_model_once_each_beside_the_integral(explainer):
    rows = []
    hook = explainer.model.register_forward_pre_hook(
        lambda _, __, given: rows.append(len(given["input_ids"])), with_kwargs=True
    )
    try:
        its = explainer.explain(TEXT)
    finally:
        hook.remove()
    integral = 2 * its.steps - SECTION.steps  # the first steps, and each doubling of them
    assert sum(rows) == 2 + integral


def test_suspects_are_searched_and_a_model_without_mistakes_is_explained_without_loading_it(repository, monkeypatch):
    monkeypatch.setattr(checkpoint, "load_trained", lambda _: pytest.fail("the model was loaded"))
    figures = explain_all(SECTION.model_copy(update={"mistakes": 0, "folds": 2, "suspects": 0.2}), 7)
    assert (figures["mistakes"], figures["labelled_rows"]) == (0, 60)


@pytest.mark.proof
@pytest.mark.parametrize("steps", [5, 16, 50])
def test_the_gradients_are_integrated_as_by_the_definition(explainer, steps):
    """Gauss-Legendre quadrature point by point, in float64, as Captum does by default (Captum 0.9: within 1.2e-7)."""
    ids = explainer.tokenizer(TEXT, return_tensors="pt")["input_ids"]
    mask, table = torch.ones_like(ids), word_embeddings(explainer.model)
    masked = torch.full_like(ids, explainer.mask_token())
    found = explainer.integrated_gradients(ids, masked, {"attention_mask": mask}, (0, 1), steps)
    start, end = (table(which).double() for which in (masked, ids))
    total = torch.zeros_like(start)
    for node, weight in zip(*np.polynomial.legendre.leggauss(steps), strict=True):
        point = (start + (node + 1) / 2 * (end - start)).float().requires_grad_(True)
        logits = explainer.model(inputs_embeds=point, attention_mask=mask).logits[0]
        total += weight / 2 * torch.autograd.grad(logits[0] - logits[1], point)[0].double()
    assert torch.allclose(found, (total * (end - start)).sum(-1)[0], atol=1e-6)


def test_a_token_the_model_cannot_see_is_given_nothing(explainer):
    """A gradient through embeddings that are zeroed is zero: the axiom of sensitivity."""
    embeddings = word_embeddings(explainer.model)
    assert embeddings is explainer.model.get_input_embeddings()
    kept = embeddings.weight.detach().clone()
    word = explainer.tokenizer("money", add_special_tokens=False)["input_ids"]
    try:
        embeddings.weight.data[word] = embeddings.weight.data[explainer.mask_token()].clone()
        values = dict(explainer.explain(TEXT).pieces)
    finally:
        embeddings.weight.data.copy_(kept)
    assert values["money"] == 0.0 and any(values.values())
    assert torch.equal(embeddings.weight, kept)


def test_nothing_from_a_text_becomes_part_of_the_page_and_digits_are_masked():
    evil = "<script>alert(1)</script>"
    its = Explained([(evil, 2.0), (" call 555", -1.0), ("x", 0.001)], "spam", evil, 1.0, 0.0, 0.5, 8, False, evil)
    html = page(
        [Mistake(evil, evil, 0.9, (evil, evil), its)],
        [dict.fromkeys(("id", "label", "suggested", "begins"), evil) | {"quality": 0.1}],
        3,
    )
    assert "<script" not in html and "&lt;script&gt;" in html and "not complete" in html
    assert "call ###" in html and "555" not in html
    assert [(tone, share) for _, tone, share in coloured(its.pieces)] == [("for", 0.6), ("against", 0.3), ("", 0.0)]
    assert "The model is right" in page([], [], 0)


def test_an_address_of_several_tokens_is_hidden_whole_and_keeps_what_its_tokens_added():
    pieces = [
        ("write ", 1.0),
        ("to", 0.5),
        (" ", 0.0),
        ("joe", 2.0),
        ("@", 1.0),
        ("example.org", 0.5),
        (" or ", 0.0),
        ("http", 1.0),
        ("://x.org/a", 1.0),
        (" now", 0.25),
    ]
    found = shown(pieces)
    assert "".join(text for text, _ in found) == "write to [mail] or [link] now"
    assert sum(value for _, value in found) == sum(value for _, value in pieces)
    assert ("[mail]", 3.5) in found and ("[link]", 2.0) in found
    assert redactions("a@b.org http://c.org/d@e.org") == [(0, 7, "[mail]"), (8, 28, "[link]")]
    text = "see http://x.org/a?b, mail <joe@example.org> or fe80::1:2 at 10:30"
    for begin, end, sign in reversed(redactions(text)):
        text = text[:begin] + sign + text[end:]
    assert redact(text) == text.replace("10:30", "##:##") == "see [link] mail <[mail]> or [ip] at ##:##"


def test_a_recurrent_model_is_explained_like_any_other(recurrent):
    its = Explainer(recurrent[0], SECTION).explain(TEXT)
    assert its.complete and any(value for _, value in its.pieces)


def planted(rows=600, share=0.05, seed=3):
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, rows)
    words = np.array([["meeting", "patch", "kernel", "list"], ["prize", "money", "win", "click"]])
    texts = [" ".join(random.choice([*words[its], "the", "of", "and"], 10)) for its in truth]
    turned = random.choice(rows, int(share * rows), replace=False)
    labels = np.array(["ham", "spam"])[truth]
    given = labels.copy()
    given[turned] = np.where(labels[turned] == "ham", "spam", "ham")
    return texts, given.tolist(), set(turned.tolist()), labels.tolist()


def test_planted_mislabels_are_the_first_suspects_and_their_right_label_is_suggested():
    texts, given, turned, truth = planted()
    found = suspects(texts, given, len(turned), 5, 7)
    rows = [its.row for its in found]
    assert len(turned & set(rows)) >= 0.9 * len(turned)
    assert all(truth[its.row] == its.suggested for its in found if its.row in turned)
    assert [its.quality for its in found] == sorted(its.quality for its in found)
    assert found == suspects(texts, given, len(turned), 5, 7)


def test_a_label_too_rare_to_judge_is_left_alone_and_one_label_has_no_suspects():
    texts, given, _, _ = planted(100)
    given[0] = given[1] = "eggs"
    assert not {0, 1} & {its.row for its in suspects(texts, given, 100, 5, 7)}
    assert suspects(texts, ["ham"] * 100, 10, 5, 7) == []


@pytest.fixture
def repository(tmp_path, monkeypatch, classifier):
    monkeypatch.chdir(tmp_path)
    paths.CLASSIFIER.parent.mkdir()
    paths.CLASSIFIER.symlink_to(classifier)
    for seed, name in enumerate(("train", "validation", "test")):
        rows = mails(20, seed)
        place = {"source_file": pa.array(["in.csv"] * len(rows)), "source_row": pa.array(range(len(rows)), pa.int64())}
        rows = rows.set_column(0, "id", pa.array([f"{name}{i}" for i in range(len(rows))]))
        for column, values in place.items():
            rows = rows.append_column(column, values)
        write_table(rows, layout.SPLITS / f"{name}.parquet")
        if name == "test":
            wrong = ["spam" if label == "ham" else "ham" for label in rows["label"].to_pylist()]
            said = pa.array([*wrong[:3], *rows["label"].to_pylist()[3:]])
            confidence = pa.array(np.linspace(0.6, 0.9, len(rows)))
            scored = pa.table({"id": rows["id"], "prediction": said, "confidence": confidence})
            write_table(scored, layout.window("reference").scored)
    return tmp_path


@pytest.mark.proof
def test_the_stage_explains_the_most_confident_mistakes_and_gives_the_same_bytes_twice(repository):
    section = SECTION.model_copy(update={"mistakes": 2, "folds": 2, "suspects": 0.2})
    figures = explain_all(section, 7)
    assert figures["mistakes"] == 2 and figures["labelled_rows"] == 60
    html = EXPLAINED.read_text()
    assert re.findall(r"<h3>(\S+):", html) == ["test2", "test1"]
    listed = list(csv.DictReader(SUSPECTS.open()))
    assert len(listed) == figures["suspects"]
    first = [path.read_bytes() for path in (EXPLAINED, SUSPECTS)]
    assert explain_all(section, 7) == figures
    assert [path.read_bytes() for path in (EXPLAINED, SUSPECTS)] == first


def test_any_text_is_explained_in_the_terminal_and_an_empty_one_is_refused(repository, capsys):
    explain_text("free money " + "win", SECTION)
    said = capsys.readouterr().out
    assert " over " in said and "complete within" in said and "\x1b[" in said
    with pytest.raises(UserError, match="empty"):
        explain_text("  ", SECTION)
    assert not EXPLAINED.exists()
