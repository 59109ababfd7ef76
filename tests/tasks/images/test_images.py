"""Images are carried over byte for byte, kept or held with a reason, and seen by every stage as whoever loads the model
sees them."""

from __future__ import annotations

import csv
import io
import json
import re
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tasks import images
from tasks.core.errors import UserError
from tasks.core.tables import read_table, write_table
from tasks.dataset import layout
from tasks.dataset.schema import IMAGE_PROPERTIES, RAW_IMAGES
from tasks.dataset.windows import Columns, Windows
from tasks.explain import EXPLAINED
from tasks.ingest import Params
from tasks.ingest.__main__ import read_window
from tasks.ingest.windows import plan
from tasks.modelling.linear import pixels as grey_pixels
from tasks.report.tables import example
from tasks.split import Params as Split
from tasks.split.__main__ import split
from tasks.trace import trace
from tasks.validate import Params as Validate

SIDE = 8


def picture(seed=0, mode="RGB", size=(SIDE, SIDE)):
    """Noise, the same for the same seed."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    return Image.fromarray(noise).convert(mode)


def encoded(image, kind="PNG", **options):
    held = io.BytesIO()
    image.save(held, kind, **options)
    return held.getvalue()


def png_header(width, height, depth, colour):
    """A PNG that claims a size and holds next to nothing."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    size = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def turned(image):
    """A JPEG that is to be shown on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image, "JPEG", exif=exif)


GIF = encoded(picture(1, "P"), "GIF", save_all=True, append_images=[picture(2, "P")])
WHOLE = encoded(picture(3, size=(40, 40)))
HOSTILE = {  # what each image is held for; None: it passes
    "good": (encoded(picture()), None),
    "cmyk": (encoded(picture(4, "CMYK"), "JPEG"), None),
    "alpha": (encoded(picture(5, "RGBA")), None),
    "turned": (turned(picture(6, size=(12, 6))), None),
    "bilevel": (encoded(picture(7, "1")), None),
    "palette": (encoded(picture(8, "P")), None),
    "webp": (encoded(picture(9), "WEBP", lossless=True), None),
    "same pixels": (encoded(picture(), "BMP"), "duplicate_image"),
    "same bytes": (encoded(picture()), "duplicate_image"),
    "truncated": (WHOLE[: len(WHOLE) // 2], "image_broken"),
    "bomb": (png_header(50_000, 50_000, 1, 0), "image_too_large"),
    "large": (png_header(9_000, 9_000, 8, 2), "image_too_large"),
    "animated": (GIF, "image_animated"),
    "text": (b"this is no image\n", "image_unidentified"),
    "pdf": (b"%PDF-1.4\n%\xe2\xe3\n", "image_unidentified"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "image_unidentified"),
    "icon": (encoded(picture(10), "ICO"), "image_unidentified"),
    "deep": (encoded(Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 900)), "image_mode_not_allowed"),
    "empty": (b"", "image_missing"),
    "none": (None, "image_missing"),
}


def raw(rows):
    """Raw rows from (id, image, label)."""
    names, data, labels = zip(*rows, strict=True)
    columns = {"id": names, "image": data, "label": labels, "source_file": ["f"] * len(names)}
    columns |= {"source_row": list(range(len(names)))}
    return pa.table([columns.get(name, [None] * len(names)) for name in RAW_IMAGES.names], schema=RAW_IMAGES)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def judged():
    """Validate rows: (validated, reasons by id)."""
    from tasks.validate.__main__ import validate

    def judge(rows, **rules):
        section = Validate(**{"max_quarantined": 1.0, "min_rows": 0, "min_classes": 0} | rules)
        validate(raw(rows), section, "reference", layout.window("reference"))
        held = read_table(layout.window("reference").quarantine)
        reasons = dict(zip(held["id"].to_pylist(), held["reasons"].to_pylist(), strict=True))
        return read_table(layout.window("reference").validated), reasons

    return judge


# ingest


def ingest(source, **columns):
    return read_window(plan("reference", Windows(), Params(source=source, columns=Columns(**columns))))[0]


def folder():
    """Two classes of images, two of them each, one no image at all; by their paths."""
    found = {f"{label}/{i}.png": encoded(picture(i + 10 * k)) for k, label in enumerate(("cat", "dog")) for i in (0, 1)}
    found["dog/9.png"] = b"no image"
    for name, data in found.items():
        path = Path("data/pets") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return found


def test_a_folder_of_classes_is_rows_of_the_bytes_as_they_are():
    files = folder()
    rows = ingest("data/pets", image="image", label="label")
    found = zip(*(rows[name].to_pylist() for name in ("image_source", "image", "label")), strict=True)
    assert sorted(found) == [(name, data, name.split("/")[0]) for name, data in files.items()]
    assert len(set(rows["id"].to_pylist())) == 5
    assert rows.equals(ingest("data/pets", image="image", label="label"))
    by_name = ingest("data/pets", image="image", label="label", id="image_source")
    assert by_name["id"].to_pylist() == sorted(files)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_table_names_the_images_beside_it_and_none_elsewhere(kind):
    files = folder()
    Path("secret.png").write_bytes(encoded(picture(77)))
    names = [*files, "dog/none.png", "../../secret.png", str(Path("secret.png").absolute()), ""]
    table, path = pa.table({"file": names, "says": ["x"] * len(names)}), Path(f"data/pets/meta.{kind}")
    if kind == "csv":
        with path.open("w", newline="") as out:
            csv.writer(out).writerows([table.column_names, *zip(*table.to_pydict().values(), strict=True)])
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    else:
        pq.write_table(table, path)
    rows = ingest("data/pets", image="file", label="says")
    assert rows["image"].to_pylist() == [*files.values(), None, None, None, None]
    assert [name or "" for name in rows["image_source"].to_pylist()] == names


def test_bytes_in_a_table_stay_what_they_are_in_either_form():
    data = [image for image, _ in HOSTILE.values()]
    as_struct = [{"bytes": image, "path": f"{name}.png"} for name, (image, _) in HOSTILE.items()]
    for name, column in (("plain", pa.array(data, pa.binary())), ("struct", pa.array(as_struct))):
        pq.write_table(pa.table({"picture": column, "label": ["a"] * len(data)}), f"{name}.parquet")
        assert ingest(f"{name}.parquet", image="picture", label="label")["image"].to_pylist() == data


def test_a_source_that_cannot_be_rows_of_images_is_refused():
    folder()
    Path("names.csv").write_text("file,label\ndata/pets/cat/0.png,cat\n")
    with pytest.raises(UserError, match="let the source be the folder"):
        ingest("names.csv", image="file", label="label")
    Path("data/pets/meta.csv").write_text("file,label\ncat/0.png,cat\n")
    with pytest.raises(UserError, match=r"no row of data/pets/meta.csv names data/pets/cat/1.png and 3 other images"):
        ingest("data/pets", image="file", label="label")
    with pytest.raises(UserError, match="has no column 'photo'"):
        ingest("data/pets", image="photo", label="label")
    with pytest.raises(UserError, match=r"is not a \.csv"):
        ingest("data/pets", text="file", label="label")
    pq.write_table(pa.table({"image": [1, 2], "label": ["a", "b"]}), "numbers.parquet")
    with pytest.raises(UserError, match="neither an image's bytes nor its name"):
        ingest("numbers.parquet", image="image", label="label")


# validate


@pytest.mark.slow
def test_whatever_an_image_is_it_passes_or_is_held_with_its_reason(judged):
    passed, reasons = judged([(name, data, "a") for name, (data, _) in HOSTILE.items()])
    assert reasons == {name: [reason] for name, (_, reason) in HOSTILE.items() if reason}
    assert passed["id"].to_pylist() == [name for name, (_, reason) in HOSTILE.items() if not reason]
    held = read_table(layout.window("reference").quarantine)
    assert set(held["image"].to_pylist()) == {data for data, reason in HOSTILE.values() if reason}, "as they came"
    seen = {row["id"]: row for row in passed.to_pylist()}
    assert (seen["turned"]["image_width"], seen["turned"]["image_height"]) == (6, 12), "as it is shown"
    assert [seen[name]["image_mode"] for name in ("cmyk", "alpha", "bilevel", "palette")] == ["CMYK", "RGBA", "1", "P"]
    assert seen["good"]["image_brightness"] == round(float(images.grey(picture()).mean()), 3)
    docs = (layout.window("reference").data_docs / "index.html").read_text()
    assert all(f"image_{name}_outside" in docs for name in ("width", "height", "bytes", "brightness"))
    write_table(raw([(name, data, "a") for name, (data, _) in HOSTILE.items()]), layout.window("reference").raw)
    assert ("says the same", "good, label a") in trace("same pixels")
    assert dict(trace("bomb"))["image"] == f"{len(HOSTILE['bomb'][0])} bytes"


@pytest.mark.slow
def test_the_contract_on_an_images_properties(judged):
    rows = [
        ("small", encoded(picture(1, size=(4, 8))), "a"),
        ("large", encoded(picture(2, size=(8, 30))), "a"),
        ("dark", encoded(Image.new("RGB", (8, 8))), "a"),
        ("light", encoded(picture(3)), "a"),
        ("grey", encoded(picture(4, "L")), "a"),
        ("twice a", encoded(picture(5)), "a"),
        ("twice b", encoded(picture(5)), "b"),
    ]
    rules = {"min_width": 8, "max_height": 20, "min_brightness": 1.0, "modes": ["RGB"]}
    passed, reasons = judged(rows, image=rules)
    assert passed["id"].to_pylist() == ["light"]
    assert reasons == {
        "small": ["image_width_outside"],
        "large": ["image_height_outside"],
        "dark": ["image_brightness_outside"],
        "grey": ["image_mode_not_allowed"],
        "twice a": ["conflicting_label"],
        "twice b": ["conflicting_label"],
    }
    with pytest.raises(UserError, match=r"validate.privacy is set, but the rows are images"):
        judged(rows, privacy="redact")


def test_rules_for_images_are_refused_for_texts():
    from tasks.validate.image_checks import refuse_inapplicable_rules

    with pytest.raises(UserError, match=r"validate\.image is set, but the rows are texts"):
        refuse_inapplicable_rules(Validate(image={"min_width": 2}), "text")
    refuse_inapplicable_rules(Validate(), "text")
    refuse_inapplicable_rules(Validate(image={"min_width": 2}), "image")


# what the stages after it see


def test_what_we_decode_is_what_the_library_decodes(tmp_path):
    from transformers.image_utils import load_image

    readable = {name: data for name, (data, reason) in HOSTILE.items() if reason in (None, "duplicate_image")}
    assert {"good", "cmyk", "alpha", "turned", "bilevel", "palette", "webp"} <= readable.keys()
    for name, data in readable.items():
        (tmp_path / "x").write_bytes(data)
        assert images.decoded(data).tobytes() == load_image(str(tmp_path / "x")).tobytes(), name


def test_a_thumbnail_is_drawn_anew_and_small():
    note = encoded(picture(1, size=(300, 200)), "JPEG", comment=b"<script>alert(1)</script>")
    assert b"<script>" in note
    drawn = images.thumbnail(note)
    assert drawn.startswith("data:image/png;base64,")
    with Image.open(io.BytesIO(__import__("base64").b64decode(drawn.partition(",")[2]))) as small:
        assert max(small.size) == images.THUMBNAIL
        assert not small.info
    assert images.thumbnail(b"<script>") is None
    row = {"id": "1", "label": "a", "source_file": "f", "source_row": 0, "image": b"<script>", "source_bytes": None}
    assert example("reference", row).picture is None
    assert "<script>" not in example("reference", row).text


def seen_rows(count, brightness=128, seed=0):
    """Rows of IMAGE_PROPERTIES with an id and scores."""
    random = np.random.default_rng([seed, count])
    columns = {
        "image_bytes": random.integers(100, 200, count),
        "image_format": ["PNG"] * count,
        "image_mode": random.choice(["L", "RGB"], count).tolist(),
        "image_width": [SIDE] * count,
        "image_height": [SIDE] * count,
        "image_brightness": random.normal(brightness, 20, count),
        "image_contrast": random.normal(40, 5, count),
        "image_pixels": [f"{seed}-{i}" for i in range(count)],
    }
    table = pa.table([columns[name] for name in IMAGE_PROPERTIES.names], schema=IMAGE_PROPERTIES)
    return table.append_column("prediction", pa.array(random.choice(["a", "b"], count).tolist()))


@pytest.mark.proof
def test_drift_is_told_by_the_properties_of_images_and_by_their_embeddings():
    from tasks.drift import Params as Drift
    from tasks.drift.rows import rows_from_table
    from tasks.drift.verdict import drift_verdict

    def side(count, seed, brightness=128, moved=0.0):
        given = np.random.default_rng(seed).normal(moved, 1, (count, 6)).astype(np.float32)
        return rows_from_table(seen_rows(count, brightness, seed), given, None, "here")

    params = Drift(permutations=199)
    alike = drift_verdict(side(200, 1), side(200, 2), params, 7)
    assert alike["drifted"] is False
    assert {"image: brightness", "image: mode", "image: width", "embeddings: axes"} <= set(alike["signals"])
    assert not [name for name in alike["signals"] if name.startswith(("text", "vocabulary"))]
    darker = drift_verdict(side(200, 1), side(200, 5, brightness=90), params, 7)
    assert [name for name, its in darker["signals"].items() if its["alarm"]] == ["image: brightness"]
    elsewhere = drift_verdict(side(200, 1), side(200, 4, moved=1.0), params, 7)
    assert elsewhere["signals"]["embeddings: axes"]["alarm"]


def test_the_page_of_explanations_shows_mistakes_and_runs_nothing(monkeypatch):
    """What each shows is explained in tests/tasks/explain/test_pictures.py, by a model."""
    from tasks.explain import Params as Explain
    from tasks.explain import pictures
    from tasks.explain.__main__ import explain_all

    seen, added = np.zeros((3, 8, 8), np.uint8), np.eye(8)
    told = pictures.ExplainedImage("a", "b", 1.0, 0.0, added, seen, 0.01, 16, True)
    monkeypatch.setattr(pictures, "ImageExplainer", lambda *_: SimpleNamespace(explain=lambda *_: told))

    hostile = "<script>alert(1)</script>"
    rows = raw([(f"{hostile}{i}", encoded(picture(i)), "ab"[i % 2]) for i in range(6)])
    write_table(rows, layout.split("test"))
    said = ["a", "a", "b", "b", "a", hostile]  # wrong about the rows 1, 2 and 5
    columns = {"id": rows["id"], "prediction": said, "confidence": [0.9, 0.6, 0.8, 0.9, 0.9, 0.7]}
    write_table(pa.table(columns), layout.window("reference").scored)
    assert explain_all(Explain(mistakes=2), 7)["mistakes"] == 2
    page = EXPLAINED.read_text()
    assert [int(key) for key in re.findall(r"/script&gt;(\d): predicted", page)] == [2, 5], "the most confident first"
    assert page.count("data:image/png;base64,") == 2 * 2
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_splits_keep_every_image_and_the_baseline_reads_pixels(tmp_path):
    random, dark, light = np.random.default_rng(1), (0, 90), (140, 256)
    tones = [random.choice(2) for _ in range(120)]
    data = [
        encoded(Image.fromarray(random.integers(*(light if tone else dark), (9, 7)).astype(np.uint8))) for tone in tones
    ]
    rows = raw([(str(i), image, "dl"[tone]) for i, (image, tone) in enumerate(zip(data, tones, strict=True))])
    tables, _ = split(rows, Split(), 7)
    assert sorted(key for table in tables.values() for key in table["id"].to_pylist()) == sorted(map(str, range(120)))
    train, test = tables["train"], tables["test"]
    grey_pixels.write(*grey_pixels.fit(train["image"].to_pylist(), train["label"].to_pylist(), 7), tmp_path)
    labels, shares = grey_pixels.logits(test["image"].to_pylist(), tmp_path)
    assert labels == ["d", "l"]
    assert pc.all(pc.equal(pa.array(["dl"[i] for i in shares.argmax(1)]), test["label"])).as_py()
