"""The one place that loads models, tokenizers, configs, image processors and data sets of others.

Each load is of a folder whose files were looked at first (``inspection.py``); a hub's checkpoint is fetched as such a
folder. Code in it is never run, weights are safetensors, and what a library says against a file becomes a UserError.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from logging import ERROR
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import UserError
from tasks.core.faults import is_machines, is_panic
from tasks.modelling.checkpoints import families, inspection, patterns, weights
from tasks.modelling.checkpoints.weights import Found, Head

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

SAFE: dict[str, Any] = {"trust_remote_code": False}  # any other argument would be saved with a tokenizer
FETCHED = ["*.json", "*.txt", "*.model", "*.jinja", "model*.safetensors"]  # of a hub's checkpoint
MAX_SAID = 160  # characters of what a library says
NESTED = ["*/*"]  # left out: other formats of the same model


def folder_of(source: str, revision: str | None) -> Path:
    """The folder of a checkpoint, fetched from the hub where ``source`` is a hub name."""
    return Path(source) if revision is None else _fetched(source, revision)


@cache
def _fetched(source: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download

    with _explained(f"{source} at {revision}"):
        return Path(snapshot_download(source, revision=revision, allow_patterns=FETCHED, ignore_patterns=NESTED))


def config(folder: Path) -> PretrainedConfig:
    """The config of the model in the folder."""
    from transformers import AutoConfig

    inspection.refuse_unsafe(folder, weights=False)
    families.register(str(inspection.read_object(folder / inspection.CONFIG).get("model_type")))
    with _explained(folder):
        found: PretrainedConfig = AutoConfig.from_pretrained(folder, **SAFE)
    return found


def tokenizer(folder: Path, *, weights: bool = True) -> Any:
    """The tokenizer in the folder; ``weights``: a model of the folder will be loaded too."""
    from transformers import AutoTokenizer

    inspection.refuse_unsafe(folder, weights=weights)
    inspection.refuse_unsafe_tokens(folder)
    patterns.refuse_slow(folder)
    _refuse_without_sentencepiece(folder)
    with _explained(folder):
        found = AutoTokenizer.from_pretrained(folder, **SAFE)
        words = len(set(found.get_vocab()) - set(found.all_special_tokens))
    if not words:
        raise UserError(f"{folder} has a tokenizer without words: save the model's own beside it, or name another")
    return found


def _refuse_without_sentencepiece(folder: Path) -> None:
    """Without the package the library looks for another, and says that that one is missing."""
    vocabulary = next((folder / name for name in inspection.SENTENCEPIECE if (folder / name).is_file()), None)
    if vocabulary and not (folder / inspection.TOKENIZER).is_file() and find_spec("sentencepiece") is None:
        raise UserError(
            f"{vocabulary} is a SentencePiece vocabulary, and {folder} has no {inspection.TOKENIZER}: run "
            "`python -m pip install sentencepiece protobuf`, or save its fast tokenizer there"
        )


def image_processor(folder: Path) -> Any:
    """The image processor in the folder, on numpy and Pillow."""
    from transformers import AutoImageProcessor

    inspection.refuse_unsafe(folder)
    auto: Any = AutoImageProcessor
    with _explained(folder):
        return auto.from_pretrained(folder, backend="pil", **SAFE)


def model(auto: str, folder: Path, head: Head, settings: PretrainedConfig | None = None) -> tuple[Any, Found]:
    """The folder's model by an Auto class, in float32, and what was found of its weights; ``settings`` in place of its
    config. A new head's weights are random: seed torch first."""
    settings = config(folder) if settings is None else settings
    shapes = inspection.shapes(folder)
    labels = settings.num_labels if head == "new" else None
    with weights.bounded(inspection.elements(shapes), len(shapes), labels, folder), _explained(folder):
        loaded, info = _auto(auto).from_pretrained(
            folder,
            config=settings,
            dtype="float32",
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # weights.check refuses all but a last layer for other labels
            output_loading_info=True,
            **SAFE,
        )
    found = Found.of(info)
    weights.check(loaded, found, head, folder)
    return loaded, found


def outline(auto: str, folder: Path) -> PreTrainedModel:
    """The folder's model without its weights."""
    import torch

    with torch.device("meta"), _explained(folder):
        return untrained(auto, config(folder))


def untrained(auto: str, settings: PretrainedConfig) -> PreTrainedModel:
    """A model with random weights, in float32."""
    built: PreTrainedModel = _auto(auto).from_config(settings, dtype="float32", trust_remote_code=False)
    return built


def _auto(name: str) -> Any:
    import transformers

    return getattr(transformers, name)


def data_set(path: str, split: str, name: str | None, **where: Any) -> Any:
    """One split of a hub's data set."""
    from datasets import load_dataset

    return load_dataset(path, name=name, split=split, trust_remote_code=False, **where)


def split_names(path: str, name: str | None, **where: Any) -> list[str]:
    """The splits of a hub's data set; datasets has no way left to run its code here, and no argument against it."""
    from datasets import get_dataset_split_names

    found: list[str] = get_dataset_split_names(path, config_name=name, **where)
    return found


@contextmanager
def _explained(source: object) -> Iterator[None]:
    """Without the library's bars and reports; whatever it raises on these files becomes a UserError."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    before = logging.get_verbosity()
    logging.set_verbosity(ERROR)
    try:
        yield
    except UserError:
        raise
    except BaseException as error:  # transformers raises any Exception, by what the files hold; tokenizers panics too
        if is_machines(error) or not (isinstance(error, Exception) or is_panic(error)):
            raise
        raise UserError(f"{source} cannot be loaded: {first_line(error)}: set model.name to another") from error
    finally:
        logging.set_verbosity(before)


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= MAX_SAID else f"{said[:MAX_SAID].rsplit(' ', 1)[0]} …"
