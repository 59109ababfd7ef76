"""Energy of a training, by CodeCarbon without a network: measured where the machine allows it, else estimated.

Optional (``pip install -c requirements.lock -e '.[energy]'``): without CodeCarbon, energy is not metered.
CO2 depends on the
country, which ``report.country`` gives, so that setting it does not retrain. Of a resumed training only the last part
counts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from threading import Thread

COUNTRY = "DEU"  # CodeCarbon requires one for the CO2, which is not used
DIGITS = 9


@contextmanager
def energy_meter() -> Iterator[dict[str, float]]:
    """Yields a mapping that holds, after the block, the kWh of ``cpu``, ``gpu``, ``memory`` and ``all``.

    It stays empty without CodeCarbon, and when the block fails.
    """
    used: dict[str, float] = {}
    if find_spec("codecarbon") is None:
        yield used
        return
    from codecarbon import OfflineEmissionsTracker

    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    tracker = OfflineEmissionsTracker(
        country_iso_code=COUNTRY,
        output_methods=[],
        log_level="error",
        tracking_mode="process",
        allow_multiple_runs=True,
    )
    starting = Thread(target=tracker.start, name="energy meter")  # takes a second or more
    starting.start()
    try:
        yield used
    finally:
        starting.join()
        tracker.stop()
    found = tracker.final_emissions_data
    parts = {"cpu": found.cpu_energy, "gpu": found.gpu_energy, "memory": found.ram_energy, "all": found.energy_consumed}
    used |= {name: round(float(value), DIGITS) for name, value in parts.items()}
