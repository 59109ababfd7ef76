"""What a training drew from the grid, and the CO2 of that, by CodeCarbon's own table of grids; no network."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from tasks.core.errors import UserError
from tasks.core.extras import require_extra

PARTS = {"all": "energy", "cpu": "of which processor", "gpu": "of which GPU", "memory": "of which memory"}


def emissions(cost: Mapping[str, Any], country: str | None) -> list[tuple[str, str]]:
    """Names and values for the page."""
    used = cost.get("energy_kwh")
    if not used:
        return [("energy", "not metered")]
    figures = [(words, f"{1000 * used[part]:,.3g} Wh") for part, words in PARTS.items() if used[part]]
    if country is None:
        return [*figures, ("CO2", "name the country in report.country")]
    if find_spec("codecarbon") is None:
        return [*figures, ("CO2", "needs CodeCarbon: pip install -c requirements.lock -e '.[energy]'")]
    return [*figures, (f"CO2, the grid of {country}", f"{1000 * _kilograms(used['all'], country):,.3g} g")]


def _kilograms(kwh: float, country: str) -> float:
    require_extra("codecarbon", "energy")
    from codecarbon.core.emissions import Emissions
    from codecarbon.core.units import Energy
    from codecarbon.external.geography import GeoMetadata
    from codecarbon.input import DataSource

    source = DataSource()
    if country not in source.get_global_energy_mix_data():
        raise UserError(f"report.country: CodeCarbon knows no electricity of {country!r}; write it as DEU, FRA, USA")
    return float(Emissions(source).get_private_infra_emissions(Energy.from_energy(kWh=kwh), GeoMetadata(country)))
