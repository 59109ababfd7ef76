"""The n-grams of a text, as scikit-learn's ``TfidfVectorizer`` counts them: of words, and of characters within words.

A term is a word, words joined by a blank, or ``#`` and characters; no word begins with ``#``. One of the second text of
a pair has ``>`` before it. The pure part of a linear
model, without numpy: what a machine needs beside an exported graph.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache

Text = str | tuple[str, str]
MAX_CHARACTERS = 100_000  # of a text; its end is not read
WORD = re.compile(r"(?u)\b\w\w+\b")
PART = re.compile(r"\S+")
CHARACTERS = "#"  # begins a term of characters
VOCABULARY = "vocab.json"  # of a model: the number of each term
SECOND = ">"  # begins a term of the second text
CACHED_PARTS = 200_000  # what stands between blanks, whose n-grams are remembered
Span = tuple[int, int]


def words(text: str, largest: int) -> list[str]:
    """The words of a text and the runs of up to ``largest`` of them, in lower case: ``analyzer="word"``."""
    single = WORD.findall(read(text))
    found = list(single)
    for n in range(2, largest + 1):
        found += map(" ".join, zip(*(single[i:] for i in range(n)), strict=False))
    return found


def parts(text: str) -> list[str]:
    """What stands between blanks, in lower case: what n-grams of characters do not reach beyond."""
    return read(text).split()


def characters(part: str, smallest: int, largest: int) -> list[str]:
    """The n-grams of characters of one part, a blank before and after it: ``analyzer="char_wb"``.

    A part shorter than n counts once, whole.
    """
    padded = f" {part} "
    found = []
    for n in range(smallest, largest + 1):
        found += [CHARACTERS + padded[i : i + n] for i in range(max(len(padded) - n, 0) + 1)]
        if len(padded) <= n:
            break
    return found


def read(text: str) -> str:
    """What of a text is read, in lower case."""
    return text[:MAX_CHARACTERS].lower()


def texts_of(text: Text) -> tuple[str, ...]:
    """The texts of a row: one, or two."""
    return (text,) if isinstance(text, str) else text


class Reader:
    """Finds the terms of a vocabulary in texts."""

    def __init__(self, vocabulary: Mapping[str, int], word_ngrams: int, char_ngrams: Span | None) -> None:
        """``word_ngrams``: up to so many words; 0: none. ``char_ngrams``: from and to so many characters."""
        self.limit = MAX_CHARACTERS
        self._second = {term[1:]: number for term, number in vocabulary.items() if term.startswith(SECOND)}
        firsts = {term: number for term, number in vocabulary.items() if not term.startswith(SECOND)}
        self._known = {**self._second, **firsts} if self._second else vocabulary
        of_second = {self._known[term]: number for term, number in self._second.items()}
        self._places_of = {number: number for number in firsts.values()}, of_second
        self._words, self._characters = word_ngrams, char_ngrams
        self._of_part: Callable[[str], list[int]] = lru_cache(CACHED_PARTS)(self._in_part)

    def numbers_of(self, text: Text) -> list[int]:
        """The number of each term that occurs, as often as it does; of a pair those of the first text, then those of
        the second."""
        return self.joined(*map(self.numbers, texts_of(text)))

    def joined(self, first: Sequence[int], second: Sequence[int] = ()) -> list[int]:
        """The numbers of both texts of a pair, of what ``numbers`` finds in each."""
        if not self._second:
            return [*first, *second]
        sides = zip(self._places_of, (first, second), strict=True)
        return [known[number] for known, found in sides for number in found if number in known]

    def numbers(self, text: str) -> list[int]:
        """The number of each term of one text, as often as it occurs; of a pair's texts ``joined`` makes theirs."""
        found = self._numbers(words(text, self._words)) if self._words else []
        if self._characters:
            for part in parts(text):
                found += self._of_part(part)
        return found

    def _in_part(self, part: str) -> list[int]:
        smallest, largest = self._characters or (1, 0)
        return self._numbers(characters(part, smallest, largest))

    def _numbers(self, terms: list[str]) -> list[int]:
        return [number for number in map(self._known.get, terms) if number is not None]

    def places_of(self, text: Text) -> Iterator[tuple[int, int, list[Span]]]:
        """Of each term in the order of ``numbers_of``: which text it is of, 0 or 1, its number and its places there."""
        for side, (known, its) in enumerate(zip(self._places_of, texts_of(text), strict=False)):
            for number, spans in self.places(its):
                if not self._second or number in known:
                    yield side, known.get(number, number), spans

    def places(self, text: str) -> Iterator[tuple[int, list[Span]]]:
        """The number of each term that occurs and where in the text its words, or its characters, stand."""
        lower, at = read(text), _places(text[:MAX_CHARACTERS])
        found = [match.span() for match in WORD.finditer(lower)] if self._words else []
        for n in range(1, self._words + 1):
            for run in zip(*(found[i:] for i in range(n)), strict=False):
                number = self._known.get(" ".join(lower[begin:end] for begin, end in run))
                if number is not None:
                    yield number, [(at[begin], at[end]) for begin, end in run]
        for match in PART.finditer(lower) if self._characters else ():
            yield from self._places_in(match, at)

    def _places_in(self, match: re.Match[str], at: list[int]) -> Iterator[tuple[int, list[Span]]]:
        smallest, largest = self._characters or (1, 0)
        begin, end = match.span()
        for n in range(smallest, largest + 1):
            width = end - begin + 2  # with the blanks
            for i, term in enumerate(t for t in characters(match.group(), n, n)):
                number = self._known.get(term)
                first, last = max(begin - 1 + i, begin), min(begin - 1 + i + n, end)
                if number is not None:
                    yield number, [(at[first], at[last])]
            if width <= n:
                break


def _places(text: str) -> list[int]:
    """Where in the text each character of its lower case stands, and its end: one may become two."""
    lower = text.lower()
    if len(lower) == len(text):
        return list(range(len(text) + 1))
    return [i for i, character in enumerate(text) for _ in character.lower()] + [len(text)]
