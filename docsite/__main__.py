"""Write docs/reference/: ``python -m docsite``. The tests refuse pages that are not as the code says."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from docsite import commands, metrics, params, prefect_yaml
from docsite.pages import DOCS, TOP

FOLDER = TOP / DOCS / "reference"
PAGES: Mapping[str, Callable[[], str]] = {
    "params.md": params.page,
    "prefect-yaml.md": prefect_yaml.page,
    "metrics.md": metrics.page,
    "commands.md": commands.page,
}


def main() -> None:
    """Write each page."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
