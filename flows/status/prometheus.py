"""A status for a collector of metrics, in Prometheus's text format: ``driftline status --prometheus``."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from flows.status.model import Status


def text(found: Status) -> str:
    """Gauges that begin with ``driftline_``, each with the repository's name and the checkout's id as labels."""
    registry, of = CollectorRegistry(), {"repository": found.repository, "checkout": found.checkout}

    def gauge(name: str, about: str, value: float | None, more: Mapping[str, str] | None = None) -> None:
        if value is not None:
            labels = {**of, **(more or {})}
            Gauge(f"driftline_{name}", about, labels, registry=registry).labels(**labels).set(value)

    gauge("healthy", "1: driftline status finds no problem", not found.problems)
    gauge("server_up", "1: the Prefect server answers", found.server.problem is None)
    gauge("runner_up", "1: driftline serve or a worker is there", found.runner.alive)
    if runs := found.runs:
        gauge("runs_running", "Runs under way", len(runs.running))
        gauge("runs_overdue", "Runs that are due for 15 minutes and have not begun", len(runs.overdue))
    if windows := found.windows:
        gauge("windows_waiting", "Windows that have closed and were not watched", windows.waiting)
        gauge("windows_without_rows", "Windows, of the newest 60, in which nothing has arrived", windows.without_rows)
        for name, about, moment in (
            ("watched_until_age_seconds", "Since the end of the newest window watched", windows.watched_until),
            ("oldest_waiting_age_seconds", "Since the first window that waits has closed", windows.oldest_closed),
        ):
            gauge(f"windows_{name}", about, (found.at - moment).total_seconds() if moment else None)
    if champion := found.champion:
        known = {"version": champion.version, "commit": champion.commit}
        gauge("champion_info", "The model in production", 1, known)
        age = (found.at - champion.trained_until).total_seconds() if champion.trained_until else None
        gauge(
            "champion_code_age_seconds",
            "Since the commit of the code that watches",
            (found.at - champion.committed).total_seconds(),
        )
        gauge("champion_code_files_changed", "On the branch since, which monitoring does not run", champion.changed)
        gauge("champion_age_seconds", "Since the end of what the champion was trained on", age)
    gauge("labels_waiting_rows", "Rows that were offered for labelling and have no label", found.labels.rows)
    gauge("labels_waiting_windows", "Windows of these rows", found.labels.windows)
    gauge("notifications_waiting", "Notifications that could not be sent yet", found.notifications_waiting)
    gauge("disk_free_bytes", "Free where the repository is", found.disk_free_bytes)
    last = Gauge(
        "driftline_last_run_timestamp_seconds",
        "When the newest run of a flow that ended so has ended",
        [*of, "flow", "outcome"],
        registry=registry,
    )
    for run in found.last_runs:
        last.labels(**of, flow=run.flow, outcome=run.outcome).set(run.ended.timestamp())
    return generate_latest(registry).decode()
