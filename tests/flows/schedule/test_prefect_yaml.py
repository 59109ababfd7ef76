"""prefect.yaml as it may be written, and what is said of one that may not."""

from __future__ import annotations

import subprocess
from datetime import timedelta

import pytest
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.utilities.callables import parameter_schema

from flows.approval import approval
from flows.backtest.flow import backtest
from flows.machine.home import Home
from flows.monitoring.flow import monitoring
from flows.promotion import promotion
from flows.pruning import pruning
from flows.rebuild import rebuild
from flows.schedule.deployments import declared, parameters, unused
from flows.scheduled_training import scheduled_training
from flows.training import training
from tasks.core.errors import UserError
from tests.support.processes import TOP

FLOWS = (approval, backtest, monitoring, promotion, pruning, rebuild, scheduled_training, training)
MONITORING = "flows/monitoring/flow.py:monitoring"


@pytest.fixture
def home(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    monkeypatch.chdir(TOP)
    return Home.of(tmp_path)


def write(home, text):
    (home.origin / "prefect.yaml").write_text(text)


def one(home, *lines):
    """A file with one deployment of monitoring, named m."""
    write(
        home, "\n".join(["deployments:", "- name: m", f"  entrypoint: {MONITORING}", *(f"  {line}" for line in lines)])
    )


def refusal(home):
    with pytest.raises(UserError) as refused:
        declared(home)
    return str(refused.value).removeprefix(f"{home.origin / 'prefect.yaml'}").removeprefix(": ")


@pytest.mark.proof
def test_the_file_of_this_repository_declares_every_deployment_with_all_its_settings(monkeypatch):
    monkeypatch.chdir(TOP)
    key = Home.of(TOP).key
    found = {one.name.removesuffix(f"-{key}"): one for one in declared(Home.of(TOP))}
    assert list(found) == ["training", "monitoring", "approval", "rebuild", "prune"]
    assert found["training"].schedules[0].schedule == CronSchedule(cron="0 2 * * *", timezone="UTC")
    assert found["monitoring"].parameters["policy"].keys() >= {"refit_on", "cooldown_days", "tolerated_loss", "rule"}
    assert {str(TOP)} == {one.parameters["repository"] for one in found.values()}
    assert unused(Home.of(TOP)) == [
        "prefect.yaml: work_pool of training, monitoring, approval, rebuild, prune is for a work pool, not used here"
    ]


@pytest.mark.proof
@pytest.mark.parametrize(
    ("written", "schedule"),
    [
        ("cron: '0 6 * * 1', timezone: Europe/Berlin", CronSchedule(cron="0 6 * * 1", timezone="Europe/Berlin")),
        ("interval: 3600", IntervalSchedule(interval=timedelta(hours=1))),
        ("interval: PT6H", IntervalSchedule(interval=timedelta(hours=6))),
        ("interval: 06:00:00", IntervalSchedule(interval=timedelta(hours=6))),
        ("interval: '06:00:00'", IntervalSchedule(interval=timedelta(hours=6))),
        ("rrule: 'FREQ=DAILY;COUNT=3'", RRuleSchedule(rrule="FREQ=DAILY;COUNT=3")),
    ],
)
def test_schedules_are_prefects(home, written, schedule):
    one(home, f"schedules: [{{{written}, active: false}}]")
    ((found,),) = (made.schedules for made in declared(home))
    assert found.active is False
    same = {"anchor_date"}  # an interval without one counts from now
    expected = DeploymentScheduleCreate(schedule=schedule).schedule  # Prefect adds a beginning to an rrule
    assert found.schedule.model_dump(exclude=same) == expected.model_dump(exclude=same)


@pytest.mark.proof
def test_anchors_variables_and_limits_are_read(home, monkeypatch):
    monkeypatch.setenv("HOOK", "team")
    write(
        home,
        f"""
definitions: {{publish: &publish {{notify: "slack-webhook/{{{{ $HOOK }}}}"}}}}
deployments:
- name: m
  entrypoint: {MONITORING}
  parameters: {{publish: *publish}}
  concurrency_limit: {{limit: 2, collision_strategy: CANCEL_NEW}}
  work_pool: {{name: "{{{{ $NOT_SET }}}}"}}
  pull: [{{step: "{{{{ prefect.blocks.x.y }}}}"}}]
""",
    )
    (found,) = declared(home)
    assert found.parameters["publish"] == {"notify": "slack-webhook/team"}
    assert (found.concurrency_limit, found.concurrency_options.collision_strategy.name) == (2, "CANCEL_NEW")
    assert [line.split(" is for")[0] for line in unused(home)] == [
        "prefect.yaml: work_pool of m",
        "prefect.yaml: pull of m",
    ]
    one(home, "concurrency_limit: 3")
    assert declared(home)[0].concurrency_limit == 3


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("schedule: {cron: x}", "unknown key deployments.m.schedule; deployments.m takes name, entrypoint"),
        ("flow_name: x", "unknown key deployments.m.flow_name"),
        ("schedules: [{crn: x}]", "unknown key deployments.m.schedules.0.crn; deployments.m.schedules.0 takes cron"),
        ("schedules: [{cron: '0 0'}]", 'deployments.m.schedules.0: Invalid cron string: "0 0"'),
        ("schedules: [{cron: '@daily', interval: 5}]", "name exactly one of cron, interval and rrule"),
        ("schedules: [{interval: -5}]", "deployments.m.schedules.0.interval: "),
        ("schedules: [{interval: 5, timezone: Europe/Brlin}]", 'Invalid timezone: "Europe/Brlin"'),
        (
            "schedules: [{cron: '@daily', active: 'no'}]",
            "schedules.0.active: Input should be a valid boolean, not 'no'",
        ),
        ("schedules: [{cron: '@daily', parameters: {x: 1}}]", "unknown key deployments.m.schedules.0.parameters.x"),
        (
            "parameters: {polcy: {}}",
            "deployments.m.parameters takes repository, window, policy, to_label, limits, publish",
        ),
        ("parameters: {policy: {refit: alarm}}", "unknown key deployments.m.parameters.policy.refit;"),
        (
            "parameters: {policy: {refit_on: alarms}}",
            "should be 'never', 'schedule', 'alarm', 'harmful', 'unusual' or 'estimated_loss', not 'alarms'",
        ),
        (
            "parameters: {to_label: many}",
            "deployments.m.parameters.to_label: Input should be a valid integer, not 'many'",
        ),
        (
            "parameters: {policy: {cooldown_days: -1}}",
            "policy.cooldown_days: Input should be greater than or equal to 0",
        ),
        ("parameters: {act: train}", "deployments.m.parameters.act is now deployments.m.parameters.policy.action"),
        (
            "parameters: {policy: alarm}",
            "deployments.m.parameters.policy is now deployments.m.parameters.policy.refit_on",
        ),
        (
            "parameters: {upstream: '{{ $NO_SUCH }}'}",
            "parameters.upstream: the environment variable NO_SUCH is not set",
        ),
        ("description: '{{ prefect.variables.x }}'", "{{ prefect.variables.x }} is not understood"),
        ("concurrency_limit: 0", "deployments.m.concurrency_limit.limit: Input should be greater than or equal to 1"),
        ("concurrency_limit: {limit: 1, collision_strategy: DROP}", "Input should be 'ENQUEUE' or 'CANCEL_NEW'"),
        ("parameters: {repository: .}", "is ., but "),
    ],
)
def test_what_is_not_understood_is_refused_by_name(home, line, words):
    one(home, line)
    assert words in refusal(home)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("deployments: []", "deployments: List should have at least 1 item"),
        ("nme: x", "unknown key nme"),
        ("- deployments", "must hold a mapping"),
        ("deployments: [", "is not valid YAML"),
        ("deployments: [{name: {{ $X }}}]", "needs quotes"),
        ("deployments: [3]", "deployments.0: Input should be a valid dictionary"),
        ("deployments:\n- {name: a, name: b}", 'duplicate key "name"'),
        ("deployments: [{name: a}]", "deployments.a.entrypoint is missing"),
        (
            "deployments: [{name: a, entrypoint: flows/no.py:x}]",
            "deployments.a.entrypoint: flows/no.py does not exist in",
        ),
        ("deployments: [{name: a, entrypoint: flows/serve.py:serve}]", "'serve' is not a flow"),
        ("deployments: [{name: a, entrypoint: flows/nightly.py:nightly}]", "is now flows/scheduled_training.py"),
        (
            f"deployments: [{{name: a, entrypoint: '{MONITORING}'}}, {{name: a, entrypoint: '{MONITORING}'}}]",
            "two deployments",
        ),
    ],
)
def test_a_file_that_is_none_is_refused(home, text, words):
    write(home, text)
    assert words in refusal(home)


def test_a_repository_without_the_file_is_not_served(home):
    assert "does not exist" in refusal(home)


def test_by_hand_starts_from_the_deployment_or_the_flows_own_defaults(home):
    assert parameters(home, monitoring, MONITORING).to_label == 200
    one(home, "parameters: {policy: {refit_on: alarm, tolerated_loss: 0.1}, to_label: 7}")
    found = parameters(home, monitoring, MONITORING)
    assert (found.policy.refit_on, found.policy.tolerated_loss, found.policy.cooldown_days, found.to_label) == (
        "alarm",
        0.1,
        7,
        7,
    )


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_prefects_page_has_a_short_form_with_a_description_and_a_default_for_every_field(flow):
    schema = parameter_schema(flow)
    assert len(schema.properties) <= 6 and not schema.required
    described = schema.properties | {
        f"{group}.{name}": field
        for group, its in (schema.definitions or {}).items()
        for name, field in its["properties"].items()
    }
    for name, field in described.items():
        assert "default" in field or field.get("type") in ("object", "array"), name
        group = field.get("$ref", "").rpartition("/")[2]
        assert field.get("description") or schema.definitions[group]["description"], name
