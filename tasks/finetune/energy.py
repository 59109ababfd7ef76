"""What a training draws from the grid, by CodeCarbon without a network: metered where the machine can, else estimated.

Its CO2 hangs on where the machine stands, which the report is told (``report.country``), so that naming the place does
not train again. Of a training that was interrupted only the last part is counted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

ANYWHERE = "DEU"  # CodeCarbon wants a country for the CO2, which is not used
DIGITS = 9


@contextmanager
def metered() -> Iterator[dict[str, float]]:
    """Yields a mapping that, when the block ends well, holds the kWh of ``cpu``, ``gpu``, ``memory`` and of ``all``."""
    from codecarbon import OfflineEmissionsTracker

    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    used: dict[str, float] = {}
    tracker = OfflineEmissionsTracker(
        country_iso_code=ANYWHERE,
        output_methods=[],
        log_level="error",
        tracking_mode="process",
        allow_multiple_runs=True,
    )
    looking = Thread(target=tracker.start, name="energy meter")  # a second or more, before it begins to count
    looking.start()
    try:
        yield used
    finally:
        looking.join()
        tracker.stop()
    found = tracker.final_emissions_data
    parts = {"cpu": found.cpu_energy, "gpu": found.gpu_energy, "memory": found.ram_energy, "all": found.energy_consumed}
    used |= {name: round(float(value), DIGITS) for name, value in parts.items()}
