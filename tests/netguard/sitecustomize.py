"""Loaded by every Python process that has this folder on PYTHONPATH: nothing may leave the machine.

An attempt is refused and written down in the file that NETGUARD_LOG names, so that it is seen even when the library
that made it swallows the error.
"""

import os
import socket
import sys

LOOPBACK = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "", None}
_connect, _getaddrinfo = socket.socket.connect, socket.getaddrinfo


def _refuse(what):
    if log := os.environ.get("NETGUARD_LOG"):
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{' '.join(sys.argv)}: {what}\n")
    raise OSError(f"the tests use loopback only, not {what}")


def _local(host):
    return host in LOOPBACK or str(host).startswith("127.") or host == socket.gethostname()


def connect(self, address):
    if isinstance(address, tuple) and not _local(address[0]):
        _refuse(address)
    return _connect(self, address)


def getaddrinfo(host, *args, **kwargs):
    if not _local(host.decode() if isinstance(host, bytes) else host):
        _refuse(host)
    return _getaddrinfo(host, *args, **kwargs)


socket.socket.connect = connect
socket.getaddrinfo = getaddrinfo
