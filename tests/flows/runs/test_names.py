"""A run's name says what, of which repository, and for which window or when; git and shells take it as it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.orchestration import get_client
from prefect.states import Scheduled

from flows.machine.git import git, succeeds
from flows.runs.names import is_named, named
from flows.schedule.naming import name_scheduled
from flows.scheduled_training import scheduled_training
from flows.windows.ranges import TimeRange, as_utc

DUE = datetime(2026, 11, 23, 2, tzinfo=UTC)
KEY = "9b21d0e5-f9b7-4981-b3b6-1002fa171e2f"


@pytest.mark.parametrize(
    ("when", "name"),
    [
        (DUE, "training-mails-20261123-020000-1e2f"),
        (TimeRange(as_utc("2002-10-01"), as_utc("2002-10-08")), "training-mails-20021001-20021008-1e2f"),
        (
            TimeRange(as_utc("2002-10-01T06:00"), as_utc("2002-10-01T12:30")),
            "training-mails-20021001T0600-20021001T1230-1e2f",
        ),
    ],
)
def test_a_name_has_the_repository_and_the_window_or_when_it_was_due(when, name):
    assert named("training", "/nowhere/mails", when, KEY) == name
    assert is_named(name)


@pytest.mark.parametrize("drawn", ["girlish-cheetah", "vivacious-pigeon", "big-2002-owl"])
def test_what_prefect_draws_is_no_name_of_ours(drawn):
    assert not is_named(drawn)


@pytest.mark.proof
@given(folder=st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1))
def test_any_folder_gives_a_name_that_is_part_of_a_git_reference(folder):
    name = named("training", f"/nowhere/{folder}", DUE, KEY)
    assert is_named(name)
    assert succeeds("/", "check-ref-format", f"refs/driftline/records/{name}")
    assert not set(name) & set(" '\"$`;&|<>()*?[]#~!\\\n\t")


@pytest.mark.slow
def test_scheduled_runs_are_named_before_they_start(api, deployed):
    with get_client(sync_client=True) as client:
        flow = client.create_flow(scheduled_training)
        parameters = {"repository": str(deployed.origin)}
        key = client.create_deployment(flow, "training", parameters=parameters)
        due = datetime.now(UTC) + timedelta(days=1)
        ours = client.create_flow_run_from_deployment(key, state=Scheduled(scheduled_time=due))
        theirs = client.create_flow_run_from_deployment(key, parameters={"repository": "/nowhere/else"})
        assert not is_named(ours.name)
        for _ in range(2):
            name_scheduled(client, deployed)
        name = client.read_flow_run(ours.id).name
        assert client.read_flow_run(theirs.id).name == theirs.name  # of another repository, which names its own
        client.delete_deployment(key)
    assert name == f"training-{deployed.origin.name}-{due:%Y%m%d-%H%M%S}-{str(ours.id)[-4:]}"
    assert git(deployed.origin, "check-ref-format", "--branch", name) == name
