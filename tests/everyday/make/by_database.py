"""What databases write: PostgreSQL's COPY, MariaDB's batch output and OUTFILE, sqlite3's output modes."""

from __future__ import annotations

import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.everyday.rows import ROWS

TABLE = "CREATE TABLE tickets (id INT, text TEXT, label TEXT, created_at {time})"
POSTGRES = Path("/usr/lib/postgresql/15/bin")


def make(files: Path) -> None:
    """Write the files."""
    _sqlite(files)
    with tempfile.TemporaryDirectory() as folder:
        _postgres(files, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        _mariadb(files, Path(folder))


def _inserts(backslash: str = "\\") -> str:
    """The rows as SQL; a database that reads escapes needs its backslashes twice."""
    lines = []
    for number, (text, label, at) in enumerate(ROWS, 1):
        quoted = text.replace("'", "''").replace("\\", backslash)
        lines.append(f"INSERT INTO tickets VALUES ({number}, '{quoted}', '{label}', '{at.replace('T', ' ')}');")
    return "\n".join(lines)


def _sqlite(files: Path) -> None:
    database = files / "sqlite.db"
    database.unlink(missing_ok=True)
    subprocess.run(["sqlite3", database], input=TABLE.format(time="TEXT") + ";" + _inserts(), text=True, check=True)
    one_line = "id, replace(text, char(10), ' ') AS text, label, created_at"  # these two modes do not quote line ends
    for name, options, columns in (
        ("sqlite.csv", ["-csv", "-header"], "*"),
        ("sqlite_tabs.tsv", ["-tabs", "-header"], one_line),
        ("sqlite_list.txt", ["-list", "-header"], one_line),
        ("sqlite.json", ["-json"], "*"),
    ):
        command = ["sqlite3", *options, database, f"SELECT {columns} FROM tickets"]
        (files / name).write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)


def _postgres(files: Path, folder: Path) -> None:
    folder.chmod(0o777)
    user = pwd.getpwnam("postgres")
    as_postgres = {"user": user.pw_uid, "group": user.pw_gid, "cwd": folder, "check": True, "capture_output": True}
    subprocess.run([POSTGRES / "initdb", "-D", folder / "data", "-E", "UTF8", "--locale=C.UTF-8"], **as_postgres)
    start = ["-D", folder / "data", "-o", f"-k {folder} -c listen_addresses=''", "-l", folder / "log"]
    subprocess.run([POSTGRES / "pg_ctl", *start, "-w", "start"], **as_postgres)
    try:
        psql = ["psql", "-h", folder, "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-q", "-c"]
        subprocess.run(
            [*psql, "SET TIME ZONE 'UTC'; " + TABLE.format(time="TIMESTAMPTZ") + ";" + _inserts()], check=True
        )
        for name, options in {
            "postgres.csv": "FORMAT csv, HEADER",
            "postgres_pipe.csv": "FORMAT csv, HEADER, DELIMITER '|'",
            "postgres_text.tsv": "HEADER",
            "postgres_text_no_header.tsv": "FORMAT text",
        }.items():
            command = [*psql, f"SET TIME ZONE 'UTC'; COPY tickets TO STDOUT WITH ({options})"]
            (files / name).write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    finally:
        subprocess.run([POSTGRES / "pg_ctl", "-D", folder / "data", "-m", "fast", "stop"], **as_postgres)


def _mariadb(files: Path, folder: Path) -> None:
    folder.chmod(0o777)
    data = folder / "data"
    subprocess.run(["mariadb-install-db", f"--datadir={data}", "--user=root"], check=True, capture_output=True)
    options = [f"--datadir={data}", f"--socket={folder}/s", "--skip-networking", "--skip-grant-tables", "--user=root"]
    server = subprocess.Popen(["mariadbd", "--no-defaults", *options], stderr=subprocess.DEVNULL)
    client = ["mariadb", "--no-defaults", f"--socket={folder}/s", "--default-character-set=utf8mb4"]
    try:
        while not (folder / "s").exists():
            time.sleep(0.2)
        made = f"CREATE DATABASE d CHARACTER SET utf8mb4; USE d; {TABLE.format(time='DATETIME')};" + _inserts("\\\\")
        subprocess.run(client, input=made, text=True, check=True)
        batch = subprocess.run(
            [*client, "--batch", "-e", "SELECT * FROM tickets", "d"], capture_output=True, check=True
        )
        (files / "mariadb_batch.tsv").write_bytes(batch.stdout)
        for name, more in {
            "mariadb_outfile.tsv": "",
            "mariadb_outfile.csv": "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"'",
        }.items():
            query = f"SELECT * FROM tickets INTO OUTFILE '{folder}/{name}' CHARACTER SET utf8mb4 {more}"
            subprocess.run([*client, "-e", query, "d"], check=True)
            shutil.copy(folder / name, files / name)
            (files / name).chmod(0o644)
    finally:
        server.terminate()
        server.wait()
