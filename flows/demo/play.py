"""The demo's servers, folders and end."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from flows import SETTINGS
from flows.demo import place
from flows.demo.stream import Stream
from flows.machine.home import Home
from flows.machine.prefect_address import Address
from flows.machine.server import how_to_log_in, server, start_logged, wait_until_up
from flows.pipeline import guard
from tasks.core.errors import UserError
from tasks.core.files import private_folder
from tasks.report import INDEX

log = logging.getLogger("flows.demo")


def own(folder: Path) -> str:
    """Let all that follows use a server and homes of its own: the address of the API.

    Called before Prefect is imported, which reads its settings then.
    """
    api = f"http://127.0.0.1:{free_port()}/api"
    for name in [name for name in os.environ if name.startswith("PREFECT_") and name not in SETTINGS]:
        del os.environ[name]
    os.environ |= {
        "DRIFTLINE_HOME": str(folder / "home"),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",  # Prefect's page has every line
    }
    return api


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def new_folder(wanted: Path | None) -> Path:
    """Where everything goes. UserError: a folder with something in it."""
    if wanted is None:
        return Path(tempfile.mkdtemp(prefix="driftline-demo-"))
    folder = wanted.expanduser().absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not empty: name a new folder, or leave --folder out")
    if folder.exists() and folder.stat().st_uid != os.geteuid():
        raise UserError(f"{folder} belongs to another user: name a new folder, or leave --folder out")
    return private_folder(folder)


def play(home: Home, stream: Stream, api: str, wait: bool) -> None:
    """Tell the story, then keep its pages up until Ctrl-C, or say how to open them."""
    from prefect.logging.handlers import APILogHandler

    from flows.demo.story import Narration, Story, what_was_done

    Narration.start()
    log.info("\n".join(["the data:", *what_was_done(stream)]))
    with server(Address(api, "the demo", True)):
        prefect = how_to_log_in(api)
        log.info(f"Prefect's page: {prefect}")
        story = Story(home)
        try:
            story.play()
        finally:
            APILogHandler().flush()  # while the server is there to take them
        report = f"report     {(story.newest / INDEX).as_uri()}"
        if wait:
            with suppress(KeyboardInterrupt), drift_pages(home) as address:
                log.info("the pages:")
                print(f"Prefect    {prefect}\nEvidently  {address}\n{report}\nCtrl-C ends both servers", flush=True)
                signal.pause()
            print("\nto open them again:")
    print("\n".join([report, *reopening(home, api)]))


def reopening(home: Home, api: str) -> list[str]:
    """The commands that open the pages of a demo that is over."""
    names = ("DRIFTLINE_HOME", "PREFECT_HOME")
    homes = " ".join(f"{name}={os.environ[name]}" for name in names)
    return [
        f"Prefect    cd {home.origin} && {homes} {sys.executable} -m driftline server --port {urlsplit(api).port}",
        f"Evidently  cd {home.origin} && {homes} {sys.executable} -m driftline drift-pages",
    ]


@contextmanager
def drift_pages(home: Home) -> Iterator[str]:
    """Evidently's pages, for the length of the block: their address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    pages = [sys.executable, "-m", "driftline", "drift-pages", "--repository", str(home.origin), "--port", str(port)]
    log = home.folder / "drift_pages.log"
    process = start_logged(pages, log)
    try:
        wait_until_up("the drift pages", address, process, log)
        yield address
    finally:
        guard.stop(process)


def demo(home: Home, wanted: Path | None, no_wait: bool) -> None:
    """Play the demo in a folder of its own, and say what is left there."""
    folder = new_folder(wanted)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended like by Ctrl-C, so that nothing stays behind
    api = own(folder)
    try:
        stream = place.make(home.origin, folder / "repository", place.PARAMS.read_text(encoding="utf-8"))
        at_a_terminal = sys.stdin.isatty() and sys.stdout.isatty()
        play(Home.of(folder / "repository"), stream, api, wait=at_a_terminal and not no_wait)
    finally:
        print(f"all files of the demo are in {folder}; to delete them: rm -rf {folder}", flush=True)
