"""Edits made on Prefect's page: told before prefect.yaml overwrites them, and written into it on request."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from flows.schedule.deployments import WINS, declared
from flows.schedule.edits import edits, note, overwritten
from flows.schedule.prefect_yaml import read
from flows.schedule.pull import pull
from tests.support.prefect_api import logged_in
from tests.support.processes import TOP

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
DECLARED = """# what runs when
definitions:
  limits: &limits
    overlap: wait          # or skip
    stage_minutes: {}      # time limit by stage

deployments:
  - name: training
    description: Nightly
    entrypoint: flows/scheduled_training.py:scheduled_training
    schedules:
      - {cron: "0 2 * * *", timezone: UTC}     # at night
      - {cron: "0 14 * * 6", timezone: Europe/Berlin}
    parameters:
      revision: HEAD       # what to train from
      limits: *limits

  - name: monitoring
    entrypoint: flows/monitoring/flow.py:monitoring
    schedules: [{interval: "06:00:00", anchor_date: "2026-01-01T00:00:00+00:00"}]
    parameters:
      to_label: 100        # rows
      limits: *limits
"""


@pytest.fixture
def registered(api, deployed, monkeypatch):
    """The deployments of the file, on the server as `serve` leaves them."""
    monkeypatch.chdir(TOP)
    (deployed.origin / "prefect.yaml").write_text(DECLARED)
    register(deployed)
    yield deployed
    with get_client(sync_client=True) as client:
        for one in client.read_deployments():
            client.delete_deployment(one.id)


def register(home):
    deployments = declared(home)
    with get_client(sync_client=True) as client:
        said = list(overwritten(client, home, deployments))
    for one in deployments:
        asyncio.run(one.apply()) if asyncio.iscoroutinefunction(one.apply) else one.apply()
    note(home, deployments)
    return said


def on_page(api, flow, what, path="", method="PATCH"):
    """Change a deployment as the page does."""
    with logged_in(api) as client:
        (found,) = [one for one in client.post("deployments/filter", json={}).json() if one["name"].startswith(flow)]
        change = what(found)
        path = path.format(*(one["id"] for one in found["schedules"]))
        client.request(method, f"deployments/{found['id']}{path}", json=change).raise_for_status()


def with_group(found, group, **values):
    """The parameters as the page's form sends them: a group comes whole."""
    defaults = {"overlap": "wait", "stage_minutes": {}, "keep_clones": 5, "other_versions": []}
    return {"parameters": {**found["parameters"], group: {**defaults, **values}}}


def edit(api):
    """What somebody sets for a freeze: a longer stage, fewer rows, one schedule off, another hour."""
    on_page(api, "training", lambda found: with_group(found, "limits", stage_minutes={"first": 90}))
    on_page(api, "monitoring", lambda found: {"parameters": {**found["parameters"], "to_label": 50}, "paused": True})

    def rule(found, cron):
        return next(place for place, one in enumerate(found["schedules"]) if one["schedule"]["cron"] == cron)

    for cron, change in (
        ("0 2 * * *", {"active": False}),
        ("0 14 * * 6", {"schedule": {"cron": "30 15 * * 6", "timezone": "Europe/Berlin"}}),
    ):
        with logged_in(api) as client:
            found = next(
                one for one in client.post("deployments/filter", json={}).json() if one["name"].startswith("training")
            )
        on_page(api, "training", lambda _, change=change: change, f"/schedules/{{{rule(found, cron)}}}")


def test_nothing_is_told_where_nobody_has_changed_anything(registered):
    assert register(registered) == []
    with get_client(sync_client=True) as client:
        assert list(pull(client, registered)) == []
        assert all(WINS in one.description for one in client.read_deployments() if registered.tag in one.tags)
    assert (registered.origin / "prefect.yaml").read_text() == DECLARED


def test_a_change_of_the_file_is_no_edit_of_the_page(registered):
    (registered.origin / "prefect.yaml").write_text(DECLARED.replace("to_label: 100", "to_label: 7"))
    with get_client(sync_client=True) as client:
        assert not any(edits(client, registered, one) for one in declared(registered))
    assert register(registered) == []


@pytest.mark.proof
def test_each_edit_is_told_as_a_diff_before_it_is_overwritten(api, registered):
    edit(api)
    said = "\n".join(register(registered))
    for line in (
        "- parameters.limits.stage_minutes.first: 90",
        "- parameters.to_label: 50",
        "+ parameters.to_label: 100",
        "- paused: true",
        "+ paused: false",
        '"30 15 * * 6"',
        '"active": false',
    ):
        assert line in said, said
    assert "overlap" not in said and "keep_clones" not in said  # filled in by the page's form, not changed
    assert register(registered) == []


@pytest.mark.proof
def test_edits_are_pulled_into_the_file_with_its_comments_and_nothing_else_changes(api, registered):
    edit(api)
    before = {one.name: one for one in read(registered.origin / "prefect.yaml")}
    with get_client(sync_client=True) as client:
        said = "\n".join(pull(client, registered))
    assert "+ parameters.limits.stage_minutes.first: 90" in said
    text = (registered.origin / "prefect.yaml").read_text()
    for comment in ("# what runs when", "# or skip", "# at night", "# what to train from", "# rows"):
        assert comment in text, text
    after = {one.name: one for one in read(registered.origin / "prefect.yaml")}
    training, monitoring = after["training"], after["monitoring"]
    assert training.parameters["limits"] == {"overlap": "wait", "stage_minutes": {"first": 90}}
    assert monitoring.parameters == {**before["monitoring"].parameters, "to_label": 50}  # its limits are its own
    assert monitoring.paused
    assert [(one.cron, one.active, one.timezone) for one in training.schedules] == [
        ("0 2 * * *", False, "UTC"),
        ("30 15 * * 6", True, "Europe/Berlin"),
    ]
    assert register(registered) == []  # the file says what the page does: nothing is lost
    assert text.count("definitions") == 1 and Path(registered.origin / "prefect.yaml").exists()


def test_schedules_added_and_removed_on_the_page_are_pulled(api, registered):
    on_page(api, "training", lambda _: [{"schedule": {"interval": 3600.0}, "active": True}], "/schedules", "POST")
    on_page(api, "monitoring", lambda _: None, "/schedules/{0}", "DELETE")
    with get_client(sync_client=True) as client:
        list(pull(client, registered))
    after = {one.name: one for one in read(registered.origin / "prefect.yaml")}
    assert len(after["training"].schedules) == 3
    assert after["training"].schedules[2].interval.total_seconds() == 3600
    assert after["monitoring"].schedules == []
