"""Segments of a window: the planted one is found, named and loses what was planted; all losses add up."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tasks.drift.performance import performance
from tasks.drift.rows import Rows, rows_from_table
from tasks.drift.segments import described, example_texts, segments

SUBJECTS = (("kernel", "patch", "driver"), ("lottery", "prize", "winner"), ("opera", "violin", "concert"))


def side(seed, counts, doubtful=None):
    """Rows of three subjects, far apart in the embeddings; the model is unsure of the ``doubtful`` one."""
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(3), counts)
    texts = [" ".join(rng.permutation([*SUBJECTS[one], "the", "of", "mail", "a@b.com"])) for one in subject]
    confidence = np.where(subject == doubtful, 0.6, 0.95) + rng.uniform(-0.04, 0.04, len(subject))
    right = rng.random(len(subject)) < confidence
    columns = {"text": texts, "prediction": ["x"] * len(texts), "confidence": confidence}
    columns["label"] = np.where(right, "x", "y").tolist()
    embeddings = np.eye(8)[subject] * 10 + rng.normal(size=(len(subject), 8)) * 0.1
    return rows_from_table(pa.table(columns), embeddings.astype(np.float32), None, "here")


@pytest.fixture(scope="module")
def found():
    reference, current = side(1, [300, 100, 300], doubtful=1), side(2, [100, 300, 100], doubtful=1)
    return segments(reference, current, 7), reference, current


def test_the_planted_segment_is_named_by_its_words_and_carries_the_loss(found):
    lines = described(*found)
    planted = [line for line in lines if set(line["words"]) & set(SUBJECTS[1])]
    assert sum(line["share"] for line in planted) == pytest.approx(0.6, abs=0.001)
    assert lines[0] in planted, "the one that grew most comes first"
    assert all(set(line["words"]) <= set(SUBJECTS[1]) for line in planted)
    lost = sum(line["estimated_loss"] for line in planted)
    assert lost > 0.8 * sum(max(line["estimated_loss"], 0) for line in lines)
    assert max(lines, key=lambda line: line["estimated_loss"]) in planted


def test_the_losses_add_up_to_the_windows_and_the_shares_to_all(found):
    _, reference, current = found
    lines, whole = described(*found), performance(reference, current, 7)
    loss = whole["reference_accuracy"] - whole["estimated_accuracy"]
    assert sum(line["estimated_loss"] for line in lines) == pytest.approx(loss, abs=0.002)
    assert sum(line["rows"] for line in lines) == current.count


def test_the_same_rows_give_the_same_segments_and_texts_of_it_are_redacted(found):
    first, reference, current = found
    again = segments(reference, current, 7)
    assert again.names == first.names
    assert (again.of_row == first.of_row).all()
    line = described(*found)[0]
    texts = example_texts(first, current, reference.count, line["segment"], 7)
    assert len(texts) == 2
    assert all("lottery" in text and "a@b.com" not in text for text in texts)


def test_without_embeddings_a_segment_is_a_predicted_class_and_without_anything_there_is_none():
    now = Rows(4, categories={"prediction": np.array(["a", "a", "b", "a"], dtype=object)})
    lines = described(segments(now, now, 7), now, now)
    assert {line["name"]: line["rows"] for line in lines} == {"answered a": 3, "answered b": 1}
    assert lines[0]["estimated_loss"] is None
    assert segments(Rows(4), Rows(4), 7) is None
