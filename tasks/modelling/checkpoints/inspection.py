"""What a checkpoint's folder may hold: read before any library reads it, without running or allocating anything.

Refused by name: code of its own, adapters, other weights than safetensors, files that lead out of the folder, and sizes
that no published checkpoint has. What the weights mean for the model is ``weights.py``'s.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.core.errors import UserError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
CONFIG, TOKENIZER, TOKENIZER_CONFIG = "config.json", "tokenizer.json", "tokenizer_config.json"
PROCESSOR = "preprocessor_config.json"
CONFIGS = (  # that libraries read; a checkpoint may hold other files, such as a record of its training
    CONFIG, TOKENIZER_CONFIG, PROCESSOR, "processor_config.json", "video_preprocessor_config.json",
    "generation_config.json", "special_tokens_map.json",
)  # fmt: skip
SENTENCEPIECE = ("spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "spm.model")
VOCABULARIES = (TOKENIZER, "vocab.txt", "vocab.json", *SENTENCEPIECE)
READ = (".json", ".safetensors", ".txt", ".model", ".jinja")  # endings of the files that libraries read
OTHER_WEIGHTS = ("*.bin", "*.h5", "*.pt", "*.pth", "*.ckpt", "*.msgpack", "*.gguf", "*.pkl")
ADAPTERS = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")

CODE = {  # a key of a config file → what it does
    "auto_map": "names code of the checkpoint",
    "custom_pipelines": "names code of the checkpoint",
    "custom_generate": "names code of the checkpoint",
    "trust_remote_code": "asks for code to be run",
    "use_kernels": "asks for kernels from a hub",
    "kernel_config": "asks for kernels from a hub",
    "transformers_weights": "names a weights file of its own",
    "configuration_files": "names a config file of its own",
    "fast_tokenizer_files": "names a tokenizer file of its own",
    "use_pretrained_backbone": "asks for weights from a hub",
    "quantization_config": "says that the weights are quantized, which is not supported",
}
IMPLEMENTATIONS = re.compile(r"_?(attn|experts)_implementation(_internal)?")
KNOWN_IMPLEMENTATIONS = (  # transformers' own; any other is a kernel that it fetches from a hub
    None, "eager", "sdpa", "flex_attention", "flash_attention_2", "flash_attention_3", "grouped_mm", "batched_mm",
)  # fmt: skip
BY_LABEL = ("label2id", "thresholds")  # mappings whose keys are labels
FILE_KEYS = re.compile(r"\w+_file")

MAX_JSON = 2**29  # bytes
MAX_LAYERS = 1_000
MAX_SIZE = 2**24  # of a width, a vocabulary, positions
MAX_LABELS = 2**20
MAX_SIDE = 4_096  # of an image, in pixels
LAYERS = re.compile(r"(.*_)?(layers?|depths?|blocks?|block_sizes|repeats|groups?|group_num)")
SIDES = re.compile(r"(.*_)?(size|height|width|edge)")
UNBOUNDED = re.compile(r".*(_ids?|seed|version|parameters|flos|length|theta|base)")  # allocate nothing


def refuse_unsafe(folder: Path, *, weights: bool = True) -> None:
    """UserError for what the files of a checkpoint must not do, hold or leave out; ``weights``: they are needed too."""
    for name in ADAPTERS:
        if (folder / name).exists():
            raise UserError(
                f"{folder / name} is an adapter, and adapters are not loaded: merge it into its model "
                "(peft's merge_and_unload) and set model.name to that folder"
            )
    for file in sorted(folder.iterdir()):
        if file.suffix in READ and not file.is_dir():
            _refuse_elsewhere(file, folder)
    for file in filter(Path.is_file, map(folder.joinpath, CONFIGS)):
        _refuse_config(file)
    if weights:
        shapes(folder)


def _refuse_elsewhere(file: Path, folder: Path) -> None:
    """A pipe, a device, or a link to a file that is not the folder's, the hub cache's or DVC's cache's."""
    found = file.resolve()
    if not found.is_file():
        raise UserError(f"{file} is no file: delete it, or set model.name to another checkpoint")
    roots = [folder.resolve()]
    if roots[0].parent.name == "snapshots":  # as the hub's cache keeps them, beside blobs/
        roots.append(roots[0].parent.parent)
    cached = found.parts[-4:-2] == ("files", "md5")  # DVC's, with links instead of copies
    if not cached and not any(found.is_relative_to(root) for root in roots):
        raise UserError(f"{file} is a link that leads out of its folder: copy the file itself there")


def _refuse_config(file: Path) -> None:
    for key, value in _entries(read_object(file)):
        if key in CODE and value not in (None, False):
            raise UserError(f"{file}: {key} {CODE[key]}: set model.name to a checkpoint without it")
        if IMPLEMENTATIONS.fullmatch(key):
            for one in value.values() if isinstance(value, dict) else [value]:
                if one not in KNOWN_IMPLEMENTATIONS:
                    raise UserError(f"{file}: {key} {one!r} is code from a hub: delete the key, or name another model")
        if FILE_KEYS.fullmatch(key) and isinstance(value, str) and (".." in Path(value).parts or value.startswith("/")):
            raise UserError(f"{file}: {key} leads out of the folder: delete the key")
        _refuse_size(file, key, value)


def _refuse_size(file: Path, key: str, value: object) -> None:
    if UNBOUNDED.fullmatch(key):
        return
    most = MAX_LABELS if key == "num_labels" else MAX_LAYERS if LAYERS.fullmatch(key) else MAX_SIZE
    if file.name == PROCESSOR and SIDES.fullmatch(key):
        most = MAX_SIDE
    for number in value if isinstance(value, list) else [value]:
        if type(number) is int and abs(number) > most:
            raise UserError(f"{file}: {key} is {number}, above the limit of {most}: correct it, or name another model")


def _entries(value: object) -> Iterator[tuple[str, object]]:
    """Every key of a JSON value, nested ones too, with what it holds."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key not in BY_LABEL:
                yield str(key), one
                yield from _entries(one)
    elif isinstance(value, list):
        for one in value:
            yield from _entries(one)


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in a file of a checkpoint."""
    try:
        if file.stat().st_size > MAX_JSON:
            raise UserError(f"{file} has {file.stat().st_size} bytes, above {MAX_JSON}: name another model")
        value = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is not valid JSON: {error}: fetch the checkpoint again") from None
    if not isinstance(value, dict):
        raise UserError(f"{file} holds no JSON object: set model.name to another checkpoint")
    return value


def shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor in the checkpoint, from the headers of its safetensors files alone."""
    found: dict[str, tuple[int, ...]] = {}
    for file in _weight_files(folder):
        found |= _header(file)
    return found


def elements(tensors: Mapping[str, tuple[int, ...]]) -> int:
    """How many numbers tensors of these shapes hold."""
    return sum(map(math.prod, tensors.values()))


def _weight_files(folder: Path) -> list[Path]:
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        return _shards(folder)
    others = [file.name for pattern in OTHER_WEIGHTS for file in sorted(folder.glob(pattern))]
    if others:
        raise UserError(
            f"{folder} has {others[0]} and no {WEIGHTS}: only safetensors are read, since other formats can run code; "
            "convert it where you trust it, with from_pretrained and save_pretrained"
        )
    raise UserError(f"{folder} has no {WEIGHTS}: it is no checkpoint with weights; set model.name to another")


def _shards(folder: Path) -> list[Path]:
    index = folder / INDEX
    named = read_object(index).get("weight_map")
    names = sorted(set(map(str, named.values()))) if isinstance(named, dict) else []
    if not names:
        raise UserError(f"{index} names no weights in weight_map: fetch the checkpoint again")
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise UserError(f"{index}: {name!r} is no safetensors file of this folder: fetch the checkpoint again")
        if not (folder / name).is_file():
            raise UserError(f"{index}: the shard {name} is missing: fetch the checkpoint again")
    return [folder / name for name in names]


def _header(file: Path) -> dict[str, tuple[int, ...]]:
    from safetensors import SafetensorError, safe_open

    with file.open("rb") as start:
        if start.read(8) == b"version ":
            raise UserError(f"{file} is a pointer of git-lfs: run `git lfs pull`")
    try:
        with safe_open(file, framework="np") as opened:
            return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{file} is no whole safetensors file: {error}: fetch it again") from None


def refuse_unsafe_tokens(folder: Path) -> None:
    """UserError where the folder brings no vocabulary, or a token has an id that no vocabulary reaches."""
    if not any((folder / name).is_file() for name in VOCABULARIES):
        raise UserError(f"{folder} has no tokenizer ({TOKENIZER}): save it beside the weights, or name another model")
    listed: list[tuple[str, Any]] = []
    if (folder / TOKENIZER).is_file():
        values = read_object(folder / TOKENIZER)
        model = values.get("model")
        words = model.get("vocab") if isinstance(model, dict) else None
        listed += [(TOKENIZER, one) for one in (words.values() if isinstance(words, dict) else ())]
        added = values.get("added_tokens")
        listed += [(TOKENIZER, one.get("id")) for one in (added if isinstance(added, list) else ())]
    if (folder / TOKENIZER_CONFIG).is_file():
        decoder = read_object(folder / TOKENIZER_CONFIG).get("added_tokens_decoder")
        listed += [(TOKENIZER_CONFIG, one) for one in (decoder if isinstance(decoder, dict) else ())]
    for name, one in listed:
        if not str(one).isdecimal() or int(one) > MAX_SIZE:
            raise UserError(f"{folder / name}: a token has the id {one}, outside 0 to {MAX_SIZE}: name another model")
