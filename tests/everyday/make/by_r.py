"""What R writes."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests.everyday.make.by_python import frame
from tests.everyday.rows import PLAIN, ROWS

SCRIPT = """
options(stringsAsFactors = FALSE)
load_rows <- function(path) {
  rows <- read.csv(path, encoding = "UTF-8", na.strings = "", colClasses = "character")
  rows$created_at <- as.POSIXct(rows$created_at, tz = "UTC"); rows
}
rows <- load_rows("rows.csv"); plain <- load_rows("plain.csv")
write.csv(rows, "r_write_csv.csv", fileEncoding = "UTF-8")
write.csv(rows, "r_write_csv_no_names.csv", row.names = FALSE, fileEncoding = "UTF-8")
write.csv2(rows, "r_write_csv2.csv", row.names = FALSE, fileEncoding = "UTF-8")
write.csv(plain, "r_latin1.csv", row.names = FALSE, fileEncoding = "CP1252")
write.table(rows, "r_write_table.txt", fileEncoding = "UTF-8")
write.table(plain, "r_write_table_unquoted.tsv", sep = "\\t", quote = FALSE, row.names = FALSE, fileEncoding = "UTF-8")
write.table(rows, "r_write_table_escaped.tsv", sep = "\\t", row.names = FALSE, fileEncoding = "UTF-8")
"""


def make(files: Path) -> None:
    """Write the files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in (("rows", ROWS), ("plain", PLAIN)):
            frame(rows).to_csv(Path(folder, f"{name}.csv"), index=False)
        Path(folder, "script.R").write_text(SCRIPT)
        environment = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
        subprocess.run(["Rscript", "--vanilla", "script.R"], cwd=folder, check=True, env=environment)
        for made in Path(folder).glob("r_*"):
            (files / made.name).write_bytes(made.read_bytes())
