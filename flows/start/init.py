"""``driftline init FILE``: look at somebody's data, propose params.yaml, show rows as they will be read, write it."""

from __future__ import annotations

import filecmp
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from flows.start.roles import Role, Roles
from flows.start.roles import propose as propose_roles
from tasks import ingest
from tasks.behaviour import BEHAVIOUR
from tasks.core.errors import UserError
from tasks.core.files import replacing
from tasks.core.paths import PARAMS
from tasks.core.rows import as_one, inputs, text_of
from tasks.dataset.label_order import NUMBER
from tasks.dataset.windows import WindowRange, Windows
from tasks.ingest import images, sources, windows
from tasks.ingest.__main__ import read_window
from tasks.ingest.column_changes import with_one_type
from tasks.ingest.dialect_params import DialectKeys
from tasks.ingest.unsettled import Unsettled
from tasks.preset import edit
from tasks.validate.labels import find_look_alikes

DATA = Path("data")
GIT_BYTES = 5_000_000
"""Larger files are DVC's."""
REFERENCE_SHARE = 0.8
SHOWN = 10
MAX_FILES = 20
MAX_PROPOSED_KEYS = 4
MAX_WORDS_OF_A_NAME = 5
"""Of a column; a longer one is a text, and the line no header."""
MAX_LISTED_LABELS = 50
MIN_SCALE = 3
"""Labels that are numbers and may have an order; two, such as 0 and 1, are a yes or no."""
LENGTHS = (32, 64, 128, 256)
TOKENS_PER_WORD = 1.5
"""A little more than English needs, less than most other languages."""
UNDIVIDED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
"""Signs of scripts that put no space between words."""
NO_TESTS = "tests: []\n"
WHOLE = Windows(current=WindowRange(source="none"))
"""Every row of the source is reference."""


@dataclass(frozen=True)
class Proposal:
    """What ``params.yaml`` would say of a source, why, and what the data leave open."""

    source: Path
    section: ingest.Params
    roles: Roles
    rows: pa.Table
    """All of them, as ``ingest`` reads them."""
    windows: Windows
    max_length: int
    doubts: tuple[str, ...]

    @property
    def labels(self) -> list[str] | None:
        """For the contract; None where there are too many to list."""
        counts = _counts(self.rows["label"])
        return sorted(counts) if 0 < len(counts) <= MAX_LISTED_LABELS else None


def bring(files: Sequence[Path]) -> Path:
    """The source: the file or folder itself where it lies in the repository, else a copy in ``data/``, tracked.

    UserError: it does not exist, or several do not lie in one folder of their own.
    """
    for file in files:
        if not file.exists():
            raise UserError(f"{file} does not exist")
    top = Path.cwd().resolve()
    if len(files) == 1 and files[0].resolve().is_relative_to(top):
        source = files[0].resolve().relative_to(top)
    else:
        source = DATA / (files[0].name if len(files) == 1 else files[0].stem)
        _copy(files, source)
    _track(source)
    return source


def _copy(files: Sequence[Path], source: Path) -> None:
    """Unless an earlier call has, which may have ended in a question. UserError: something else is there."""
    targets = {file: source / file.name if len(files) > 1 else source for file in files}
    if source.exists():
        if all(_same(file, target) for file, target in targets.items()):
            return
        raise UserError(f"{source} exists already, with other content: name it, or move it away")
    if len(files) > 1:
        source.mkdir(parents=True)
    for file, target in targets.items():
        (shutil.copytree if file.is_dir() else shutil.copy2)(file, target)
    print(f"copied to {source}")


def _same(one: Path, other: Path) -> bool:
    """Whether two files have the same content, or two folders the same files."""
    if one.is_file():
        return other.is_file() and filecmp.cmp(one, other, shallow=False)
    names = [{path.relative_to(top) for path in top.rglob("*") if path.is_file()} for top in (one, other)]
    return names[0] == names[1] and all(filecmp.cmp(one / name, other / name, shallow=False) for name in names[0])


def _track(source: Path) -> None:
    """What no version knows ``ingest`` refuses."""
    known = subprocess.run(["git", "ls-files", "--error-unmatch", "--", source], capture_output=True, check=False)
    if known.returncode == 0 or source.with_name(f"{source.name}.dvc").exists():
        return
    paths = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in paths)
    command = ["git", "add", "--force", "--"] if size <= GIT_BYTES else ["dvc", "add", "--quiet", "--"]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{' '.join(command)} {source} failed: {done.stderr.strip()}")
    print(f"tracked: {' '.join(command[:2])} {source}")


def propose(source: Path, given: Mapping[Role, str | None], settled: Mapping[str, Any]) -> Proposal:
    """Look at all of the source; ``settled`` are keys of ``ingest`` that are known.

    A key that the data propose is taken, and its reason becomes a doubt. UserError: the source cannot be read.
    """
    doubts: list[str] = []
    keys = dict(settled)
    for _ in range(MAX_PROPOSED_KEYS):
        try:
            return _proposed(ingest.Params(source=source.as_posix(), **keys), given, tuple(doubts))
        except Unsettled as doubt:
            if not doubt.keys.keys() - keys.keys():
                raise
            keys |= doubt.keys
            doubts.append(str(doubt))
    raise UserError(doubts[-1])


def _proposed(section: ingest.Params, given: Mapping[Role, str | None], doubts: tuple[str, ...]) -> Proposal:
    table = _first_records(section)
    roles = propose_roles(table, dict(given))
    if roles.time_formats and not section.time_format:
        raise UserError(roles.unsettled[-1])
    section = section.model_copy(update={"columns": roles.columns})
    rows, _ = read_window(windows.plan("reference", WHOLE, section))
    ranges, more = propose_windows(rows["timestamp"])
    texts = as_one([rows[name] for name in inputs(rows.column_names)])
    doubts = (*doubts, *roles.doubts, *more, *_of_labels(rows))
    return Proposal(Path(section.source or ""), section, roles, rows, ranges, _length(texts), doubts)


def _first_records(section: ingest.Params) -> pa.Table:
    """The first records of the first files, before columns have parts."""
    plan = windows.plan("reference", WHOLE, section)
    files = sources.list_files(plan.source, plan.source_key, images.SUFFIXES)
    if any(file.suffix.lower() in images.SUFFIXES for file in files):
        raise UserError(f"{plan.source} holds images: write params.yaml by hand, as docs/families.md shows")
    opening = plan.opening()
    parts = (part for file in files[:MAX_FILES] for part in islice(sources.read_parts(file, opening), 2))
    tables = [part.table for part in parts if part.records]
    if not tables:
        raise UserError(f"{plan.source} holds no records")
    names = tables[0].column_names
    if not section.dialect.header and any(len(name.split()) > MAX_WORDS_OF_A_NAME for name in names):
        raise Unsettled(f"{plan.source}: the first line names no columns: {names[0]!r}", dialect=DialectKeys(header=0))
    return pa.concat_tables(with_one_type(tables), promote_options="default")


def propose_windows(times: pa.ChunkedArray) -> tuple[Windows, tuple[str, ...]]:
    """The reference holds the earlier four fifths of the dated rows, the current window what came after."""
    dated = pc.drop_null(times).sort()
    if not len(dated):
        return Windows(), ("without times all rows are reference; a file in data/sources can be the current window",)
    first, last = dated[0].as_py(), dated[-1].as_py()
    cut = dated[min(len(dated) - 1, int(len(dated) * REFERENCE_SHARE))].as_py()
    if last - first > timedelta(days=10):
        cut, until = _midnight(cut), _midnight(last) + timedelta(days=1)
    else:
        until = last + timedelta(seconds=1)
    if not first < cut < until:
        return Windows(), (f"all times are {first:%Y-%m-%d}: no two windows can be told apart",)
    return Windows.model_validate({"reference": {"until": cut}, "current": {"from": cut, "until": until}}), ()


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _length(texts: pa.ChunkedArray) -> int:
    """The least of the usual lengths that 19 of 20 texts fit into, by their words, or signs that are words."""
    given = pc.drop_null(texts)
    words = pc.add(pc.add(pc.count_substring_regex(given, r"\s+"), 1), pc.count_substring_regex(given, UNDIVIDED))
    tokens = (pc.quantile(words, q=0.95)[0].as_py() or 0) * TOKENS_PER_WORD + 2
    return next((length for length in LENGTHS if length >= tokens), LENGTHS[-1])


def undivided(rows: pa.Table) -> bool:
    """Whether most of the texts are of a script that puts no space between words."""
    given = pc.drop_null(as_one([rows[name] for name in inputs(rows.column_names)]))
    if not len(given):
        return False
    signs = pc.mean(pc.greater_equal(pc.multiply(pc.count_substring_regex(given, UNDIVIDED), 2), pc.utf8_length(given)))
    return bool(signs.as_py() > 0.5)


def _of_labels(rows: pa.Table) -> list[str]:
    """What the labels leave open."""
    counts = _counts(rows["label"])
    doubts = find_look_alikes(counts).sentences()
    rare = [label for label, count in counts.items() if count < 3]
    if rare:
        doubts.append(f"{len(rare)} of {len(counts)} labels have fewer than 3 rows, such as {rare[0]!r}")
    if len(counts) >= MIN_SCALE and all(map(NUMBER.fullmatch, counts)):
        doubts.append("labels are numbers: if their order counts, set task: ordinal in params.yaml")
    without = rows["label"].null_count
    if counts and without:
        doubts.append(f"{without} of {len(rows)} rows have no label: validate quarantines them")
    return doubts


def _counts(labels: pa.ChunkedArray) -> dict[str, int]:
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(pc.drop_null(labels)).to_pylist()}


def shown(rows: pa.Table, count: int = SHOWN) -> list[dict[str, str]]:
    """Some rows from all over the source, as they will be read, the text cut."""
    places = [round(i * (len(rows) - 1) / max(count - 1, 1)) for i in range(min(count, len(rows)))]
    lines = []
    for row in rows.take(pa.array(sorted(set(places)))).to_pylist():
        text = " ".join((text_of(row) or "").split())
        lines.append(
            {
                "row": str(row["source_row"]),
                "time": f"{row['timestamp']:%Y-%m-%d %H:%M}" if row["timestamp"] else "",
                "label": row["label"] or "",
                "text": text[:59] + "…" if len(text) > 60 else text,
                "problem": row["problem"] or "",
            }
        )
    return lines


def write(found: Proposal, file: Path = PARAMS) -> None:
    """Rewrite params.yaml for the proposal; what belongs to the sample goes, behaviour tests too."""
    edit(file, lambda values: _lay(values, found))
    with replacing(BEHAVIOUR) as part:
        comments = [line for line in BEHAVIOUR.read_text(encoding="utf-8").splitlines(keepends=True) if line[0] == "#"]
        part.write_text("".join(comments) + NO_TESTS, encoding="utf-8")


def _lay(values: Any, found: Proposal) -> None:
    section = found.section.model_dump(mode="json", exclude_defaults=True)
    pair = set() if found.roles.columns.text_pair else {"text_pair"}
    section["columns"] = _flow(found.roles.columns.model_dump(exclude={"image", *pair}))
    values["ingest"] = CommentedMap(section)
    values["windows"] = CommentedMap(
        {name: _flow(_range(getattr(found.windows, name))) for name in ("reference", "current")}
    )
    values["validate"] = _flow({"labels": found.labels and _listed(found.labels), "max_quarantined": 0.2})
    values["tokenize"] = _flow({"max_length": found.max_length})
    values["evaluate"], values["report"] = CommentedMap(), CommentedMap({"card": _flow({"name": found.source.stem})})
    (values.get("gate") or {}).pop("slices", None)


def _range(window: WindowRange) -> dict[str, Any]:
    def written(moment: datetime | None) -> str | None:
        if moment is None:
            return None
        text: str = DoubleQuotedScalarString(
            f"{moment:%Y-%m-%d}" if moment == _midnight(moment) else moment.isoformat()
        )
        return text

    return {"from": written(window.from_), "until": written(window.until)}


def _flow(values: dict[str, Any]) -> CommentedMap:
    """A mapping on one line."""
    made = CommentedMap(values)
    made.fa.set_flow_style()
    return made


def _listed(values: list[str]) -> CommentedSeq:
    made = CommentedSeq(values)
    made.fa.set_flow_style()
    return made
