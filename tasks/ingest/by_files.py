"""Files that lie beside data and hold no records, by their names."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

PATTERNS = (
    *("_success", "_committed_*", "_started_*", "_metadata", "_common_metadata", "*.crc"),  # Spark, Databricks, Hadoop
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "~$*"),  # Windows, macOS, Office
    *("md5sums", "sha*sums", "checksums*", "*.md5", "*.sha1", "*.sha256", "*.sha512"),
    *("dataset_info.json", "dataset_infos.json", "dataset_dict.json"),  # Hugging Face's datasets
)
ABOUT = re.compile(r"(readme|licen[cs]e|copying|notice|changelog|citation|authors)([._-][^.]*)?", re.IGNORECASE)
ENDINGS = ("", ".md", ".txt", ".rst", ".html", ".htm", ".pdf", ".cff", ".docx")
"""Of files about the data: license_plates.csv is none."""
KEPT_SILENT = (".gitignore", ".gitattributes", ".gitkeep", ".dvcignore", ".objects.json")


def is_by_file(path: Path) -> bool:
    """Whether a file holds no records: it is hidden, or lies beside data by custom."""
    name = path.name.lower()
    about = path.suffix.lower() in ENDINGS and ABOUT.fullmatch(path.stem) is not None
    saved = name == "state.json" and path.with_name("dataset_info.json").exists()
    return name.startswith(".") or about or saved or any(fnmatch(name, pattern) for pattern in PATTERNS)


def is_worth_naming(path: Path) -> bool:
    """Whether a person is told that the file was left out: not of git's own, DVC's notes and a landing's record."""
    return path.name not in KEPT_SILENT and path.suffix != ".dvc"
