"""From a trained classifier to an ONNX graph, and from there to 8 bits."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.onnx.errors import OnnxExporterError
from transformers import PreTrainedModel

from tasks.core.errors import UserError

INPUTS = ("input_ids", "attention_mask")
LARGEST = 1_900_000_000  # bytes of weights inside one file: protobuf ends at 2 GiB


class _Logits(torch.nn.Module):
    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


@contextmanager
def _quietly() -> Iterator[None]:
    """The exporters warn of packages that are not there and of their own names; none of it is about the model."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def to_onnx(model: PreTrainedModel, example: dict[str, torch.Tensor], file: Path) -> None:
    """Write the graph for rows and tokens of any number; ``example`` [rows ≥ 2, tokens ≥ 2] shows the inputs."""
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    if sum(weight.nbytes for weight in model.state_dict().values()) > LARGEST:
        raise UserError(
            f"{type(model).__name__} has more than {LARGEST / 1e9:.1f} GB of weights, more than one file takes"
        )
    try:
        with _quietly(), torch.inference_mode():
            torch.onnx.export(
                _Logits(model.train(False)),
                tuple(example[name] for name in INPUTS),
                file,
                dynamo=True,
                input_names=INPUTS,
                output_names=["logits"],
                dynamic_shapes=dict.fromkeys(INPUTS, free),
                external_data=False,
                verbose=False,
            )
    except (OnnxExporterError, RuntimeError) as error:
        why = str(error.__cause__ or error).strip().splitlines()[0]
        raise UserError(
            f"torch's exporter cannot make a graph of {type(model).__name__} that takes texts of any length "
            f"(a plain recurrent network is such a model; lstm and gru are not): {why}"
        ) from error


def to_int8(source: Path, target: Path) -> None:
    """The graph with its matrices in 8 bits, each column by its own scale; activations are scaled as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with TemporaryDirectory() as folder, _quietly():
        prepared: Any = Path(folder) / "prepared.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_dynamic(prepared, target, per_channel=True, weight_type=QuantType.QInt8)
