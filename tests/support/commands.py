"""Commands that are forks of one process, which has imported the libraries: a new one takes 4 CPU s to import them.

The process is of the environment that it was started in, and holds none of this repository's code: each command imports
that from the folder it is run in, as ``python -m`` does.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

LIBRARIES = (
    "dvc.repo",
    "filelock",
    "gto.api",
    "pandas",
    "prefect.flows",
    "pyarrow.parquet",
    "sklearn.metrics",
    "typer",
)


class Commands:
    """``python -m MODULE WORDS`` in a folder, as often as asked."""

    def __init__(self, environment, libraries=LIBRARIES):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([sys.executable, __file__, *libraries], env=environment, **pipes)

    def run(self, folder, module, *words):
        """What it said and its exit code, like ``subprocess.run``'s."""
        with tempfile.TemporaryDirectory() as spoken:
            out, err = Path(spoken, "out"), Path(spoken, "err")
            asked = {"folder": str(folder), "module": module, "words": words, "out": str(out), "err": str(err)}
            print(json.dumps(asked), file=self.process.stdin, flush=True)
            code = int(self.process.stdout.readline())
            return subprocess.CompletedProcess(words, code, out.read_text("utf-8"), err.read_text("utf-8"))

    def end(self):
        """The process ends when nobody can ask it any more."""
        self.process.communicate()


def serve(libraries):
    """Fork for each command that comes in; only a fork returns, as the command that it is to become."""
    for name in libraries:
        import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            return asked
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    sys.exit()


def become(asked):
    """Run the module as ``python -m`` would in a process of its own."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in enumerate(("out", "err"), start=1):
        os.dup2(os.open(asked[name], os.O_WRONLY | os.O_CREAT), number)
    os.chdir(asked["folder"])
    sys.path[0] = asked["folder"]
    sys.argv = [asked["module"], *asked["words"]]
    runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    become(serve(sys.argv[1:]))
