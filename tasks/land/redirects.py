"""Where a server that is landed from may lead on to: never out of the web, nor nearer to this machine.

A public server that answers with a redirect to ``127.0.0.1`` or to a cloud's metadata (169.254.169.254) would have
this machine fetch what only it can reach.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.request import getproxies

import httpx

from tasks.core.errors import UserError

MAX_REDIRECTS = 10
PUBLIC, PRIVATE, LOCAL = range(3)
"""How near an address is: of the internet, of a private network, of this machine or its link."""


def nearness(address: str) -> int:
    """PUBLIC, PRIVATE or LOCAL, of an IP address."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner: IPv4Address | None = ip.ipv4_mapped or ip.sixtofour
        ip = inner or ip
    if ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast or ip.is_reserved:
        return LOCAL
    return PUBLIC if ip.is_global else PRIVATE


def nearness_of_host(host: str) -> int:
    """Of the nearest address that a host name has; one that has none here is the proxy's to find."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return PUBLIC
    return max(nearness(str(one[4][0])) for one in found)


@contextmanager
def opened(name: str, url: str, headers: Mapping[str, str], seconds: float) -> Iterator[httpx.Response]:
    """The answer at the address, its body not yet read; redirects are followed as far as they may lead.

    ``seconds`` is how long each piece may take. UserError for a redirect that is refused, httpx's errors for all else.
    """
    with httpx.Client(timeout=seconds) as client:
        request = client.build_request("GET", url, headers=dict(headers))
        allowed = nearness_of_host(request.url.host)
        for _ in range(MAX_REDIRECTS + 1):
            answer = client.send(request, stream=True)
            try:
                _refuse_nearer(name, answer, allowed)
                if answer.next_request is None:
                    yield answer
                    return
            finally:
                answer.close()
            request = _followed(name, request.url, answer.next_request, allowed)
        raise UserError(f"{name}: the server leads on more than {MAX_REDIRECTS} times: check the address")


def _followed(name: str, before: httpx.URL, request: httpx.Request, allowed: int) -> httpx.Request:
    target = request.url
    if target.scheme not in ("http", "https") or (before.scheme, target.scheme) == ("https", "http"):
        raise UserError(
            f"{name}: the server leads from {before.scheme}:// to {target.scheme}://, which is not followed"
        )
    if nearness_of_host(target.host) > allowed:
        raise UserError(_nearer(name, target.host))
    return request


def _refuse_nearer(name: str, answer: httpx.Response, allowed: int) -> None:
    """A name may have had another address when it was looked at; through a proxy, the proxy looks it up."""
    stream = answer.extensions.get("network_stream")
    peer = stream and stream.get_extra_info("server_addr")
    if peer and not getproxies() and nearness(str(peer[0])) > allowed:
        raise UserError(_nearer(name, answer.url.host))


def _nearer(name: str, host: str) -> str:
    return (
        f"{name}: the server leads on to {host}, which is nearer to this machine than the address in landing.yaml: "
        "name that one if it is meant"
    )
