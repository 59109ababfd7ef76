"""What runs on record and promotions say, at an MLflow tracking server: ``publish.mlflow`` of prefect.yaml.

Off unless that key names a server. MLflow gets a copy to look at and to deploy from; git and DVC stay what counts, and
nothing is ever read back. What cannot be delivered waits in the checkout's home and goes along with the next run's.
"""

from __future__ import annotations

from tasks.core.extras import require_extra


def require_mlflow() -> None:
    """UserError with the command that installs it, where it is not."""
    require_extra("mlflow", "mlflow")
