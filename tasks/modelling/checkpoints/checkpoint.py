"""Finding a pretrained checkpoint, and loading its tokenizer and model.

``model.name`` in ``params.yaml`` is ``package:<module>/<folder>`` (inside an installed Python package), a folder in the
repository, or a hub name, which needs a pinned ``model.revision``. Code in a checkpoint is never run, and
weights are read from safetensors only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from logging import ERROR
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import UserError
from tasks.core.files import read_json
from tasks.core.params import Model
from tasks.core.rows import Modality
from tasks.modelling.checkpoints import families

if TYPE_CHECKING:
    from torch.nn import Linear
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

ACTIVATIONS = ("hidden_act", "activation", "activation_function")  # names in configs
NO_CHECKPOINT = "family:"  # and its name: the source of a model built without any checkpoint
PROCESSOR = "preprocessor_config.json"
UNPINNED = ("main", "master", "HEAD")  # revisions that can change


@dataclass(frozen=True)
class Checkpoint:
    """The arguments of ``from_pretrained``: a folder, or a hub name with its pinned revision."""

    source: str
    revision: str | None = None
    family: str | None = None
    """If set, only the checkpoint's tokenizer is used."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Of the family."""


def resolve(model: Model) -> Checkpoint:
    """The checkpoint that ``model`` names; nothing is loaded or fetched yet."""
    settings = model.config or {}
    families.refuse_unknown(model.family, settings)
    if model.name is None and model.family is not None and families.modality(model.family) == "image":
        return Checkpoint(f"{NO_CHECKPOINT}{model.family}", family=model.family, config=settings)
    return replace(_found(model.name, model.revision), family=model.family, config=settings)


def starting_point(model: Model, pretrained: Path) -> Checkpoint:
    """The checkpoint a training starts from: ``pretrain``'s, or ``model``'s if there was no pre-training."""
    found = resolve(model)
    return replace(found, source=str(pretrained), revision=None) if (pretrained / "config.json").is_file() else found


def _found(name: str | None, revision: str | None) -> Checkpoint:
    if name is None:
        raise UserError("model.name is null, which only an image family allows: name a checkpoint")
    if name.startswith("package:"):
        return Checkpoint(str(_with_config(_in_package(name), name)))
    if Path(name).is_dir():
        return Checkpoint(str(_with_config(Path(name), name)))
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise UserError(f"model.name: {name} is neither a folder here nor a valid hub name")
    if revision is None or revision in UNPINNED:
        raise UserError(
            f"model.revision is {revision}, but {name} comes from a hub: pin it, set model.revision to a commit hash "
            "or a tag (if a folder was meant, it does not exist here)"
        )
    return Checkpoint(name, revision)


def _in_package(name: str) -> Path:
    module, _, folder = name.removeprefix("package:").partition("/")
    spec = find_spec(module) if module.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"model.name: the package of {name} is not installed: "
            f"run python -m pip install {module.replace('_', '-')}, or name another model"
        )
    return Path(spec.submodule_search_locations[0]) / folder


def _with_config(folder: Path, name: str) -> Path:
    if not (folder / "config.json").is_file():
        raise UserError(f"model.name: {name} has no config.json: it is no checkpoint")
    _register(folder)
    return folder


def tokenizer(checkpoint: Checkpoint) -> PreTrainedTokenizerFast:
    """The checkpoint's fast tokenizer, without the truncation and padding saved with it."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if checkpoint.source.startswith(NO_CHECKPOINT):
        raise UserError(f"model.family is {checkpoint.family}, a family for images, but the rows are texts")
    with _explained(checkpoint):
        found = AutoTokenizer.from_pretrained(checkpoint.source, revision=checkpoint.revision)
    if not isinstance(found, PreTrainedTokenizerFast) or found.pad_token is None:
        raise UserError(
            f"model.name: {checkpoint.source} has no fast tokenizer with a padding token; name another model"
        )
    found.backend_tokenizer.no_truncation()
    found.backend_tokenizer.no_padding()
    return found


def processor(checkpoint: Checkpoint) -> Any:
    """The image processor of the checkpoint or the family, on numpy and Pillow."""
    from transformers import AutoImageProcessor

    if checkpoint.family is not None:
        if families.modality(checkpoint.family) != "image":
            raise UserError(f"model.family is {checkpoint.family}, a family for texts, but the rows are images")
        return families.processor(checkpoint.family, checkpoint.config)
    with _explained(checkpoint):
        auto: Any = AutoImageProcessor
        return auto.from_pretrained(checkpoint.source, revision=checkpoint.revision, backend="pil")


def longest_input(checkpoint: Checkpoint, found: PreTrainedTokenizerFast) -> int:
    """Maximum input length in tokens, special ones included."""
    from transformers import AutoConfig

    with _explained(checkpoint):
        config = AutoConfig.from_pretrained(checkpoint.source, revision=checkpoint.revision)
    return min(int(found.model_max_length), int(getattr(config, "max_position_embeddings", None) or 10**9))


def classifier(
    checkpoint: Checkpoint,
    labels: Sequence[str],
    *,
    layers: int | None = None,
    dropout: float | None = None,
    activation: str | None = None,
    modality: Modality = "text",
) -> PreTrainedModel:
    """The checkpoint as a classifier over ``labels``, in float32; with ``layers`` only its lowest ones.

    Weights the checkpoint lacks (at least the last layer; with a family all) are random: seed torch first.
    """
    from transformers import AutoConfig

    model: PreTrainedModel
    auto = _auto_class(modality)
    if checkpoint.family is not None:
        tokens = tokenizer(checkpoint) if modality == "text" else None
        config = families.config(checkpoint.family, checkpoint.config, tokens)
        _adapt(config, labels, layers, dropout, activation)
        model = auto.from_config(config, dtype="float32")
        return model
    with _explained(checkpoint):
        config = AutoConfig.from_pretrained(checkpoint.source, revision=checkpoint.revision)
        _adapt(config, labels, layers, dropout, activation)
        model = auto.from_pretrained(
            checkpoint.source,
            revision=checkpoint.revision,
            config=config,
            dtype="float32",
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # of a last layer for other labels
        )
    return model


def _auto_class(modality: Modality) -> Any:
    """The Auto class of classifiers."""
    import transformers

    names = {"text": "AutoModelForSequenceClassification", "image": "AutoModelForImageClassification"}
    return getattr(transformers, names[modality])


def language_model(checkpoint: Checkpoint) -> tuple[PreTrainedModel, bool]:
    """The checkpoint as a masked language model in float32, and whether its head was missing and is random."""
    from transformers import AutoModelForMaskedLM

    with _explained(checkpoint):
        model, found = AutoModelForMaskedLM.from_pretrained(
            checkpoint.source,
            revision=checkpoint.revision,
            dtype="float32",
            use_safetensors=True,
            output_loading_info=True,
        )
    return model, bool(found["missing_keys"])


def encoder(checkpoint: Checkpoint) -> PreTrainedModel:
    """The checkpoint without any head, in float32."""
    from transformers import AutoModel

    model: PreTrainedModel
    with _explained(checkpoint):
        model = AutoModel.from_pretrained(
            checkpoint.source, revision=checkpoint.revision, dtype="float32", use_safetensors=True
        )
    return model


def _adapt(
    config: PretrainedConfig,
    labels: Sequence[str],
    layers: int | None,
    dropout: float | None,
    activation: str | None,
) -> None:
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: i for i, label in enumerate(labels)}
    config.problem_type = "single_label_classification"
    if layers is not None:
        available = getattr(config, "num_hidden_layers", 0)
        if layers > available:
            raise UserError(f"finetune.layers is {layers}, but the checkpoint has {available}")
        config.num_hidden_layers = layers
    for name in [name for name in config.to_dict() if name.endswith(("dropout", "dropout_prob"))]:
        if dropout is not None:
            setattr(config, name, dropout)
    if activation is not None:
        names = [name for name in ACTIVATIONS if hasattr(config, name)]
        if not names:
            raise UserError(f"finetune.activation: not configurable for a {config.model_type}; set it to null")
        setattr(config, names[0], activation)


def labels_and_width(folder: Path) -> tuple[list[str], int]:
    """The labels of a trained classifier, in the order of its outputs, and the width of its embeddings."""
    from transformers import AutoConfig

    _known(folder)
    with _explained(Checkpoint(str(folder))):
        config = AutoConfig.from_pretrained(folder)
    width = config.hidden_size if hasattr(config, "hidden_size") else config.hidden_sizes[-1]
    return [config.id2label[i] for i in range(len(config.id2label))], int(width)


def modality_of(folder: Path) -> Modality:
    """The modality of the trained classifier in a folder: image if it has an image processor."""
    return "image" if (folder / PROCESSOR).is_file() else "text"


def _known(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} has no trained model yet: run `driftline run`")
    _register(folder)


def _register(folder: Path) -> None:
    file = folder / "config.json"
    try:
        families.register(str(read_json(file).get("model_type")))
    except ValueError as error:
        raise UserError(f"model.name: {file} is not valid JSON: {error}") from error


def load_trained(folder: Path) -> tuple[Any, PreTrainedModel]:
    """The tokenizer (or image processor) and the trained classifier of a folder, in evaluation mode."""
    from transformers import AutoTokenizer

    _known(folder)
    modality = modality_of(folder)
    with _explained(Checkpoint(str(folder))):
        model = _auto_class(modality).from_pretrained(folder, dtype="float32", use_safetensors=True)
        if modality == "image":
            return processor(Checkpoint(str(folder))), model.eval()
        return AutoTokenizer.from_pretrained(folder), model.eval()


def last_layer(model: PreTrainedModel) -> Linear:
    """The linear layer whose output is the logits and whose input is the embedding."""
    from torch.nn import Linear

    found = [m for m in model.modules() if isinstance(m, Linear) and m.out_features == model.config.num_labels]
    if not found:
        raise UserError(
            f"{type(model).__name__} does not end in a linear layer over the labels: set model.name to another model"
        )
    return found[-1]


@contextmanager
def _explained(checkpoint: Checkpoint) -> Iterator[None]:
    """Loads without the library's bars and reports; its errors become a UserError."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    before = logging.get_verbosity()
    logging.set_verbosity(ERROR)
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        at = f" at {checkpoint.revision}" if checkpoint.revision else ""
        raise UserError(f"model.name: {checkpoint.source}{at} cannot be loaded: {_first_line(error)}") from error
    finally:
        logging.set_verbosity(before)


def _first_line(error: Any) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
