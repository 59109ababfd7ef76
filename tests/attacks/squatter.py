"""A program on the port of a server of ours: it answers like Prefect, and keeps what it is sent."""

from __future__ import annotations

import socket
from contextlib import suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from driftline_login import PROOF_PATH


class Squatter:
    """In a ``with`` block; ``proof`` is what it answers when it is asked to prove itself."""

    def __init__(self, port=0, proof=lambda nonce: "0" * 64):
        self.heard: list[str] = []
        """Each request: its line, its headers and its body."""
        heard = self.heard

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode("latin-1")
                heard.append(f"{self.command} {self.path}\n{self.headers}{body}")
                path, _, query = self.path.partition("?")
                said = proof(query) if path == PROOF_PATH else "true" if path.endswith("/health") else "[]"
                self.send_response(404 if path.endswith("/csrf-token") else 200)  # as Prefect without such tokens
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said.encode())

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815  as http.server calls them

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Answer)
        self.port = self.server.server_port
        self.api = f"http://127.0.0.1:{self.port}/api"

    def __enter__(self):
        Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def relay(port):
    """The answer of the server on another port to the same question."""

    def ask(nonce):
        connection = HTTPConnection("127.0.0.1", port)
        connection.request("GET", f"{PROOF_PATH}?{nonce}")
        return connection.getresponse().read().decode()

    return ask


def silent(port=0):
    """A socket that takes connections and says nothing."""
    return socket.create_server(("127.0.0.1", port))


def closing(listening):
    """Take every connection and close it."""
    with suppress(OSError):
        while True:
            listening.accept()[0].close()
