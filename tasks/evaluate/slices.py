"""The slices where the error rate is higher: the declared ones, and the worst that a search finds.

Both are corrected for the number of slices. Rows count as independent here, whatever ``evaluate.group`` is: where the
rows of a group are dependent, the p-value of a slice made of few groups is too small.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.special import bdtrc
from scipy.stats import hypergeom
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from tasks.core.rows import contents, modality, whole
from tasks.evaluate import Slices
from tasks.evaluate.traits import Traits, missing_columns, traits
from tasks.redaction import redact
from tasks.statistics.measures import COVERAGE, Counts, Floats

WORD = re.compile(r"[^\W\d_]{3,30}")
MAX_WORDS = 2000  # the most frequent are searched
MAX_OVERLAP = 0.5  # share of common rows from which the lesser of two slices is left out
BATCH = 100  # permutations counted at a time
Wrong = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Slice:
    """Some of the rows, and what they have in common."""

    where: tuple[str, ...]
    rows: Counts
    """Row numbers, rising."""


def slices(test: Any, wrong: Wrong, wrong_baseline: Wrong, section: Slices, seed: int) -> dict[str, Any]:
    """The declared slices and the worst ones found; ``wrong`` [rows] says where the model errs."""
    found, missing = traits(test, section), missing_columns(test, section)
    declared = list(_by_value(found))
    large = [each for each in declared if len(each.rows) >= section.min_rows]
    candidates = [*large, *_pairs(large, section.min_rows)]
    if section.words and modality(test.column_names) == "text":
        candidates += list(_words([whole(text) for text in contents(test)], section.min_rows))
    return {
        "level": section.level,
        "min_rows": section.min_rows,
        "declared": _declared(large, wrong, wrong_baseline, section.level),
        "too_few_rows": len(declared) - len(large),
        "searched": len(candidates),
        "worst": _worst(candidates, wrong, wrong_baseline, section, seed),
        **({"missing_columns": missing} if missing else {}),
    }


def _by_value(found: Traits) -> Iterator[Slice]:
    """A slice for each value of each trait."""
    for name, values in found.items():
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for i, value in enumerate(values):
            rows[value].append(i)
        if len(rows) > 1:  # else it is all rows
            yield from (Slice((f"{name} = {value}",), np.array(rows[value])) for value in sorted(rows))


def _pairs(singles: Sequence[Slice], min_rows: int) -> Iterator[Slice]:
    """The rows that two slices share, where that is fewer than either."""
    for a, b in combinations(singles, 2):
        both = np.intersect1d(a.rows, b.rows, assume_unique=True)
        if min_rows <= len(both) < min(len(a.rows), len(b.rows)):
            yield Slice((*a.where, *b.where), both)


def _words(texts: Sequence[str], min_rows: int) -> Iterator[Slice]:
    """The texts that contain a word, for words that are neither rare nor in almost all."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for i, text in enumerate(texts):
        for word in set(WORD.findall(redact(text).lower())):
            rows[word].append(i)
    counts = Counter({word: len(its) for word, its in rows.items() if min_rows <= len(its) <= len(texts) - min_rows})
    for word, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_WORDS]:
        yield Slice((f"contains “{word}”",), np.array(rows[word]))


def _declared(tested: Sequence[Slice], wrong: Wrong, baseline: Wrong, level: float) -> list[dict[str, Any]]:
    """Figures of each, and whether it is worse than the rows are at large: the exact (hypergeometric) test, by Holm."""
    figures = [_figures(each, wrong, baseline) for each in tested]
    if not figures:
        return []
    p = [float(hypergeom.sf(its["errors"] - 1, len(wrong), int(wrong.sum()), its["rows"])) for its in figures]
    for its, one, adjusted in zip(figures, p, multipletests(p, method="holm")[1], strict=True):
        its |= {"p": one, "p_adjusted": float(adjusted), "worse": bool(adjusted <= level)}
    return figures


def _figures(its: Slice, wrong: Wrong, baseline: Wrong) -> dict[str, Any]:
    """The interval is Wilson's (1927)."""
    rows, errors = len(its.rows), int(wrong[its.rows].sum())
    low, high = proportion_confint(rows - errors, rows, alpha=1 - COVERAGE, method="wilson")
    return {
        "where": list(its.where),
        "rows": rows,
        "errors": errors,
        "accuracy": 1 - errors / rows,
        "interval": [float(low), float(high)],
        "baseline_accuracy": 1 - float(baseline[its.rows].mean()),
    }


def _worst(
    candidates: Sequence[Slice], wrong: Wrong, baseline: Wrong, section: Slices, seed: int
) -> list[dict[str, Any]]:
    """The slices whose errors are hardest to explain by chance, no two of about the same rows.

    ``p_adjusted`` is corrected for the search by permuting the errors (minimum p-value: Westfall and Young 1993), so
    that a longer search raises no more false alarms.
    """
    errors = int(wrong.sum())
    if not candidates or not section.worst or not 0 < errors < len(wrong):
        return []
    size = np.array([len(each.rows) for each in candidates])
    members = _members(candidates, len(wrong))
    p_value = _tail(members.T @ wrong.astype(np.float64), size, errors / len(wrong))
    by_chance = _by_chance(members, size, errors, section.permutations, seed)
    order = sorted(range(len(size)), key=lambda i: (p_value[i], -size[i], candidates[i].where))
    figures = []
    for i in _apart(candidates, order, section.worst):
        p = (1 + int((by_chance <= p_value[i] * (1 + 1e-9)).sum())) / (1 + len(by_chance))
        of_chance = {"p_adjusted": p, "worse": p <= section.level}
        figures.append(_figures(candidates[i], wrong, baseline) | of_chance)
    return figures


def _members(candidates: Sequence[Slice], rows: int) -> csr_array:
    """Which row is of which candidate: [rows, candidates]."""
    ends = np.cumsum([0, *(len(each.rows) for each in candidates)])
    places = np.concatenate([each.rows for each in candidates])
    by_candidate = csr_array((np.ones(len(places)), places, ends), shape=(len(candidates), rows))
    return csr_array(by_candidate.T)


def _tail(errors: Floats, size: Counts, rate: float) -> Floats:
    """The binomial chance of so many errors or more among ``size`` rows."""
    chance: Floats = bdtrc(errors - 1, size, rate)
    return np.where(errors > 0, chance, 1.0)


def _by_chance(members: csr_array, size: Counts, errors: int, times: int, seed: int) -> Floats:
    """The smallest tail of any candidate when the errors fall on rows at random: [times]."""
    random, rows = np.random.default_rng(seed), members.shape[0]
    smallest = []
    for start in range(0, times, BATCH):
        many = min(BATCH, times - start)
        hit = np.concatenate([random.choice(rows, errors, replace=False) for _ in range(many)])
        drawn = csr_array((np.ones(len(hit)), hit, np.arange(many + 1) * errors), shape=(many, rows))
        smallest.append(_tail((drawn @ members).toarray(), size, errors / rows).min(axis=1))
    return np.concatenate(smallest)


def _apart(candidates: Sequence[Slice], order: Sequence[int], max_count: int) -> list[int]:
    """The first ``max_count`` of ``order`` that share less than MAX_OVERLAP of their rows with an earlier one."""
    kept: list[int] = []
    for i in order:
        if len(kept) == max_count:
            break
        if all(_overlap(candidates[i].rows, candidates[j].rows) < MAX_OVERLAP for j in kept):
            kept.append(i)
    return kept


def _overlap(a: Counts, b: Counts) -> float:
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both)
