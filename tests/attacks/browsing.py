"""What a page does in Chromium: requests it makes, scripts it runs, dialogs it opens, links it shows."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # of the extra browser, which `make test` does without
    from playwright.sync_api import Browser, Page, Playwright

CHROMIUM = shutil.which("chromium")
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking")
DRAW_MS = 500
Scheme = Literal["light", "dark"]
OPEN_ALL = "for (const e of document.querySelectorAll('details')) e.open = true"
HREFS = "[...document.querySelectorAll('[href], [action], [formaction]')].flatMap(e => [e.getAttribute('href'), e.getAttribute('action'), e.getAttribute('formaction')]).filter(h => h)"  # noqa: E501
HANDLERS = "[...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => /^on/i.test(a.name))).map(e => e.outerHTML.slice(0, 120))"  # noqa: E501
ELEMENTS = "[...new Set([...document.querySelectorAll('*')].map(e => e.tagName.toLowerCase()))]"


@dataclass
class Seen:
    """One visit of a page."""

    requests: list[str] = field(default_factory=list)
    """Every address asked for but the page's own; none of them was let through."""
    scripts: list[str] = field(default_factory=list)
    """The sha256 of every script that Chromium compiled for the page, handlers in attributes included."""
    dialogs: list[str] = field(default_factory=list)
    """What alert, confirm and prompt said, and windows that opened."""
    console: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    """Where links and forms lead, as written."""
    handlers: list[str] = field(default_factory=list)
    """Elements with a script in an attribute."""
    elements: set[str] = field(default_factory=set)
    """The names of all elements."""
    text: str = ""
    serious: list[str] = field(default_factory=list)
    """What axe-core finds serious or critical: rule and element."""

    @property
    def script_links(self) -> list[str]:
        """Links that run something."""
        return [link for link in self.links if link.strip().lower().startswith(("javascript:", "data:", "vbscript:"))]


def launch(playwright: Playwright) -> Browser:
    """The system's Chromium; no name resolves in it but this machine's."""
    rules = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
    return playwright.chromium.launch(executable_path=CHROMIUM, args=[*SWITCHES, rules])


def visit(
    browser: Browser, where: str | Path, axe: bool = False, wait_ms: int = DRAW_MS, scheme: Scheme = "light"
) -> Seen:
    """Open a file or an address in a light or dark scheme, open all that is folded, and say what happened."""
    address = where.resolve().as_uri() if isinstance(where, Path) else where
    seen = Seen()
    with browser.new_context(bypass_csp=False, color_scheme=scheme) as context:
        page = context.new_page()
        _record(page, address, seen)
        page.goto(address, wait_until="load")
        page.evaluate(OPEN_ALL)
        page.wait_for_timeout(wait_ms)
        seen.links, seen.handlers = page.evaluate(HREFS), page.evaluate(HANDLERS)
        seen.elements, seen.text = set(page.evaluate(ELEMENTS)), page.inner_text("body")
        if axe:
            seen.serious = _serious(page)
    return seen


def _record(page: Page, address: str, seen: Seen) -> None:
    def route(route):
        own = route.request.url.split("#")[0] == address.split("#")[0]
        if not own:
            seen.requests.append(route.request.url)
        (route.continue_ if own else route.abort)()

    def compiled(script):
        if script.get("url", "").split("#")[0] == address.split("#")[0]:
            source = session.send("Debugger.getScriptSource", {"scriptId": script["scriptId"]})["scriptSource"]
            seen.scripts.append(hashlib.sha256(source.encode()).hexdigest())

    page.context.route("**/*", route)
    page.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
    page.on("popup", lambda popup: seen.dialogs.append(popup.url))
    page.on("console", lambda said: seen.console.append(said.text))
    session = page.context.new_cdp_session(page)
    session.on("Debugger.scriptParsed", compiled)
    session.send("Debugger.enable")


def _serious(page: Page) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    bad = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {node['html'][:200]}" for one in bad for node in one["nodes"]]
