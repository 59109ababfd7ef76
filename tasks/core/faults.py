"""What ends a command though its input and configuration are fine, in a sentence: the machine's faults, and bugs."""

from __future__ import annotations

import errno
import os
import re
import tempfile
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

LAST_READ: ContextVar[Path | None] = ContextVar("the file that was read last", default=None)
SENTENCES = {
    errno.ENOSPC: "no space is left on the disk of {place}: free some, then run again",
    errno.EDQUOT: "the disk quota of {place} is used up: free some space, then run again",
    errno.EIO: "the disk failed while {place} was read or written (EIO): look at the disk, then run again",
    errno.ESTALE: "{place} is on a network drive that is gone: mount it again, then run again",
    errno.EACCES: "{place} may not be read or written: change its mode or owner (`chmod -R u+rwX`), then run again",
    errno.EPERM: "{place} may not be changed by this user: change its owner or attributes, then run again",
    errno.EROFS: "{place} is on a disk that is read-only: mount it for writing, then run again",
    errno.EMFILE: "more files are open than the limit allows: raise it with `ulimit -n 4096`, then run again",
    errno.ENFILE: "the machine has too many files open: end other processes, then run again",
    errno.EAGAIN: "no more processes or threads may be started: raise the limit with `ulimit -u`, then run again",
    errno.ENOMEM: "there is not enough memory: end other processes or lower the stage's batch_size, then run again",
    errno.EFBIG: "{place} is larger than files may become here: raise the limit with `ulimit -f`, then run again",
    errno.EISDIR: "{place} is a folder where a file is expected: remove it, then run again",
    errno.ENOTDIR: "{place} is or lies below a file where a folder is expected: remove that file, then run again",
    errno.ELOOP: "{place} is a link that leads to itself: remove it, then run again",
    errno.ENAMETOOLONG: "{place} is a longer name than the disk allows: give a shorter one",
}
WORDS = {  # of libraries that hand on no number
    errno.ENOSPC: "no space left on device",
    errno.ENOMEM: "cannot allocate memory|can't allocate memory|out of memory|unable to allocate|malloc of size",
    errno.EAGAIN: "can't start new thread|resource temporarily unavailable",
    errno.EMFILE: "too many open files",
    errno.EIO: "input/output error",
}
NUMBER = re.compile(r"\b(?:os error|errno) (\d+)", re.I)
WRITER = re.compile(r"PytorchStreamWriter|iostream error")  # torch hands on no reason why it could not write


def sentence(error: BaseException) -> str | None:
    """The fault of the machine that an error came from, directly or not; None where it is something else."""
    for one in _chain(error):
        number = _number(one)
        if number in SENTENCES:
            return SENTENCES[number].format(place=_place(one))
    return None


def is_machines(error: BaseException) -> bool:
    """Whether the machine is at fault, not the content of a file."""
    return sentence(error) is not None


def is_panic(error: BaseException) -> bool:
    """Whether a library in Rust gave up; what it raises then (pyo3) is no Exception and cannot be imported."""
    return type(error).__name__ == "PanicException"


def unforeseen(error: BaseException) -> str:
    """What is said of a bug: where it is, which file was read last, and where the traceback was written."""
    last = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in last if "site-packages" not in frame.filename] or last
    where = f" in {_from_here(own[-1].filename)}, line {own[-1].lineno}" if own else ""
    text = " ".join(str(error).split())
    said = f"{type(error).__name__}{f': {text[:300]}' if text else ''}{where}"
    file = LAST_READ.get()
    after = f"; the file read last is {file}: if it is damaged, `dvc repro` makes it anew" if file else ""
    return f"{said}{after}{_kept(error)}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _number(error: BaseException) -> int | None:
    """The error number of an error; what a library only says in words counts too."""
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    text = str(error)
    if WRITER.search(text):
        return errno.ENOSPC
    if found := NUMBER.search(text):
        return int(found[1])
    return next((number for number, words in WORDS.items() if re.search(words, text, re.I)), None)


def _place(error: BaseException) -> str:
    name = getattr(error, "filename", None)
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    return _from_here(str(name)) if name is not None and not isinstance(name, int) else str(Path.cwd())


def _from_here(name: str) -> str:
    here = f"{Path.cwd()}{os.sep}"
    return name.removeprefix(here)


def _kept(error: BaseException) -> str:
    """Where the traceback was written, for a report of the bug; nothing where it cannot be."""
    try:
        handle, name = tempfile.mkstemp(prefix="driftline-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        return ""
    return f"; the traceback is in {name}"
