"""Numbers, names and ranges as a person reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup, escape

from tasks.core.params import Model
from tasks.core.rows import Modality
from tasks.core.task import Task
from tasks.dataset.windows import WindowRange

MINUS = "\N{MINUS SIGN}"
JOINED = "\N{NO-BREAK SPACE}"


OF: dict[Modality, dict[str, str]] = {
    "text": {
        "one": "A text",
        "many": "texts",
        "task": "text-classification",
        "call": 'pipeline("text-classification", "models/classifier", truncation=True)',
        "baseline": "a linear model of TF-IDF, chosen and calibrated on the validation rows",
        "card_baseline": "a linear model of TF-IDF, chosen on validation",
        "drift_page": "Words, texts and distributions",
    },
    "image": {
        "one": "An image",
        "many": "images",
        "task": "image-classification",
        "call": 'pipeline("image-classification", "models/classifier")',
        "baseline": "logistic regression on the grey levels of the images, scaled to 28 × 28 pixels",
        "card_baseline": "logistic regression on their pixels",
        "drift_page": "Distributions",
    },
}
"""What the page calls things, by what the rows are."""


IMPORTED = "import tasks.modelling.checkpoints.families.linear  # registers it"


def of(reads: Modality, linear: bool, task: Task = "single_label") -> dict[str, str]:
    """What the page calls things; ``linear``: the model has to be registered before it is loaded."""
    found = OF[reads] | {"register": IMPORTED if linear else ""}
    if task == "multi_label":  # else the pipeline says the likeliest label alone
        found["call"] = found["call"].replace("truncation=True", "truncation=True, top_k=None")
    return found


def count(value: int) -> str:
    """6046 → 6,046."""
    return f"{value:,}"


def figure(value: float) -> str:
    """Three digits after the point."""
    return f"{value:.3f}".replace("-", MINUS)


def signed(value: float) -> str:
    """The same with its sign, a plus too."""
    return f"{value:+.3f}".replace("-", MINUS)


def percent(share: float, digits: int = 1) -> str:
    """0.1034 → 10.3 %."""
    return f"{share * 100:.{digits}f}{JOINED}%".replace("-", MINUS)


def points(share: float) -> str:
    """A difference of two shares in percentage points."""
    return f"{share * 100:+.1f}".replace("-", MINUS)


def p_value(value: float) -> str:
    """Three digits after the point."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def name(key: str) -> str:
    """tokens_per_second → tokens per second."""
    return key.replace("_", " ")


def code(text: str) -> Markup:
    """Escaped, and what stands between backticks set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def window_range(window: WindowRange) -> str:
    """The half-open range in days, or to the minute where it does not begin at midnight."""
    first, last = (
        moment and f"{moment:%Y-%m-%d %H:%M}".removesuffix(" 00:00") for moment in (window.from_, window.until)
    )
    if first and last:
        return f"from {first}, before {last}"
    if first:
        return f"from {first}"
    return f"before {last}" if last else "of any time"


def checkpoint(model: Model) -> str:
    """Where the weights came from."""
    if model.family == "linear":
        return "none, a linear model of n-grams"
    if model.name is None:
        return f"none, drawn at random (family {model.family})"
    return model.name + (f" at {model.revision}" if model.revision else "")


def origin(model: Model) -> str:
    """The same as half a sentence."""
    if model.family == "linear":
        return "a linear model of its n-grams (TF-IDF)"
    how = "trained from weights drawn at random" if model.name is None else f"fine-tuned from {checkpoint(model)}"
    return how if model.name or not model.family else f"{how}, of the family {model.family}"


def chosen(baseline: Mapping[str, Any]) -> str:
    """What the baseline is, where it was chosen; of images, nothing."""
    its = baseline.get("chosen")
    return "" if its is None else f"{name(its['features'])}, {name(its['estimator'])}, C = {its['penalty']:g}"


def facts(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and values of everything in a record that fits a line; what is nested is named after both."""
    for key, value in record.items():
        if isinstance(value, Mapping):
            yield from facts(value, f"{prefix}{name(key)}: ")
        elif not isinstance(value, list):
            yield f"{prefix}{name(key)}", _shown(value)


def _shown(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return count(value)
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
