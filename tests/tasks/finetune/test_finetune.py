"""The engine spends less than the textbook and gives the same: each saving is held against what it replaces."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    set_seed,
)

from tasks.core.errors import UserError
from tasks.core.files import write_json
from tasks.finetune import Params, frozen, kept_pass, probe, record, temperature
from tasks.finetune.batching import LengthGroupedSampler, PaddingCollator, Rows, model_inputs
from tasks.finetune.device import device_for
from tasks.finetune.fit import fit
from tasks.finetune.trainer import ClassifierTrainer
from tasks.finetune.training import arguments, train
from tasks.finetune.transformer import finetune, read_rows, write_classifier
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.decision import Rule, decide, thresholds_in
from tasks.modelling.targets.target import Calibration
from tasks.modelling.temperature import cross_entropy, fit_temperature
from tasks.modelling.training.shutdown import ShutdownRequest
from tasks.modelling.training.trainer import Run
from tasks.score import Params as ScoreParams
from tasks.score.predict import predict
from tests.support.models import BERT_LIKE, FAMILIES, NO_CHECKPOINTS, QUICK, SMALL, digests, ragged

# feeding


def test_an_epoch_is_every_row_once_in_an_order_that_only_seed_and_epoch_decide():
    lengths = ragged(103).lengths

    def order(seed, epoch):
        batches = LengthGroupedSampler(lengths, 8, seed)
        batches.set_epoch(epoch)
        return list(batches)

    assert sorted(i for batch in order(1, 0) for i in batch) == list(range(103))
    assert len(order(1, 0)) == len(LengthGroupedSampler(lengths, 8, 1)) == 13
    assert order(1, 2) == order(1, 2)
    assert order(1, 0) != order(1, 1) != order(2, 1)


def test_batches_of_like_length_hold_little_padding():
    lengths = ragged(400, longest=60).lengths
    held = sum(lengths[batch].max() * len(batch) for batch in LengthGroupedSampler(lengths, 8, 0))
    unsorted = sum(lengths[i : i + 8].max() * 8 for i in range(0, 400, 8))
    assert lengths.sum() <= held < 1.1 * lengths.sum() < 1.5 * lengths.sum() < unsorted


def test_padding_hides_what_is_not_there():
    made = PaddingCollator(7)(
        [{"input_ids": np.array([1, 2, 3]), "labels": 0}, {"input_ids": np.array([4]), "labels": 1}]
    )
    assert made["input_ids"].tolist() == [[1, 2, 3], [4, 7, 7]]
    assert made["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert made["labels"].tolist() == [0, 1]


@pytest.mark.proof
def test_the_trainer_takes_each_epoch_in_its_own_order(bert, tmp_path):
    rows, section = ragged(40), Params(epochs=2, **QUICK)
    fed = []

    class Spy(ClassifierTrainer):
        def training_step(self, model, inputs, num_items_in_batch=None):
            fed.append(inputs["input_ids"].tolist())
            return super().training_step(model, inputs, num_items_in_batch)

    args = arguments(section, 3, device_for(section), str(tmp_path / "trainer"))
    Spy(
        bert, section, 3, Run(NO_CHECKPOINTS, ShutdownRequest()), args=args, train_dataset=rows, eval_dataset=rows
    ).train()
    batches = LengthGroupedSampler(rows.lengths, 8, 3)
    expected = []
    for epoch in range(2):
        batches.set_epoch(epoch)
        expected += [model_inputs(bert, rows, batch)["input_ids"].tolist() for batch in batches]
    assert fed == expected
    assert list((tmp_path / "trainer").iterdir()) == [], "the trainer left something behind"


# the trained part


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_trained_part_gives_the_logits_of_the_whole(family, depth, tmp_path):
    torch.manual_seed(1)
    model, rows = FAMILIES[family](), ragged(9)
    part = frozen.activations(model, depth, rows, tmp_path / "a.npy", 4) if depth else rows
    assert frozen.can_use_cls_only(model, depth, rows, part) == (family != "distilbert")
    with torch.inference_mode():
        batch = range(9)
        expected = model.train(False)(**model_inputs(model, rows, batch)).logits
        for cls_only in {family != "distilbert", False}:
            with frozen.trainable_part(model, depth, cls_only):
                found = model.train(False)(**model_inputs(model, part, batch)).logits
            assert torch.allclose(found, expected, atol=1e-6)
        assert torch.equal(model(**model_inputs(model, rows, batch)).logits, expected), "it was not put back"


def test_a_layer_for_the_first_token_alone_has_the_gradients_of_the_whole_layer(bert):
    rows = ragged(6)

    def gradients(cls_only):
        bert.zero_grad()
        with frozen.trainable_part(bert, 0, cls_only):
            bert.train(False)(**model_inputs(bert, rows, range(6))).logits.square().sum().backward()
        return {name: weight.grad.clone() for name, weight in bert.named_parameters()}

    whole, cls_only = gradients(False), gradients(True)
    for name, gradient in whole.items():
        assert torch.allclose(cls_only[name], gradient, atol=1e-6), name


def test_a_model_that_reads_every_token_keeps_its_last_layer_whole(bert):
    bert.bert.pooler.forward = lambda states: torch.tanh(bert.bert.pooler.dense(states.mean(1)))
    assert frozen.can_use_cls_only(bert, 0, ragged(5), ragged(5)) is False


def test_a_model_that_is_not_the_sum_of_its_parts_is_not_split(bert):
    rows = ragged(5)
    values = np.random.default_rng(0).normal(size=(len(rows.values), 16)).astype(np.float32)
    wrong = Rows("inputs_embeds", values, rows.starts, rows.labels)
    assert frozen.can_use_cls_only(bert, 1, rows, wrong) is None


@pytest.mark.proof
def test_a_model_without_a_list_of_layers_is_trained_whole_or_not_at_all():
    config = AlbertConfig(**SMALL, **BERT_LIKE, embedding_size=8)
    done = fit(AlbertForSequenceClassification(config), ragged(16), ragged(8), Params(epochs=1, **QUICK), 1)
    assert done.metrics["steps"] == 2
    with pytest.raises(UserError, match="AlbertForSequenceClassification has no list of layers"):
        fit(AlbertForSequenceClassification(config), ragged(16), ragged(8), Params(frozen_layers=1, **QUICK), 1)


@pytest.mark.proof
def test_training_on_kept_activations_is_training_with_frozen_layers(tokens, tiny_checkpoint):
    rows, validation = (read_rows(tokens / f"{name}.parquet") for name in ("train", "validation"))

    def losses(depth):
        set_seed(5)
        model = checkpoint.classifier(checkpoint.Checkpoint(str(tiny_checkpoint)), ["ham", "spam"], dropout=0.0)
        for module in (model.bert.embeddings, *model.bert.encoder.layer[:5]):
            module.requires_grad_(depth > 0)  # kept activations: never seen by the optimizer anyway
        before = {name: weight.clone() for name, weight in model.named_parameters()}
        done = fit(model, rows, validation, Params(epochs=2, frozen_layers=depth, **QUICK), 5)
        moved = {name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])}
        return [(row["train_loss"], row["validation_loss"]) for row in done.curves], moved, done.metrics

    kept, moved, figures = losses(5)
    plain, moved_plain, _ = losses(0)
    assert np.allclose(kept, plain, atol=1e-4)
    assert moved == moved_plain
    assert all(name.startswith(("bert.encoder.layer.5", "bert.pooler", "classifier")) for name in moved)
    assert figures["trainable_parameters"] < figures["parameters"]


# the loss, the probe and the temperature


def test_the_loss_is_torchs_own_with_its_weights_and_smoothing(bert, tmp_path):
    rows = Rows("input_ids", ragged(8).values, ragged(8).starts, np.array([0, 0, 0, 0, 0, 0, 1, 1]))
    section = Params(class_weights=True, label_smoothing=0.1, **QUICK)
    args = arguments(section, 3, device_for(section), str(tmp_path))
    trainer = ClassifierTrainer(
        bert, section, 3, Run(NO_CHECKPOINTS, ShutdownRequest()), args=args, train_dataset=rows, eval_dataset=rows
    )
    inputs = model_inputs(bert.train(False), rows, range(8)) | {"labels": torch.from_numpy(rows.labels)}
    logits = bert(**model_inputs(bert, rows, range(8))).logits
    weight = torch.tensor([8 / (2 * 6), 8 / (2 * 2)])
    expected = torch.nn.functional.cross_entropy(logits, inputs["labels"], weight, label_smoothing=0.1)
    assert torch.allclose(trainer.compute_loss(bert, inputs), expected)


@pytest.mark.proof
@pytest.mark.parametrize("labels", [2, 3])
def test_the_last_layer_begins_at_a_logistic_regression(labels, tmp_path):
    torch.manual_seed(1)
    model = BertForSequenceClassification(BertConfig(**SMALL | {"num_labels": labels}, **BERT_LIKE))
    rows = ragged(60, labels=labels)
    features = probe.embeddings(model, rows, 8).astype(np.float64)
    assert np.allclose(probe.embeddings(model, rows, 3), features, atol=1e-6), "a batch's make-up decides"
    probe.init_last_layer(model, rows, 8, tmp_path / "probe")
    with torch.inference_mode():
        logits = model.train(False)(**model_inputs(model, rows, range(60))).logits.softmax(-1).numpy()
    expected = LogisticRegression(max_iter=1000).fit(features, rows.labels).predict_proba(features)
    assert np.allclose(logits, expected, atol=1e-4)


@pytest.mark.parametrize("occurring", [[0, 2], [1, 2, 3]])
def test_a_label_that_no_row_has_keeps_its_first_weights(occurring, tmp_path):
    torch.manual_seed(1)
    model = BertForSequenceClassification(BertConfig(**SMALL | {"num_labels": 4}, **BERT_LIKE))
    rows = ragged(30)
    rows = replace(rows, labels=np.resize(occurring, 30))
    before = [tensor.clone() for tensor in (model.classifier.weight, model.classifier.bias)]
    probe.init_last_layer(model, rows, 8, tmp_path / "probe")
    for was, tensor in zip(before, (model.classifier.weight, model.classifier.bias), strict=True):
        same = [bool((was[label] == tensor[label]).all()) for label in range(4)]
        assert same == [label not in occurring for label in range(4)]
    logits = model.classifier(torch.from_numpy(probe.embeddings(model, rows, 8)))[:, occurring].softmax(-1)
    features = probe.embeddings(model, rows, 8).astype(np.float64)
    expected = LogisticRegression(max_iter=1000).fit(features, rows.labels).predict_proba(features)
    assert np.allclose(logits.detach().numpy(), expected, atol=1e-4)


def test_the_temperature_is_the_best_of_a_fine_grid():
    random = np.random.default_rng(0)
    honest = random.normal(size=(500, 3))
    labels = np.array([random.choice(3, p=np.exp(row) / np.exp(row).sum()) for row in honest])
    overconfident = 3 * honest
    found = fit_temperature(overconfident, labels)
    grid = np.exp(np.linspace(-1, 2, 301))
    losses = [cross_entropy(overconfident / t, labels) for t in grid]
    assert abs(math.log(found / grid[int(np.argmin(losses))])) < 0.02
    assert 2.5 < found < 3.6


def test_logits_tripled_are_recovered_and_other_rows_gain_by_it():
    """Fitted on one half (validation) and judged on the other (test)."""
    random = np.random.default_rng(8)
    honest = random.normal(size=(4000, 2)) * 2
    labels = np.array([random.choice(2, p=np.exp(row) / np.exp(row).sum()) for row in honest])
    validation, test = slice(0, 2000), slice(2000, 4000)
    before = fit_temperature(honest[validation], labels[validation])
    found = fit_temperature(3 * honest[validation], labels[validation])
    assert abs(found / 3 - 1) < 0.1
    assert found == pytest.approx(3 * before, rel=0.01), "whatever it was, it is three times that"
    raw, divided = (cross_entropy(3 * honest[test] / t, labels[test]) for t in (1.0, found))
    assert divided <= raw
    unscaled = cross_entropy(honest[test], labels[test])
    assert divided == pytest.approx(unscaled, abs=0.005)


def test_rows_that_are_all_right_do_not_ask_for_certainty():
    assert fit_temperature(np.array([[4.0, -4.0]] * 30), np.zeros(30, dtype=int)) > 0.1


def test_folding_divides_the_logits(bert):
    rows = ragged(4)
    with torch.inference_mode():
        before = bert.train(False)(**model_inputs(bert, rows, range(4))).logits
        temperature.fold([bert.classifier], Calibration(2.5))
        assert torch.allclose(bert(**model_inputs(bert, rows, range(4))).logits, before / 2.5, atol=1e-6)


# the stage


def run(tokens, tiny_checkpoint, folder, **section):
    torch.manual_seed(99)  # what went before must not matter
    source = checkpoint.Checkpoint(str(tiny_checkpoint))
    model, done = finetune(tokens, source, Params(**QUICK | section), seed=7)
    write_classifier(model, tokens / "tokenizer", folder)
    return done


@pytest.mark.proof
@pytest.mark.parametrize("depth", [0, 4])
def test_it_learns_and_gives_the_same_bytes_twice(tokens, tiny_checkpoint, tmp_path, monkeypatch, depth):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    one = run(tokens, tiny_checkpoint, tmp_path / "one", epochs=3, frozen_layers=depth)
    two = run(tokens, tiny_checkpoint, tmp_path / "some other folder", epochs=3, frozen_layers=depth)
    assert one.metrics["validation_accuracy"] > 0.9
    assert (one.metrics, one.curves) == (two.metrics, two.curves)
    assert digests(tmp_path / "one") == digests(tmp_path / "some other folder")
    assert set(digests(tmp_path / "one")) == {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    config = (tmp_path / "one/config.json").read_text()
    assert "auto_map" not in config
    assert str(tmp_path) not in config and str(tiny_checkpoint) not in config
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.proof
def test_another_seed_is_another_model(tokens, tiny_checkpoint):
    source, section = checkpoint.Checkpoint(str(tiny_checkpoint)), Params(epochs=1, **QUICK)
    first, second = (finetune(tokens, source, section, seed)[1].metrics for seed in (1, 2))
    assert first["validation_loss"] != second["validation_loss"]


@pytest.mark.proof
def test_the_record_says_what_was_done(tokens, tiny_checkpoint, tmp_path):
    done = run(tokens, tiny_checkpoint, tmp_path / "model", epochs=2)
    assert [(row["epoch"], row["step"]) for row in done.curves] == [(1, 12), (2, 24)]
    assert done.metrics["labels"] == ["ham", "spam"]
    assert done.metrics["steps"] == 24
    assert done.metrics["validation_loss_at_temperature"] <= done.metrics["validation_loss"] + 1e-6
    assert done.cost["tokens_per_second"] > 0
    write_json(done.metrics | done.cost, tmp_path / "all.json")  # plain numbers and words only
    record.write_curves(done.curves, tmp_path / "curves.csv")
    header, *lines = (tmp_path / "curves.csv").read_text().splitlines()
    assert header == "epoch,step,train_loss,validation_loss,validation_accuracy"
    assert len(lines) == 2


@pytest.mark.proof
def test_thresholds_are_chosen_on_validation_and_left_with_the_weights(tokens, tiny_checkpoint, tmp_path):
    rule = Rule(costs={"spam": 3.0}, abstain=0.2)
    done = run(tokens, tiny_checkpoint, tmp_path / "model", decision=rule)
    left = thresholds_in(json.loads((tmp_path / "model/config.json").read_text()))
    assert left == done.metrics["decision"] and left["costs"] == {"ham": 1.0, "spam": 3.0}
    predicted = predict(["free money", "meeting monday"], tmp_path / "model", ScoreParams(threads=1))
    assert predicted.decisions == decide(predicted.probabilities, ["ham", "spam"], left)
    with pytest.raises(UserError, match="costs names eggs"):
        run(tokens, tiny_checkpoint, tmp_path / "other", decision=Rule(costs={"eggs": 1.0}))


@pytest.mark.proof
def test_the_losses_of_the_curves_are_means_over_the_epoch_and_over_the_rows(bert):
    rows, section, steps = ragged(20), Params(epochs=1, dropout=0.0, **QUICK), []
    compute = ClassifierTrainer.compute_loss

    def spy(self, model, inputs, *args, **named):
        found = compute(self, model, inputs, *args, **named)
        if model.training:
            steps.append(found.item())
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClassifierTrainer, "compute_loss", spy)
        done = train(bert, rows, rows, section, 0, device_for(section), NO_CHECKPOINTS)
    (row,) = record.curves(done.log)
    with torch.inference_mode():
        logits = bert.train(False)(**model_inputs(bert, rows, range(20))).logits
    assert row["train_loss"] == pytest.approx(np.mean(steps), abs=1e-5)
    assert row["validation_loss"] == pytest.approx(
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(rows.labels)).item(), abs=1e-5
    )


@pytest.mark.proof
@pytest.mark.parametrize("count", [7, 20, 33])
def test_a_check_counts_every_row_however_its_batches_are_cut(bert, count):
    rows, section, seen = ragged(count), Params(epochs=1, **QUICK), []
    figures = ClassifierTrainer.eval_metrics
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            ClassifierTrainer, "eval_metrics", lambda _, said: seen.append(len(said.predictions)) or figures(_, said)
        )
        train(bert, rows, rows, section, 0, device_for(section), NO_CHECKPOINTS)
    assert set(seen) == {count}


@pytest.mark.proof
def test_a_loss_that_is_no_number_ends_in_words(tokens, tiny_checkpoint):
    source = checkpoint.Checkpoint(str(tiny_checkpoint))
    with pytest.raises(UserError, match=r"loss is nan at step \d+ of 36, rows r\d+, .*lower finetune\.learning_rate"):
        finetune(tokens, source, Params(epochs=3, **QUICK | {"learning_rate": 1e30}), 7)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"frozen_layers": 6}, "finetune.frozen_layers is 6, but the model has 6 layers"),
        ({"layers": 2, "frozen_layers": 2}, "but the model has 2 layers"),
    ],
)
def test_nothing_left_to_train_is_refused(tokens, tiny_checkpoint, section, words):
    with pytest.raises(UserError, match=words):
        finetune(tokens, checkpoint.Checkpoint(str(tiny_checkpoint)), Params(**section, **QUICK), 7)


def test_activations_that_fill_the_disk_are_refused(bert, tmp_path):
    with pytest.raises(UserError, match=r"activations take .* GB .* are free"):
        kept_pass.refuse_too_large(4 * 10**14 * bert.config.hidden_size, tmp_path)
