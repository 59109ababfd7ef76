"""Prefect's server behind our checks: ``python -m flows.machine.prefect_server FD [NAME ...]``, which server.py starts.

It answers on a socket that its starter holds, so that nobody else can take the port while it is started again.
"""

from __future__ import annotations

import os
import socket
import sys

from driftline_login import Login
from flows.machine.protected_app import ProtectedApp

KEY = "DRIFTLINE_PROOF_KEY"


def main() -> None:
    """Answer on the socket until a signal comes."""
    import uvicorn
    from prefect.server.api.server import create_app

    listening, names = socket.socket(fileno=int(sys.argv[1])), sys.argv[2:]
    login = Login(os.environ["PREFECT_SERVER_API_AUTH_STRING"], os.environ.pop(KEY).encode())
    os.umask(0o077)  # its database is for its owner alone
    config = uvicorn.Config(ProtectedApp(create_app(final=True), names, login), log_level="warning")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
