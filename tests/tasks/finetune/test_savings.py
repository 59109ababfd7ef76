"""What spends less, and what is set for the machine: each does what it says, and nothing else."""

from __future__ import annotations

import json
import math
import sys
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertConfig, BertForSequenceClassification, LlamaConfig, LlamaForSequenceClassification

from tasks.core import chip
from tasks.core.errors import UserError
from tasks.core.files import sha256_of
from tasks.finetune import Lora, Params, WarmStart, frozen, lora, objectives, probe, speed, vocabulary, warm_start
from tasks.finetune.attention import attention_kernel
from tasks.finetune.batching import LengthGroupedSampler, PaddingCollator, Rows, cheapest_slices, model_inputs
from tasks.finetune.device import device_for
from tasks.finetune.dvclive_callback import DvcLiveCallback
from tasks.finetune.early_stopping import EarlyStopping
from tasks.finetune.fit import fit
from tasks.finetune.micro_batches import Accumulation, split_batch
from tasks.finetune.trainer import ClassifierTrainer
from tasks.finetune.training import arguments
from tasks.finetune.transformer import finetune, write_classifier
from tasks.modelling.checkpoints import checkpoint
from tasks.modelling.training import checkpoint_store
from tasks.modelling.training.divergence import DivergenceGuard
from tasks.modelling.training.shutdown import ShutdownRequest
from tasks.modelling.training.trainer import Run
from tests.support.models import BERT_LIKE, FAMILIES, NO_CHECKPOINTS, QUICK, SMALL, ragged

LLAMA = {
    "vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
    "max_position_embeddings": 32, "pad_token_id": 0, "attention_dropout": 0.1,
}  # fmt: skip


def trainer_for(model, folder, rows, **section):
    section = Params(**QUICK | section)
    args = arguments(section, 3, device_for(section), str(folder))
    return ClassifierTrainer(
        model, section, 3, Run(NO_CHECKPOINTS, ShutdownRequest()), args=args, train_dataset=rows, eval_dataset=rows
    )


def batch_of(rows, count):
    return PaddingCollator(0)([rows[i] for i in range(count)])


# batches by a budget of tokens


@pytest.mark.parametrize("budget", [30, 64, 500])
def test_batches_by_tokens_hold_every_row_once_within_the_budget(budget):
    lengths = ragged(203, longest=40).lengths
    batches = LengthGroupedSampler(lengths, 8, 1, budget)
    for epoch in (0, 1, 5):
        made = batches.of_epoch(epoch)
        assert sorted(i for batch in made for i in batch) == list(range(203))
        assert all(len(batch) == 1 or len(batch) * lengths[batch].max() <= budget for batch in made)
        assert len(made) == len(batches), "the schedule counts on as many steps in every epoch"
    assert batches.of_epoch(1) == LengthGroupedSampler(lengths, 8, 1, budget).of_epoch(1) != batches.of_epoch(2)


@pytest.mark.proof
@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=9), st.integers(1, 9), st.integers(0, 60))
def test_rows_are_cut_where_it_costs_least(lengths, most, begin):
    """Against every way to cut them; rows in any order."""
    lengths, cost = np.array(lengths), lambda pieces: sum(begin + len(piece) * max(piece) for piece in pieces)
    pieces = [lengths[piece].tolist() for piece in cheapest_slices(lengths, most, begin)]
    assert [length for piece in pieces for length in piece] == lengths.tolist()
    ways = (
        [lengths[i:j].tolist() for i, j in pairwise((0, *cuts, len(lengths)))]
        for number in range(len(lengths))
        for cuts in combinations(range(1, len(lengths)), number)
    )
    assert cost(pieces) == min(cost(way) for way in ways if max(map(len, way)) <= most)
    assert max(map(len, pieces)) <= most


def test_a_check_of_few_rows_is_cut_where_padding_would_cost_more():
    lengths = ragged(31, longest=70).lengths
    whole, cut = (LengthGroupedSampler(lengths, 64, None, pass_cost=begin).of_epoch(0) for begin in (None, 50))
    assert [i for batch in cut for i in batch] == whole[0] and len(whole) == 1 < len(cut) < 31
    same = LengthGroupedSampler(np.full(31, 9), 8, None, pass_cost=50).of_epoch(0)
    assert sorted(len(batch) for batch in same) == [7, 8, 8, 8], "rows of one length are only cut by the batch's size"


def test_a_check_gives_each_rows_logits_however_it_is_cut(bert, tmp_path, monkeypatch):
    rows = ragged(20, longest=40)
    figures = []
    for begin in (0, 10**6):
        monkeypatch.setattr("tasks.finetune.trainer.PASS_COST", begin)
        trainer = trainer_for(bert, tmp_path, rows)
        trainer.evaluate()
        figures.append((trainer.latest.predictions, trainer.latest.label_ids))
    assert np.allclose(figures[0][0], figures[1][0], atol=1e-5) and (figures[0][1] == figures[1][1]).all()


@pytest.mark.proof
def test_a_training_by_tokens_takes_the_steps_it_announced(bert):
    rows = ragged(40)
    done = fit(bert, rows, ragged(8), Params(epochs=2, batch_tokens=60, **QUICK), 1)
    assert done.metrics["steps"] == 2 * len(LengthGroupedSampler(rows.lengths, 8, 1, 60))


# accumulation and memory


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize(("parts", "begin"), [(2, None), (3, None), (16, None), (1, 0), (1, 5), (2, 5)])
def test_a_gradient_in_parts_is_the_gradient(bert, tmp_path, parts, begin, weights):
    rows = Rows("input_ids", ragged(8).values, ragged(8).starts, np.array([0, 0, 0, 0, 0, 0, 1, 1]))
    trainer = trainer_for(bert, tmp_path, rows, class_weights=weights, label_smoothing=0.1)
    for module in bert.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    bert.config._attn_implementation = "eager"  # its dropout is a module; torch's kernel reads the number itself
    found = []
    passes = []
    compute = trainer.compute_loss
    trainer.compute_loss = lambda *given: passes.append(given) or compute(*given)
    for number, cost in ((1, None), (parts, begin)):
        trainer.accumulation.steps, trainer.accumulation.pass_cost = number, cost
        bert.zero_grad()
        loss = trainer.training_step(bert, batch_of(rows, 8))
        found.append((loss.item(), {name: weight.grad.clone() for name, weight in bert.named_parameters()}))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-6)
    for name, gradient in found[0][1].items():
        assert torch.allclose(found[1][1][name], gradient, atol=1e-6), name
    assert len(passes) > 1 + (begin is None), "the second gradient is in several parts"


@pytest.mark.parametrize("begin", [None, 3])
def test_parts_are_the_rows_of_the_batch_without_its_padding(begin):
    rows = ragged(7, longest=30)
    parts = split_batch(batch_of(rows, 7), 3, begin)
    assert begin or [len(part["labels"]) for part in parts] == [3, 2, 2]
    assert all(part["attention_mask"].sum(1).max() == part["input_ids"].shape[1] for part in parts)
    held = [
        part["input_ids"][i][mask.bool()].tolist() for part in parts for i, mask in enumerate(part["attention_mask"])
    ]
    assert held == [rows[i]["input_ids"].tolist() for i in range(7)]


@pytest.mark.proof
@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA"), RuntimeError("[enforce fail] can't allocate memory")]
)
def test_out_of_memory_halves_the_parts_and_takes_the_same_steps(bert, tmp_path, monkeypatch, error):
    """Memory for three rows at a time; the parts that were found are in the record and in the checkpoints."""
    compute = ClassifierTrainer.compute_loss

    def scarce(self, model, inputs, *args, **named):
        if model.training and len(inputs["labels"]) > 3:
            raise error
        return compute(self, model, inputs, *args, **named)

    state = {name: value.clone() for name, value in bert.state_dict().items()}
    section = Params(epochs=1, checkpoint_seconds=1e-9, accumulation=4, **QUICK)
    plenty = fit(bert, ragged(20), ragged(8), section, 1)
    bert.load_state_dict(state)
    monkeypatch.setattr(ClassifierTrainer, "compute_loss", scarce)
    monkeypatch.setattr(checkpoint_store, "MAX_TIME_SHARE", 1e9)
    keep = tmp_path / "kept"
    found = fit(bert, ragged(20), ragged(8), section.model_copy(update={"accumulation": 1}), 1, keep)
    assert found.metrics["steps"] == plenty.metrics["steps"] == 3
    assert found.cost["accumulation_steps"] == 4
    (last,) = keep.glob("step-*")
    assert json.loads((last / "running.json").read_text())["accumulation_steps"] == 4


@pytest.mark.parametrize(("count", "backend"), [(40, "MATH"), (41, "")])
def test_short_rows_are_attended_to_by_the_kernel_that_begins_quicker(count, backend):
    before = torch.backends.cuda.flash_sdp_enabled()
    with attention_kernel(torch.device("cpu"), count):
        assert torch.backends.cuda.flash_sdp_enabled() == (before and not backend)
        assert torch.backends.cuda.math_sdp_enabled()
    assert torch.backends.cuda.flash_sdp_enabled() == before
    with attention_kernel(torch.device("cuda"), count):
        assert torch.backends.cuda.flash_sdp_enabled() == before, "a GPU has its own choice"


def test_every_kernel_of_the_attention_gives_the_gradient(bert, tmp_path, monkeypatch):
    rows, found, fused = ragged(8), [], []
    bert.register_forward_pre_hook(lambda *_: fused.append(torch.backends.cuda.flash_sdp_enabled()))
    for short in (0, 1000):
        monkeypatch.setattr("tasks.finetune.attention.SHORT", short)
        trainer = trainer_for(bert, tmp_path, rows, dropout=0.0)
        bert.zero_grad()
        bert.train(False)
        trainer.compute_loss(bert, batch_of(rows, 8)).backward()
        found.append({name: weight.grad.clone() for name, weight in bert.named_parameters()})
    assert fused == [True, False], "the two gradients are of different kernels"
    for name, gradient in found[0].items():
        assert torch.allclose(found[1][name], gradient, atol=1e-6), name


def test_memory_for_not_even_a_row_is_refused_and_other_errors_are_not_hidden():
    batch, forgotten = batch_of(ragged(2), 2), []

    def failing(error):
        def backward(_):
            raise error

        return backward

    with pytest.raises(UserError, match=r"on the gradient of a single row: shorten tokenize\.max_length"):
        Accumulation(1).gradient(batch, failing(torch.OutOfMemoryError("CUDA")), lambda: forgotten.append(1))
    assert forgotten == [1], "what was added up before memory ran out is dropped"
    with pytest.raises(RuntimeError, match="shapes differ"):
        Accumulation(1).gradient(batch, failing(RuntimeError("shapes differ")), lambda: None)


def test_what_needs_no_gradient_is_computed_in_pieces_too(bert, tmp_path, monkeypatch):
    rows = ragged(12)
    expected = probe.embeddings(bert, rows, 8), frozen.activations(bert, 1, rows, tmp_path / "a.npy", 8).values
    forward = BertForSequenceClassification.forward

    def scarce(self, input_ids, **named):
        if len(input_ids) > 3:
            raise torch.OutOfMemoryError("CUDA")
        return forward(self, input_ids, **named)

    monkeypatch.setattr(BertForSequenceClassification, "forward", scarce)
    assert np.allclose(probe.embeddings(bert, rows, 8), expected[0], atol=1e-6)
    assert np.allclose(frozen.activations(bert, 1, rows, tmp_path / "b.npy", 8).values, expected[1], atol=1e-6)
    monkeypatch.setattr(BertForSequenceClassification, "forward", lambda *_, **__: scarce(None, range(9)))
    with pytest.raises(UserError, match=r"on a single row: shorten tokenize\.max_length"):
        probe.embeddings(bert, rows, 8)


# LoRA, the vocabulary, a warm start


@pytest.mark.proof
def test_lora_trains_its_adapters_and_the_head_and_leaves_a_plain_model(bert):
    rows, before = ragged(16), {name: value.clone() for name, value in bert.state_dict().items()}
    done = fit(bert, rows, rows, Params(epochs=1, lora=Lora(rank=2), **QUICK), 1)
    moved = {name for name, value in bert.state_dict().items() if not torch.equal(value, before[name])}
    assert bert.state_dict().keys() == before.keys()
    assert all(weight.requires_grad for weight in bert.parameters())
    assert {"classifier.weight", "bert.encoder.layer.0.attention.self.query.weight"} <= moved
    assert not any(
        "embeddings" in name or "LayerNorm" in name or (".layer." in name and "bias" in name) for name in moved
    )
    layers = [m for m in bert.bert.encoder.modules() if isinstance(m, torch.nn.Linear)]
    adapters = sum(2 * (m.in_features + m.out_features) for m in layers)
    head = sum(w.numel() for n, w in bert.named_parameters() if "classifier" in n or "pooler" in n)
    assert done.metrics["trainable_parameters"] == adapters + head
    for layer in layers:
        name = next(name for name, m in bert.named_modules() if m is layer)
        change = layer.weight.detach() - before[f"{name}.weight"]
        assert torch.linalg.matrix_rank(change, rtol=1e-3) <= 2


# activations that are computed again


@pytest.mark.proof
@pytest.mark.parametrize(
    ("family", "how"),
    [
        ("bert", {}),
        ("bert", {"frozen_layers": 1}),
        ("bert", {"lora": {"rank": 2}}),
        ("distilbert", {}),
        ("llama", {}),
        ("llama", {"lora": {"rank": 2}}),
    ],
)
def test_activations_that_are_computed_again_give_the_same_weights(family, how):
    weights, kept, configs = [], [], []
    for again in (False, True):
        torch.manual_seed(5)
        model = FAMILIES[family]() if family in FAMILIES else LlamaForSequenceClassification(LlamaConfig(**LLAMA))
        rows, held = ragged(16), []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda one, held=held: held.append(one.numel()) or one, lambda one: one
        ):
            fit(model, rows, rows, Params(epochs=1, gradient_checkpointing=again, **how, **QUICK), 1)
        weights.append(model.state_dict())
        kept.append(sum(held))
        configs.append(model.config.to_dict())
        assert not any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert kept[1] < kept[0] and configs[0] == configs[1]


def test_a_model_that_can_compute_nothing_again_is_refused(bert):
    bert.supports_gradient_checkpointing = False
    with pytest.raises(UserError, match="gradient_checkpointing: BertForSequenceClassification has no layers"):
        fit(bert, ragged(8), ragged(8), Params(gradient_checkpointing=True, **QUICK), 1)


def test_merged_adapters_give_the_adapted_models_logits(bert):
    rows = ragged(6)
    with torch.no_grad(), lora.with_adapters(bert.train(False), Lora(rank=3, alpha=5)):
        for name, weight in bert.named_parameters():
            if "lora_B" in name:
                weight.normal_()
        expected = bert(**model_inputs(bert, rows, range(6))).logits
    with torch.no_grad():
        assert torch.allclose(bert(**model_inputs(bert, rows, range(6))).logits, expected, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_vocabulary_that_occurs_gives_the_logits_of_the_whole(family):
    torch.manual_seed(1)
    model, rows = FAMILIES[family](), ragged(9, vocabulary=25)
    before, count = model.get_input_embeddings().weight.detach().clone(), model.num_parameters()
    with torch.no_grad():
        expected = model.train(False)(**model_inputs(model, rows, range(9))).logits
        with vocabulary.only_used_tokens(model, rows) as (part,):
            assert model.get_input_embeddings().num_embeddings < 30
            assert torch.equal(model(**model_inputs(model, part, range(9))).logits, expected)
            model.get_input_embeddings().weight += 1
    changed = (model.get_input_embeddings().weight != before).any(1)
    assert set(torch.nonzero(changed)[:, 0].tolist()) >= set(rows.values.tolist())
    assert not changed[30:].any()
    assert model.num_parameters() == count


@pytest.mark.proof
def test_tokens_that_never_occur_keep_the_checkpoints_vectors(bert):
    before = bert.get_input_embeddings().weight.detach().clone()
    fit(bert, ragged(16, vocabulary=30), ragged(8, vocabulary=30), Params(epochs=1, **QUICK), 1)
    now = bert.get_input_embeddings().weight
    assert torch.equal(now[30:], before[30:])
    assert not torch.equal(now[5:30], before[5:30])


@pytest.fixture
def champion(tokens, tiny_checkpoint, tmp_path):
    model, _ = finetune(tokens, checkpoint.Checkpoint(str(tiny_checkpoint)), Params(epochs=2, **QUICK), 7)
    write_classifier(model, tokens / "tokenizer", tmp_path / "champion")
    return tmp_path / "champion"


@pytest.mark.proof
def test_a_warm_start_begins_where_the_champion_ended(tokens, tiny_checkpoint, champion):
    source = checkpoint.Checkpoint(str(tiny_checkpoint))
    start = WarmStart(folder=str(champion), sha256=sha256_of(champion / "model.safetensors"))
    still = QUICK | {"learning_rate": 1e-12}
    _, cold = finetune(tokens, source, Params(epochs=1, **still, probe=False), 7)
    _, warm = finetune(tokens, source, Params(epochs=1, **still, warm_start=start), 7)
    assert warm.metrics["validation_accuracy"] > 0.9 > cold.metrics["validation_accuracy"]


@pytest.mark.proof
def test_a_warm_start_for_other_labels_draws_the_last_layer_anew(tokens, champion):
    start = WarmStart(folder=str(champion), sha256=sha256_of(champion / "model.safetensors"))
    same, has_last = warm_start.load(start, ["ham", "spam"], Params(), tokens / "tokenizer")
    other, drawn = warm_start.load(start, ["spam", "ham"], Params(), tokens / "tokenizer")
    more, grown = warm_start.load(start, ["ham", "news", "spam"], Params(), tokens / "tokenizer")
    assert (has_last, drawn, grown) == (True, False, False)
    assert not torch.equal(same.classifier.weight, other.classifier.weight)
    assert torch.equal(same.bert.pooler.dense.weight, more.bert.pooler.dense.weight)
    assert more.classifier.out_features == 3


@pytest.mark.proof
def test_a_warm_start_takes_the_sections_activation_and_not_the_champions_thresholds(tokens, champion):
    start = WarmStart(folder=str(champion), sha256=sha256_of(champion / "model.safetensors"))
    model, _ = warm_start.load(start, ["ham", "spam"], Params(activation="relu"), tokens / "tokenizer")
    acts = [m for name, m in model.named_modules() if name.endswith("intermediate_act_fn")]
    assert acts and all(isinstance(act, torch.nn.ReLU) for act in acts) and model.config.hidden_act == "relu"
    model.config.decision = {"a": 0.9}
    fit(model, ragged(8), ragged(8), Params(epochs=1, **QUICK), 1)
    assert "decision" not in model.config.to_dict()


@pytest.mark.proof
def test_a_warm_start_from_anything_else_is_refused(tokens, tiny_checkpoint, champion, tmp_path):
    source, right = checkpoint.Checkpoint(str(tiny_checkpoint)), sha256_of(champion / "model.safetensors")

    def refused(words, folder, sha256=right):
        with pytest.raises(UserError, match=words):
            finetune(tokens, source, Params(warm_start=WarmStart(folder=str(folder), sha256=sha256), **QUICK), 7)

    refused(r"nowhere/model\.safetensors does not exist: run `dvc get", tmp_path / "nowhere")
    refused(f"is {right}, but params.yaml says", champion, "0" * 64)
    with (champion / "tokenizer.json").open("a") as file:
        file.write(" ")
    refused("has another tokenizer", champion)


# early stopping, clipping, schedules


def test_early_stopping_keeps_the_best_checks_weights():
    best = EarlyStopping(2)
    losses = [0.9, 0.5, 0.7, 0.4, 0.6, 0.5]
    stops = [best.update(step, loss, {"w": torch.tensor([loss])}) for step, loss in enumerate(losses)]
    assert stops == [False, False, False, False, False, True]
    assert (best.best_step, best.best_weights["w"].item()) == (3, pytest.approx(0.4))
    assert not any(EarlyStopping(None).update(step, 1.0 + step, {}) for step in range(50))


@pytest.mark.proof
def test_a_training_stopped_early_ends_in_the_best_weights(tokens, tiny_checkpoint):
    """A rate that goes on hurting: the kept step is the curve's lowest, and the figures are that step's."""
    section = Params(
        **QUICK | {"learning_rate": 0.05, "epochs": 6},
        evals_per_epoch=4,
        early_stopping=2,
        scheduler="constant_with_warmup",
    )
    _, done = finetune(tokens, checkpoint.Checkpoint(str(tiny_checkpoint)), section, 3)
    lowest = min(done.curves, key=lambda row: row["validation_loss"])
    assert done.metrics["selected_step"] == lowest["step"] < done.metrics["steps"] < 72
    assert done.metrics["validation_loss"] == pytest.approx(lowest["validation_loss"], abs=1e-5)
    assert done.curves.index(lowest) == len(done.curves) - 3


@pytest.mark.proof
@pytest.mark.parametrize("scheduler", ["linear", "cosine", "constant_with_warmup"])
def test_the_learning_rate_warms_up_and_decays(bert, tmp_path, monkeypatch, scheduler):
    rates, step = [], ClassifierTrainer.training_step

    def noted(self, *args, **named):
        rates.append(self.optimizer.param_groups[0]["lr"])
        return step(self, *args, **named)

    monkeypatch.setattr(ClassifierTrainer, "training_step", noted)
    trainer_for(bert, tmp_path, ragged(40), epochs=4, warmup=0.2, scheduler=scheduler).train()
    top = QUICK["learning_rate"]
    expected = {
        "linear": lambda share: 1 - share,
        "cosine": lambda share: (1 + math.cos(math.pi * share)) / 2,
        "constant_with_warmup": lambda share: 1.0,
    }[scheduler]
    assert len(rates) == 20
    assert np.allclose(rates[:4], [0, top / 4, top / 2, 3 * top / 4])
    assert np.allclose(rates[4:], [top * expected(i / 16) for i in range(16)])


def test_gradients_are_clipped_to_the_norm(bert, tmp_path):
    norms = []

    class Spy(ClassifierTrainer):
        def _clip_grad_norm(self, model):
            found = super()._clip_grad_norm(model)
            norms.append(torch.stack([w.grad.norm() for w in model.parameters() if w.grad is not None]).norm().item())
            return found

    section = Params(max_grad_norm=1e-3, epochs=1, **QUICK)
    args, rows = arguments(section, 3, device_for(section), str(tmp_path)), ragged(16)
    Spy(
        bert, section, 3, Run(NO_CHECKPOINTS, ShutdownRequest()), args=args, train_dataset=rows, eval_dataset=rows
    ).train()
    assert norms == pytest.approx([1e-3, 1e-3], rel=1e-3)


def test_a_label_without_a_row_has_no_infinite_weight(tmp_path):
    torch.manual_seed(1)
    model = BertForSequenceClassification(BertConfig(**SMALL | {"num_labels": 3}, **BERT_LIKE))
    trainer = trainer_for(model, tmp_path, ragged(8), class_weights=True)
    assert torch.isfinite(trainer.weight).all()


@pytest.mark.proof
def test_checks_look_at_the_same_few_rows_and_the_end_at_all(bert, monkeypatch):
    counts, figures = [], ClassifierTrainer.eval_metrics
    monkeypatch.setattr(
        ClassifierTrainer, "eval_metrics", lambda s, p: counts.append(len(p.label_ids)) or figures(s, p)
    )
    fit(bert, ragged(16), ragged(30), Params(epochs=1, evals_per_epoch=2, eval_rows=5, **QUICK), 1)
    assert counts == [5, 5, 30]
    rows = ragged(30)
    some = rows.sample(5, 1)
    whole = [row["input_ids"].tolist() for row in (rows[i] for i in range(30))]
    assert all(some[i]["input_ids"].tolist() in whole for i in range(5))
    assert rows.sample(5, 1).values.tolist() == some.values.tolist() != rows.sample(5, 2).values.tolist()


# being watched


def test_a_diverging_loss_is_noticed_and_a_noisy_one_is_not():
    random = np.random.default_rng(0)
    calm, wild = DivergenceGuard(2), DivergenceGuard(2)
    for step in range(1, 400):
        assert calm.add(step, torch.tensor(0.3 + 0.3 * random.random())) is None
    found = None
    for step in range(1, 600):
        found = found or wild.add(step, torch.tensor(0.3 if step < 300 else 0.02 * (step - 285)))
    assert 300 < found.step < 400
    assert "the loss diverges" in found.message


def test_losses_looked_at_later_name_the_step_they_went_wrong_at():
    losses = DivergenceGuard(2, check_steps=16)
    values = [0.5, 0.4, math.nan, 0.3] + [math.nan] * 20
    found = next(filter(None, (losses.add(step, torch.tensor(v)) for step, v in enumerate(values, start=1))))
    assert found.step == 3
    again = DivergenceGuard(2)
    again.restore(json.loads(json.dumps(losses.state())))
    assert again.mean == losses.mean


def test_speed_counts_the_multiplications_that_run(bert):
    whole = speed.matrices(bert)
    layers = sum(m.weight.numel() for m in bert.bert.encoder.modules() if isinstance(m, torch.nn.Linear))
    pooler = bert.bert.pooler.dense.weight.numel()
    assert whole.flops(100, 10) == 6 * (100 * layers + 10 * pooler)
    with frozen.trainable_part(bert, 0, cls_only=True):
        cls_only = speed.matrices(bert).flops(100, 10)
    left_out = layers // 3 - 2 * 16 * 16  # of the last layer all but keys and values
    assert cls_only == whole.flops(100, 10) - 6 * 90 * left_out
    assert speed.matmul_rate(whole, 64, torch.device("cpu"), torch.float32, seconds=0.01) > 0


def test_without_dvclive_its_install_command_is_given(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dvclive", None)
    with pytest.raises(UserError, match=r"pip install -c requirements.lock -e '.\[dvclive\]'"):
        DvcLiveCallback(tmp_path)


@pytest.mark.slow
def test_the_curves_of_dvclive_are_whole_after_a_resume(tokens, tiny_checkpoint, tmp_path, monkeypatch):
    pytest.importorskip("dvclive")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpoint_store, "MAX_TIME_SHARE", 1e9)
    source, step = checkpoint.Checkpoint(str(tiny_checkpoint)), ClassifierTrainer.training_step
    section = Params(epochs=3, dvclive=True, checkpoint_seconds=1e-9, **QUICK)

    class Killed(BaseException):
        pass

    def dying(self, *args, **named):
        if self.state.global_step == 20:
            raise Killed
        return step(self, *args, **named)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(ClassifierTrainer, "training_step", dying)
        finetune(tokens, source, section, 7, tmp_path / "kept")
    _, done = finetune(tokens, source, section, 7, tmp_path / "kept")
    lines = (tmp_path / "dvclive/plots/metrics/validation_loss.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines[1:]] == ["12", "24", "36"]
    found = [float(line.split("\t")[1]) for line in lines[1:]]
    assert found == pytest.approx([row["validation_loss"] for row in done.curves])


# the machine


def test_choices_for_the_machine_are_the_users_to_override(monkeypatch):
    monkeypatch.setattr(chip, "flags", lambda: frozenset({"avx2", "avx512f"}))
    chosen = device_for(Params())
    assert chosen.settings() == {
        "precision": "fp32", "attention": "sdpa", "fused": True, "compiled": False, "workers": 0, "threads": 2,
    }  # fmt: skip
    asked = device_for(Params(precision="bf16", fused=False, workers=1, threads=None), "eager")
    assert (asked.precision, asked.fused, asked.workers, asked.attention) == ("bf16", False, 1, "eager")
    assert asked.threads >= 1
    monkeypatch.setattr("tasks.finetune.device.shutil.which", lambda name: None)
    with pytest.raises(UserError, match=r"finetune\.compile needs a C\+\+ compiler"):
        device_for(Params(compile=True))


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", "avx2"])
def test_a_cpu_trains_in_bf16_only_where_that_is_asked_for(monkeypatch, capsys, flag):
    monkeypatch.setattr(chip, "flags", lambda: frozenset({"avx2", "avx512f", flag}))
    chosen = device_for(Params())
    assert (chosen.precision, chosen.tf32, chosen.torch.type) == ("fp32", False, "cpu")
    assert device_for(Params(precision="bf16")).precision == "bf16"
    assert ("emulates it" in capsys.readouterr().out) == (flag == "avx2")
    assert flag == "avx2" or chip.WIDEST[flag] in chip.kind()


@pytest.mark.proof
@pytest.mark.parametrize("depth", [0, 1])
def test_bf16_keeps_weights_optimizer_and_loss_in_fp32_and_gives_the_same_bytes_twice(monkeypatch, tmp_path, depth):
    rows, section, seen = ragged(24), Params(**QUICK, precision="bf16", frozen_layers=depth, epochs=1), []
    loss, linear = objectives.loss, torch.nn.functional.linear

    def watched(logits, *rest):
        seen.append(("loss", logits.dtype))
        return loss(logits, *rest)

    def multiplied(*args):
        made = linear(*args)
        seen.append(("product", made.dtype))
        return made

    optimizers, evaluate = [], ClassifierTrainer.evaluate

    def evaluated(self, *args, **named):
        optimizers.append(self.optimizer)
        return evaluate(self, *args, **named)

    monkeypatch.setattr(objectives, "loss", watched)
    monkeypatch.setattr(torch.nn.functional, "linear", multiplied)
    monkeypatch.setattr(ClassifierTrainer, "evaluate", evaluated)
    found = []
    for name in ("one", "two"):
        torch.manual_seed(0)
        model = FAMILIES["bert"]()
        done = fit(model, rows, rows, section, 1, tmp_path / name / "work")
        found.append((done.metrics, {key: value.clone() for key, value in model.state_dict().items()}))
        assert {value.dtype for value in model.parameters()} == {torch.float32}
    states = [value for state in optimizers[-1].state.values() for key, value in state.items() if key != "step"]
    assert states and {value.dtype for value in states} == {torch.float32}
    assert {kind for what, kind in seen if what == "loss"} == {torch.float32}
    assert torch.bfloat16 in {kind for what, kind in seen if what == "product"}, "or it was not bf16"
    assert found[0][0] == found[1][0] and found[0][0]["precision"] == "bf16"
    assert all(torch.equal(found[0][1][key], found[1][1][key]) for key in found[0][1])


def test_a_gpu_gets_what_suits_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A GPU")
    found = device_for(Params())
    assert (found.name, found.precision, found.tf32, found.torch.type) == ("A GPU", "bf16", True, "cuda")
    assert device_for(Params(precision="fp32")).precision == "fp32"


@pytest.mark.proof
@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_the_attention_kernel_is_the_one_that_was_asked_for(tokens, tiny_checkpoint, kernel):
    model, done = finetune(
        tokens, checkpoint.Checkpoint(str(tiny_checkpoint)), Params(epochs=1, attention=kernel, **QUICK), 1
    )
    assert done.cost["attention"] == model.config._attn_implementation == kernel


def test_a_kernel_that_is_not_there_is_refused(tokens, tiny_checkpoint):
    with pytest.raises(UserError, match=r"finetune\.attention: flash_attention_2 is not available"):
        finetune(tokens, checkpoint.Checkpoint(str(tiny_checkpoint)), Params(attention="flash_attention_2", **QUICK), 1)
