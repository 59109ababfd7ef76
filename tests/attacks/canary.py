"""A file and a port that only an attack reaches: whatever code or request of an attacker runs leaves its trace here."""

from __future__ import annotations

import pickle
import socket
import threading
from pathlib import Path


class Canary:
    """Payloads, and what they left behind. Use it in a ``with`` block, or as the fixture ``canary``."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "canary"
        """An attacker's code makes this file."""
        self.connections: list[str] = []
        """The first line that each connection to the port sent; connections that send nothing count too."""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Canary:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)  # a thread that waits in accept is not woken by close
        self._listening.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # closed
                return
            with connection:
                connection.settimeout(0.5)
                try:
                    first = connection.recv(4096)
                    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
                except OSError:
                    first = b""
                self.connections.append(first.split(b"\r\n")[0].decode("latin-1"))

    @property
    def shell(self) -> str:
        """A shell command that leaves a trace."""
        return f"touch {self.file}"

    @property
    def python(self) -> str:
        """A Python expression that leaves a trace."""
        return f"__import__('pathlib').Path({str(self.file)!r}).touch()"

    @property
    def pickle(self) -> bytes:
        """A pickle that leaves a trace when it is loaded."""
        return pickle.dumps(_Boom(self.python))

    def url(self, place: str) -> str:
        """An address that leaves a trace when it is asked for; ``place`` says where it stood."""
        return f"http://127.0.0.1:{self.port}/{place}"

    @property
    def traces(self) -> list[str]:
        """What attacks left behind so far."""
        return [*self.connections, *([f"{self.file.name} was made"] if self.file.exists() else [])]


class _Boom:
    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self):
        return eval, (self.code,)
