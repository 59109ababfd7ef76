"""From a trained classifier to an ONNX graph, and from there to 8 bits."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import PreTrainedModel

from tasks.core.errors import UserError
from tasks.core.faults import is_machines
from tasks.modelling.checkpoints.loader import first_line

INPUTS = ("input_ids", "attention_mask")
TYPES = "token_type_ids"  # the third input, of a model of pairs that reads them
MAX_BYTES = 1_900_000_000  # of weights in one file: protobuf's limit is 2 GiB
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def require_onnx() -> None:
    """UserError without the packages of the ``onnx`` extra."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise UserError(f"the export needs {', '.join(missing)}: pip install -c requirements.lock -e '.[onnx]'")


class _Logits(torch.nn.Module):
    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        types = {} if token_type_ids is None else {TYPES: token_type_ids}
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask, **types).logits
        return logits


@contextmanager
def _quietly() -> Iterator[None]:
    """Silences the exporters' warnings, none of which is about the model."""
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
    require_onnx()
    dynamic = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    if sum(weight.nbytes for weight in model.state_dict().values()) > MAX_BYTES:
        raise UserError(
            f"{type(model).__name__} has more than {MAX_BYTES / 1e9:.1f} GB of weights, too large for one ONNX file"
        )
    try:
        with _quietly(), torch.inference_mode():
            torch.onnx.export(
                _Logits(model.train(False)),
                tuple(example.values()),
                file,
                dynamo=True,
                input_names=tuple(example),
                output_names=["logits"],
                dynamic_shapes=dict.fromkeys(example, dynamic),
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # the exporter traces the model's code, which may raise anything
        if is_machines(error):
            raise
        why = first_line(error.__cause__ if isinstance(error.__cause__, Exception) else error)
        raise UserError(
            f"torch cannot export {type(model).__name__} for texts of any length (plain recurrent networks cannot be "
            f"exported, lstm and gru can): {why}"
        ) from error


def to_int8(source: Path, target: Path) -> str | None:
    """Dynamic quantization of the matrices to 8 bits, per channel; what speaks against it, None once it is written."""
    require_onnx()
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with TemporaryDirectory() as folder, _quietly():
        prepared: Any = Path(folder) / "prepared.onnx"
        try:
            quant_pre_process(source, prepared, skip_symbolic_shape=True)
            quantize_dynamic(prepared, target, per_channel=True, weight_type=QuantType.QInt8)
        except Exception as error:  # onnxruntime knows not every operator
            if is_machines(error):
                raise
            target.unlink(missing_ok=True)
            return f"cannot be quantized: {first_line(error)}"
    return None
