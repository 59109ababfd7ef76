"""Parameters of a wrong type are refused where a person starts the run, by the schema that the page's form shows."""

from __future__ import annotations

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError

from flows.schedule.deployments import declared
from tests.support.processes import TOP

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

REFUSED = [
    ("training", {"revision": 7}),
    ("training", {"stages": "finetune"}),
    ("training", {"limits": {"overlap": "waits"}}),
    ("training", {"limits": {"stage_minutes": {"finetune": "long"}}}),
    ("training", {"limits": {"stage_minutes": {"finetune": 0}}}),
    ("training", {"limits": {"keep_clones": 0}}),
    ("training", {"limits": {"keep_clone": 3}}),
    ("training", {"publish": {"notify": 3}}),
    ("training", {"revison": "main"}),
    ("monitoring", {"days": 7}),
    ("prune", {"clones": 3}),
    ("monitoring", {"window": {"days": "seven"}}),
    ("monitoring", {"window": {"days": -7}}),
    ("monitoring", {"window": {"since": "yesterday", "until": "2002-10-08"}}),
    ("monitoring", {"policy": {"refit_on": "daily"}}),
    ("monitoring", {"policy": {"tolerated_loss": 2}}),
    ("monitoring", {"policy": {"max_loss": 0.1}}),
    ("monitoring", {"policy": {"alarm_on": ["drift"]}}),
    ("monitoring", {"policy": {"false_alarms_a_year": 0}}),
    ("monitoring", {"policy": "alarm"}),
    ("monitoring", {"to_label": -1}),
    ("monitoring", {"to_label": "many"}),
    ("approval", {"hours": 0}),
    ("approval", {"hours": "long"}),
    ("approval", {"force": "yes"}),
    ("approval", {"rule": "nicer"}),
    ("rebuild", {"overlap": 1}),
    ("rebuild", {"other_versions": "torch"}),
]
TAKEN = [
    ("training", {"limits": {"overlap": "skip", "stage_minutes": {"finetune": 90, "*": 20}}}),
    ("training", {"request": {"windows": {"reference": {"until": "2002-09-01"}}}}),
    ("monitoring", {"window": {"since": "2002-10-01", "until": "2002-10-08T12:00:00+00:00"}}),
    ("monitoring", {"policy": {"refit_on": "alarm", "tolerated_loss": 0.1}, "to_label": 0}),
    ("approval", {"hours": 0.5, "rule": None}),
    ("rebuild", {"run": "training-mails-20261123-020000-3f2a", "other_versions": ["torch"]}),
]


@pytest.fixture(scope="module")
def start(api):
    """``start(deployment, parameters)`` as the page does: what the server answers."""
    with pytest.MonkeyPatch.context() as patch, get_client(sync_client=True) as client:
        patch.chdir(TOP)
        from flows.machine.home import Home

        keys = {one.name.split("-")[0]: one.apply() for one in declared(Home.of(TOP))}

        def start(name, parameters):
            try:
                client.create_flow_run_from_deployment(keys[name], parameters=parameters)
            except (httpx.HTTPStatusError, PrefectHTTPStatusError) as error:
                return error.response.status_code
            return 201

        yield start
        for key in keys.values():
            client.delete_deployment(key)


@pytest.mark.long
@pytest.mark.parametrize(("deployment", "parameters"), REFUSED)
def test_a_wrong_type_is_refused_before_there_is_a_run(start, deployment, parameters):
    assert start(deployment, parameters) == 409


@pytest.mark.parametrize(("deployment", "parameters"), TAKEN)
def test_what_fits_is_taken(start, deployment, parameters):
    assert start(deployment, parameters) == 201
