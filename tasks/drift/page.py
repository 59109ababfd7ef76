"""``reports/drift.html``: the verdict in words, what moved, the texts behind it, Evidently's distributions below."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tasks.artefacts import replacing
from tasks.drift import Params
from tasks.drift.examples import what_changed
from tasks.drift.rows import Rows

if TYPE_CHECKING:
    from tasks.drift.verdict import Verdict

TITLES = {
    (None, None): ("No verdict", "silent"),
    (True, True): ("Drift", "alarm"),
    (False, True): ("Change, but too small for an alarm", "notice"),
    (False, False): ("No drift", "calm"),
}
# The page asks nobody for anything, whatever a text in it says.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; font-src data:; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)


def write(verdict: Verdict, reference: Rows, current: Rows, params: Params, seed: int, path: Path) -> None:
    """Write the page for a verdict. It shows a seeded sample of each side's rows; the verdict came from all."""
    rng = np.random.default_rng([seed, 3])
    before, now = (_sample(rows, params.report_rows, rng) for rows in (reference, current))
    page = _page(verdict, before, now, params)
    with replacing(path) as part:
        part.write_text(page, encoding="utf-8")


def _sample(rows: Rows, most: int, rng: np.random.Generator) -> Rows:
    if rows.count <= most:
        return rows
    return rows.take(np.sort(rng.choice(rows.count, most, replace=False)))


def _page(verdict: Verdict, reference: Rows, current: Rows, params: Params) -> str:
    words, examples = what_changed(reference, current, params.examples) if verdict["signals"] else ([], [])
    title, tone = TITLES[(verdict["drifted"], verdict["significant"])]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    head = environment.get_template("page.html").render(
        title=title,
        tone=tone,
        verdict=verdict,
        signals=_sorted(verdict["signals"]),
        shown={"reference": reference.count, "current": current.count},
        words=words,
        examples=examples,
    )
    return _join(head, _evidently(verdict, reference, current))


def _sorted(signals: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return sorted(
        signals.items(), key=lambda pair: (not pair[1]["alarm"], not pair[1]["significant"], -pair[1]["effect"])
    )


def _evidently(verdict: Verdict, reference: Rows, current: Rows) -> str:
    from tasks.drift.distributions import html

    return html(verdict, reference, current)


def _join(head: str, page: str) -> str:
    """Our part first in the body of Evidently's page, and the policy first in its head."""
    meta = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n<title>Drift</title>'
    for tag, addition in (("<head>", meta), ("<body>", head)):
        before, found, after = page.partition(tag)
        if not found:
            raise RuntimeError(f"Evidently's page has no {tag}: its template has changed")
        page = f"{before}{found}\n{addition}\n{after}"
    return page.strip() + "\n"
