"""Segments of a window: the planted one is found, named and loses what was planted; all losses add up."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tasks.core.errors import UserError
from tasks.drift.losses import segment_losses
from tasks.drift.performance import performance
from tasks.drift.rows import Rows, rows_from_table
from tasks.drift.segments import described, example_texts, segments

SUBJECTS = (("kernel", "patch", "driver"), ("lottery", "prize", "winner"), ("opera", "violin", "concert"))


def side(seed, counts, doubtful=None, slices=()):
    """Rows of three subjects, far apart in the embeddings; the model is unsure of the ``doubtful`` one."""
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(3), counts)
    texts = [" ".join(rng.permutation([*SUBJECTS[one], "the", "of", "mail", "a@b.com"])) for one in subject]
    confidence = np.where(subject == doubtful, 0.6, 0.95) + rng.uniform(-0.04, 0.04, len(subject))
    right = rng.random(len(subject)) < confidence
    columns = {"text": texts, "prediction": ["x"] * len(texts), "confidence": confidence}
    columns["label"] = np.where(right, "x", "y").tolist()
    columns |= {
        "shop": [("north", "south", "north")[one] for one in subject],
        "price": rng.uniform(0, 100, len(subject)),
    }
    embeddings = np.eye(8)[subject] * 10 + rng.normal(size=(len(subject), 8)) * 0.1
    return rows_from_table(pa.table(columns), embeddings.astype(np.float32), None, "here", slices)


@pytest.fixture(scope="module")
def found():
    reference, current = side(1, [300, 100, 300], doubtful=1), side(2, [100, 300, 100], doubtful=1)
    return segments(reference, current, 7), reference, current


def test_the_planted_segment_is_named_by_its_words_and_carries_the_loss(found):
    lines = described(*found, 7)
    planted = [line for line in lines if set(line["words"]) & set(SUBJECTS[1])]
    assert sum(line["share"] for line in planted) == pytest.approx(0.6, abs=0.001)
    assert lines[0] in planted, "the one that grew most comes first"
    assert all(set(line["words"]) <= set(SUBJECTS[1]) for line in planted)
    lost = sum(line["estimated_loss"] for line in planted)
    assert lost > 0.8 * sum(max(line["estimated_loss"], 0) for line in lines)
    assert max(lines, key=lambda line: line["estimated_loss"]) in planted


def test_the_losses_add_up_to_the_windows_and_the_shares_to_all(found):
    _, reference, current = found
    lines, whole = described(*found, 7), performance(reference, current, 7)
    loss = whole["reference_accuracy"] - whole["estimated_accuracy"]
    assert sum(line["estimated_loss"] for line in lines) == pytest.approx(loss, abs=0.002)
    assert sum(line["rows"] for line in lines) == current.count


def test_the_same_rows_give_the_same_segments_and_texts_of_it_are_redacted(found):
    first, reference, current = found
    again = segments(reference, current, 7)
    assert [one.names for one in again] == [one.names for one in first]
    assert all((one.of_row == other.of_row).all() for one, other in zip(again, first, strict=True))
    line = described(*found, 7)[0]
    texts = example_texts(first, current, reference.count, line["segment"], 7)
    assert len(texts) == 2
    assert all("lottery" in text and "a@b.com" not in text for text in texts)


def test_without_embeddings_a_segment_is_a_predicted_class_and_without_anything_there_is_none():
    now = Rows(4, categories={"prediction": np.array(["a", "a", "b", "a"], dtype=object)})
    lines = described(segments(now, now, 7), now, now, 7)
    assert {line["name"]: line["rows"] for line in lines} == {"answered a": 3, "answered b": 1}
    assert lines[0]["estimated_loss"] is None
    assert segments(Rows(4), Rows(4), 7) == ()


@pytest.mark.proof
def test_each_value_of_a_slice_is_a_segment_beside_the_clusters_and_its_losses_add_up_too():
    reference, current = (
        side(seed, counts, 1, ("shop", "price")) for seed, counts in ((1, [300, 100, 300]), (2, [100, 300, 100]))
    )
    found = segments(reference, current, 7)
    lines = described(found, reference, current, 7)
    of = {column: [line for line in lines if line["slice"] == column] for column in (None, "shop", "price")}
    assert {line["name"] for line in of["shop"]} == {"shop: north", "shop: south"}
    assert len(of["price"]) == 4, "numbers are cut into four parts"
    assert len({line["segment"] for line in lines}) == len(lines), "no two have one number"
    for own in of.values():
        assert sum(line["rows"] for line in own) == current.count
        whole = sum(line["estimated_loss"] for line in of[None])
        assert sum(line["estimated_loss"] for line in own) == pytest.approx(whole, abs=0.002)
    south = next(line for line in of["shop"] if line["name"] == "shop: south")
    assert south["share"] == pytest.approx(0.6, abs=0.001)
    assert example_texts(found, current, reference.count, south["segment"], 7)[0].count("lottery") == 1


def test_rare_values_are_one_segment_and_a_slice_that_the_rows_do_not_have_is_refused():
    values = [*"aabbccddeeffgghh", *(f"rare {i}" for i in range(5)), None]
    table = pa.table({"prediction": ["x"] * len(values), "shop": values})
    rows = rows_from_table(table, None, None, "here", ("shop",))
    lines = described(segments(rows, rows, 7), rows, rows, 7)
    assert {line["rows"] for line in lines if line["slice"] == "shop"} == {2, 6}
    assert "shop: other values" in {line["name"] for line in lines}
    with pytest.raises(UserError, match=r"here has no column 'mall': drift\.slices"):
        rows_from_table(table, None, None, "here", ("mall",))


@pytest.mark.proof
def test_the_interval_of_a_segments_loss_holds_the_true_loss_as_often_as_it_says():
    held, wide, rng = [], [], np.random.default_rng(5)
    for draw in range(60):
        sides, losses = [], []
        for _ in range(2):
            confidence = rng.uniform(0.5, 1, 400)
            right = rng.random(400) < confidence
            columns = {"prediction": ["x"] * 400, "confidence": confidence, "label": np.where(right, "x", "y").tolist()}
            sides.append((rows_from_table(pa.table(columns), None, None, "here"), right))
        (before, then), (now, came) = sides
        of_row = rng.integers(0, 2, 800)
        found = segment_losses(before, now, of_row, 2, draw)
        for one in (0, 1):
            short = [
                (then.mean() - right)[of_row[s] == one].sum() / 400
                for right, s in ((then, slice(400)), (came, slice(400, 800)))
            ]
            losses.append(short[1] - short[0])
        held += [low <= loss <= high for low, loss, high in zip(found.low, losses, found.high, strict=True)]
        wide.append(found.high - found.low)
    assert 0.9 <= np.mean(held) <= 1
    assert np.mean(wide) < 0.15, "and is not so wide that it always would"
