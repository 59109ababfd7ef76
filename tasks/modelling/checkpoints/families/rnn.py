"""Text classification by a recurrent network: LSTM, GRU or plain, forward or bidirectional, with random weights.

Importing this module registers it, and then it loads like any other::

    import tasks.modelling.checkpoints.families.rnn
    from transformers import pipeline

    classify = pipeline("text-classification", "models/classifier", truncation=True)

Texts are padded on the right. Each direction runs separately, the backward one over the reversed real tokens, so that
padding never affects a state that is used, and so that torch can export it (packed sequences cannot be exported).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from huggingface_hub.dataclasses import strict
from pydantic import Field
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.activations import ACT2FN
from transformers.modeling_outputs import SequenceClassifierOutput

from tasks.core.params import Section

CELLS: dict[str, Callable[..., nn.Module]] = {"lstm": nn.LSTM, "gru": nn.GRU, "plain": nn.RNN}


class Settings(Section):
    """The keys of ``model.config`` for ``model.family: rnn``."""

    cell: Literal["lstm", "gru", "plain"] = "lstm"
    bidirectional: bool = True
    hidden_size: int = Field(default=128, ge=2, multiple_of=2)
    """Of a token's state, both directions together, and of a text's embedding."""
    layers: int = Field(default=1, ge=1)
    pooling: Literal["last", "mean", "max"] = "last"
    """Which states are classified: the last of each direction, their mean, or their maximum."""
    dropout: float = Field(default=0.1, ge=0, lt=1)


@strict
class RnnConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """The config of a recurrent classifier, saved in ``config.json``."""

    model_type = "rnn"

    vocab_size: int = 30522
    hidden_size: int = 128
    num_hidden_layers: int = 1
    cell: str = "lstm"
    bidirectional: bool = True
    pooling: str = "last"
    hidden_act: str = "tanh"  # after the dense layer between the states and the last layer
    dropout: float | int = 0.1
    initializer_range: float = 0.1
    pad_token_id: int | None = 0


def config(settings: Settings, tokenizer: PreTrainedTokenizerFast) -> RnnConfig:
    """The config of an untrained network over the tokens of ``tokenizer``."""
    values = settings.model_dump()
    values["num_hidden_layers"] = values.pop("layers")
    return RnnConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **values)


def _reversed(states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """The real tokens of each row in reverse order, padding in place; its own inverse."""
    places = torch.arange(states.shape[1], device=states.device)[None]
    ends = lengths[:, None]
    order = torch.where(places < ends, ends - 1 - places, places)
    return states.gather(1, order[..., None].expand(-1, -1, states.shape[2]))


class RnnLayer(nn.Module):
    """One layer: [rows, tokens, hidden] to the same shape, the directions side by side."""

    def __init__(self, config: RnnConfig) -> None:
        super().__init__()
        cell, size = CELLS[config.cell], config.hidden_size // (2 if config.bidirectional else 1)
        self.forwards = cell(config.hidden_size, size, batch_first=True)
        self.backwards = cell(config.hidden_size, size, batch_first=True) if config.bidirectional else None
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """``lengths`` [rows] counts the real tokens."""
        states = self.dropout(states)
        output: torch.Tensor = self.forwards(states)[0]
        if self.backwards is None:
            return output
        return torch.cat([output, _reversed(self.backwards(_reversed(states, lengths))[0], lengths)], dim=2)


class RnnForSequenceClassification(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Embedding, recurrent layers, pooling, a dense layer with its activation, and the last layer."""

    config_class = RnnConfig
    config: RnnConfig

    def __init__(self, config: RnnConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size, config.pad_token_id)
        self.layers = nn.ModuleList(RnnLayer(config) for _ in range(config.num_hidden_layers))
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = ACT2FN[config.hidden_act]
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.hidden_size, len(config.id2label or {}))
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        """Recurrent weights orthogonal (Saxe et al. 2014), the LSTM's forget gate open (Jozefowicz et al. 2015)."""
        if not isinstance(module, nn.RNNBase):
            super()._init_weights(module)  # type: ignore[no-untyped-call]
            return
        for name, weight in module.named_parameters():
            if getattr(weight, "_is_hf_initialized", False):  # it was loaded
                continue
            for number, gate in enumerate(torch.split(weight, module.hidden_size)):
                if name.startswith("weight_hh"):
                    nn.init.orthogonal_(gate)
                elif name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(gate)
                else:
                    nn.init.constant_(gate, float(isinstance(module, nn.LSTM) and number == 1 and "ih" in name))

    def _pooled(self, states: torch.Tensor, mask: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        real = mask[..., None].bool()
        if self.config.pooling == "max":
            return states.masked_fill(~real, torch.finfo(states.dtype).min).amax(1)
        if self.config.pooling == "mean":
            return states.masked_fill(~real, 0).sum(1) / lengths[:, None]
        last = states.gather(1, (lengths - 1)[:, None, None].expand(-1, 1, states.shape[2]))[:, 0]
        if not self.config.bidirectional:
            return last
        half = states.shape[2] // 2
        return torch.cat([last[:, :half], states[:, 0, half:]], dim=1)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **_: Any,
    ) -> SequenceClassifierOutput:
        """Logits [rows, labels] of ``input_ids`` [rows, tokens] or of their embeddings [rows, tokens, hidden]."""
        given = inputs_embeds if input_ids is None else input_ids
        assert given is not None, "the model takes input_ids or inputs_embeds"
        mask = torch.ones(given.shape[:2], device=given.device) if attention_mask is None else attention_mask
        lengths = mask.sum(1).long().clamp(min=1)
        states = self.embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        for layer in self.layers:
            states = layer(states, lengths)
        features = self.activation(self.dense(self._pooled(states, mask, lengths)))
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(features)))


AutoConfig.register(RnnConfig.model_type, RnnConfig, exist_ok=True)
AutoModelForSequenceClassification.register(RnnConfig, RnnForSequenceClassification, exist_ok=True)
