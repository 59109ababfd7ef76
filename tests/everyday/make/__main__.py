"""Make the everyday files again: ``python -m tests.everyday.make [MODULE…]``.

Each file is written by the tool that people get it from. That needs an environment of its own (pip: pandas, polars,
duckdb, pyspark, datasets, openpyxl, xlsxwriter, label-studio-sdk, zstandard; apt: libreoffice-calc-nogui, r-base-core,
postgresql, mariadb-server, sqlite3, default-jre-headless). The tests only read the files.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

FILES = Path(__file__).parents[1] / "files"
MODULES = ("by_python", "by_office", "by_r", "by_database", "by_spark", "by_annotation", "by_documentation")

if __name__ == "__main__":
    for module in sys.argv[1:] or MODULES:
        importlib.import_module(f"tests.everyday.make.{module}").make(FILES)
