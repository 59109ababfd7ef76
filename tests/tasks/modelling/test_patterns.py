"""A tokenizer's patterns are tried before any text is: what is published passes at once, what is slow is refused."""

from __future__ import annotations

import json
import re
import resource

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tasks.core.cli import FAILED, application, exit_code
from tasks.core.errors import UserError
from tasks.modelling.checkpoints import checkpoint, patterns


def split(pattern):
    """A pre-tokenizer that divides a text by a regular expression."""
    behaviour = {"behavior": "Isolated", "invert": False}
    return {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": pattern}} | behaviour}


def replace(pattern, content, kind="Regex"):
    """A part of a normalizer."""
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def all_of(*parts):
    return {"normalizer": {"type": "Sequence", "normalizers": list(parts)}}


ENDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA = rf"{ENDS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CASED = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
PUBLISHED = {  # as these models' tokenizer.json has them
    "gpt-2": split(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"),
    "llama 3": split(LLAMA),
    "qwen 2": split(LLAMA.replace("{1,3}", "")),
    "gpt-4o": split(
        rf"[^\r\n\p{{L}}\p{{N}}]?{CASED}*{LOWER}+{ENDS}?|[^\r\n\p{{L}}\p{{N}}]?{CASED}+{LOWER}*{ENDS}?|\p{{N}}{{1,3}}|"
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "clip": split(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"),
    "gemma": all_of(replace(" ", "▁", "String")),
    "albert": all_of(replace("``", '"', "String"), {"type": "NFKD"}, {"type": "StripAccents"}, replace(" {2,}", " ")),
    "mistral": all_of({"type": "Prepend", "prepend": "▁"}, replace(" ", "▁", "String")),
}
HOSTILE = {
    "exponential": split(r"(([a-z ])+.)+[A-Z]([a-z])+$"),
    "exponential in a sign of its own": split(r"(ж+)+$"),
    "exponential in spaces, within others": {
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split(r"(\s+\s*)+\S$")["pre_tokenizer"]]}
    },
    "cubic": split(r"\w*\w*\w*!"),
    "exponential in a normalizer": all_of(replace("(a|b|ab)*c", "x"), replace("(a+)+$", "x")),
    "a long replacement": all_of(replace("a", "x" * 100, "String")),
    "a long replacement of nothing": all_of(replace("", "x" * 10**6)),
    "a long beginning": all_of({"type": "Prepend", "prepend": "x" * 10**6}),
    "each doubles": all_of(*[replace("a", "aa", "String")] * 40),
}


SECOND = {"cubic", "a long replacement of nothing", "each doubles"}  # take one to be refused


@pytest.fixture
def refuse(tmp_path):
    def refuse(steps):
        (tmp_path / "tokenizer.json").write_text(json.dumps(steps))
        patterns.refuse_slow(tmp_path)

    return refuse


@pytest.mark.parametrize("model", PUBLISHED)
def test_what_is_published_passes_at_once(model, refuse):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    refuse(PUBLISHED[model])
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 1


@pytest.mark.proof
@pytest.mark.parametrize("case", [pytest.param(case, marks=[pytest.mark.slow] * (case in SECOND)) for case in HOSTILE])
def test_what_takes_time_or_memory_without_bound_is_refused(case, refuse, monkeypatch):
    monkeypatch.setattr(patterns, "SECONDS", 1)
    monkeypatch.setattr(patterns, "BYTES", 2**29)
    with pytest.raises(UserError, match=r"tokenizer.json: a pattern of the tokenizer takes more than 1 s"):
        refuse(HOSTILE[case])


def test_without_patterns_nothing_is_started(refuse, monkeypatch, tiny_checkpoint):
    monkeypatch.setattr(patterns.subprocess, "run", None)
    patterns.refuse_slow(tiny_checkpoint)
    refuse({"normalizer": None, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}})
    refuse({"model": {"vocab": {'"type": "Split"': 0}}})
    with pytest.raises(TypeError):
        refuse(split("a"))


@pytest.mark.proof
def test_what_cannot_be_read_is_left_to_who_loads_it(refuse):
    refuse(split("(")), refuse({"normalizer": {"type": "Replace"}}), refuse(all_of(replace("a", None)))


@pytest.fixture
def waiting():
    """A tokenizer that is slow on the texts with a certain word alone: no made text finds that."""
    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "[PAD]": 1}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex("zebra(a+)+$"), "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]", model_max_length=9)


TEXT = f"zebra{'a' * 60}!"


def test_a_text_on_which_a_pattern_gives_up_is_one_sentence(waiting):
    assert checkpoint.token_ids(waiting, ["a zebra"])[0] == [[0]]
    with pytest.raises(UserError, match=r"the model's tokenizer gives up on a text: .*retry-limit.*: set model.name"):
        checkpoint.token_ids(waiting, [TEXT])


@pytest.mark.proof
def test_so_it_is_wherever_else_a_library_in_rust_gives_up(waiting, capsys):
    def main() -> None:
        waiting.backend_tokenizer.encode(TEXT)

    assert exit_code(application(main), []) == FAILED
    assert re.fullmatch("error: PanicException: .* in .*test_patterns.py, line .*\n", capsys.readouterr().err)
