"""MkDocs' hook (mkdocs.yml): pages of the site that stand elsewhere in the repository, and links as git has them.

A link is written so that it works where the repository is read, and is checked here: one that leads to no file is a
warning, which ends a strict build. Links to files that the site does not show become their names.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

TOP = Path(__file__).resolve().parents[1]
DOCS = "docs"
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "bench/RESULTS.md": "measurements.md",
    "data/samples/README.md": "sample.md",
    "tests/MUTATION.md": "mutation.md",
    "tests/everyday/RESULTS.md": "everyday.md",
    "tests/faults/RESULTS.md": "faults.md",
}
"""Files outside docs/, and where the site shows them."""
LINK = re.compile(r"(?P<before>!?\[(?P<text>[^\]]*)\]\()(?P<target>[^)\s#]+)(?P<place>#[^)\s]*)?\)")
FENCE = re.compile(r"^( *)(`{3,}|~{3,})")
MESSAGES = "reference/messages.md"
"""Made from the sources at each build."""
log = logging.getLogger("mkdocs.hooks.pages")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that stand outside docs/."""
    from mkdocs.structure.files import File

    sys.path.insert(0, str(TOP))  # MkDocs loads this file by its path
    from docsite import messages

    for source, page in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(TOP / source)))
    files.append(File.generated(config, MESSAGES, content=messages.page()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page with its links as the site has them."""
    return linked(markdown, page.file.src_uri)


def linked(markdown: str, page: str) -> str:
    """The text of a page, its links led to pages of the site."""
    folder = PurePosixPath(_source(page)).parent
    return "".join(
        line if is_code else LINK.sub(lambda found: _link(found, folder, page), line)
        for line, is_code in lines(markdown)
    )


def lines(markdown: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it stands in a block of code."""
    fence = ""
    for line in markdown.splitlines(keepends=True):
        mark = found[2] if (found := FENCE.match(line)) else ""
        yield line, bool(fence or mark)
        if mark and not fence:
            fence = mark
        elif mark and line.strip() == mark and mark.startswith(fence):
            fence = ""


def _source(page: str) -> str:
    """Where in the repository a page of the site stands."""
    return {shown: source for source, shown in ELSEWHERE.items()}.get(page, f"{DOCS}/{page}")


def _link(found: re.Match[str], folder: PurePosixPath, page: str) -> str:
    if re.match(r"[a-z]+:", found["target"]):
        return found[0]
    file = os.path.normpath(folder / found["target"])
    if file == f"{DOCS}/{MESSAGES}":
        return found[0]
    if not (TOP / file).exists():
        log.warning("%s links to %s, which is not there", _source(page), found["target"])
        return found[0]
    shown = ELSEWHERE.get(file, file.removeprefix(f"{DOCS}/") if file.startswith(f"{DOCS}/") else "")
    if not shown:
        return found["text"] if file in found["text"] else f"{found['text']} (`{file}`)"
    target = os.path.relpath(shown, PurePosixPath(page).parent)
    return f"{found['before']}{target}{found['place'] or ''})"
