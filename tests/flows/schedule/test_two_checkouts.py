"""Two checkouts on one server: neither overwrites, retires or looks after what is the other's."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import time

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import DeploymentStatus, StateType

import driftline_login
from flows.machine.home import Home
from flows.reaper import flow_runs, reap_with
from flows.runs.record import records
from flows.schedule.deployments import declared
from flows.schedule.retired import retire
from flows.schedule.sole import require_sole
from flows.schedule.work_pool import deploy
from tasks.core.errors import UserError
from tests.support.prefect_api import with_hook
from tests.support.processes import TOP, wait_for
from tests.support.small_repository import make

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DECLARED = """
name: mails
deployments:
- name: training
  entrypoint: flows/scheduled_training.py:scheduled_training
  schedules: [{cron: "0 2 * * *"}]
  tags: [declared]
  work_pool: {name: two}
- name: rebuild
  entrypoint: flows/rebuild.py:rebuild
  work_pool: {name: two}
"""
NAMES = {("scheduled-training", "training"), ("rebuild", "rebuild")}


@pytest.fixture
def pair(api, repository, tmp_path_factory, monkeypatch):
    """Two checkouts of one repository, whose folders have one name as well."""
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.chdir(TOP)
    folders = [tmp_path_factory.mktemp(name) / "repository" for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        make(folder)
        (folder / "prefect.yaml").write_text(DECLARED)
    with get_client(sync_client=True) as client:  # other tests' are not looked at
        for one in on_the_server(client).values():
            client.delete_deployment(one.id)
    yield [Home.of(folder) for folder in folders]
    with get_client(sync_client=True) as client:
        for one in on_the_server(client).values():
            client.delete_deployment(one.id)


def names(home):
    return {(flow, f"{name}-{home.key}") for flow, name in NAMES}


def on_the_server(client):
    flows = {flow.id: flow.name for flow in client.read_flows()}
    all_of_them = {(flows[one.flow_id], one.name): one for one in client.read_deployments(limit=200)}
    return {name: one for name, one in all_of_them.items() if name[0] in ("scheduled-training", "rebuild", "theirs")}


def register(home, client):
    found = declared(home)
    for one in found:
        one.apply()
    return list(retire(client, home, {(one.flow_name, one.name) for one in found}))


def test_what_one_registers_the_other_leaves_alone(pair):
    one, two = pair
    assert one.name == two.name == "mails" and one.key != two.key
    with get_client(sync_client=True) as client:
        assert register(one, client) == register(two, client) == []
        known = on_the_server(client)
        assert known.keys() == names(one) | names(two)
        for home in pair:
            training = known["scheduled-training", f"training-{home.key}"]
            assert training.parameters["repository"] == str(home.origin)
            assert sorted(training.tags) == sorted(["declared", "mails", home.tag])
            assert str(home.origin) in training.description.replace("\\", "")
        (two.origin / "prefect.yaml").write_text(DECLARED[: DECLARED.index("- name: rebuild")])
        assert register(two, client) == [f"deleted the deployment rebuild/rebuild-{two.key}, no longer in prefect.yaml"]
        assert on_the_server(client).keys() == names(one) | {("scheduled-training", f"training-{two.key}")}


def test_a_moved_checkout_keeps_its_deployments_and_what_is_due_goes_where_it_is(pair):
    one, two = pair
    with get_client(sync_client=True) as client:
        register(one, client), register(two, client)
        before = on_the_server(client)
        run = client.create_flow_run_from_deployment(before["rebuild", f"rebuild-{one.key}"].id)
        moved = Home.of(one.origin.rename(one.origin.with_name("moved, #2")))
        assert register(moved, client) == []
        after = on_the_server(client)
        assert {name: found.id for name, found in after.items()} == {name: found.id for name, found in before.items()}
        assert after["rebuild", f"rebuild-{moved.key}"].parameters["repository"] == str(moved.origin)
        assert [found.id for found in flow_runs(client, moved, [StateType.SCHEDULED], ["rebuild"])] == [run.id]
        assert list(flow_runs(client, two, [StateType.SCHEDULED], ["rebuild"])) == []
        reap_with(client, moved)
        assert client.read_flow_run(run.id).parameters["repository"] == str(moved.origin)


def test_deployments_of_an_earlier_release_give_way_to_those_of_their_checkout_alone(pair):
    one, two = pair
    with get_client(sync_client=True) as client:
        training = client.create_flow_from_name("scheduled-training")
        own = client.create_flow_from_name("theirs")
        client.create_deployment(training, "training", parameters={"repository": str(one.origin)})
        client.create_deployment(own, "training", path=str(one.origin))
        assert register(two, client) == []
        assert register(one, client) == ["deleted the deployment scheduled-training/training, of an earlier release"]
        assert on_the_server(client).keys() == names(one) | names(two) | {("theirs", "training")}


def test_a_copy_on_another_machine_is_not_served_while_the_other_is(pair, monkeypatch):
    one, two = pair
    with get_client(sync_client=True) as client:
        register(two, client)
        with monkeypatch.context() as there:
            there.setattr(platform, "node", lambda: "other.example.org")
            register(one, client)
        found = [known for known in on_the_server(client).values() if one.tag in known.tags]
        require_sole(client, one, 0)  # nobody has asked for its runs yet
        client.get_scheduled_flow_runs_for_deployments([known.id for known in found])
        assert wait_for(lambda: client.read_deployment(found[0].id).status is DeploymentStatus.READY, 30)
        with pytest.raises(
            UserError, match=rf"served already \(.*{one.origin} on other\.example\.org\).*identity --new"
        ):
            require_sole(client, one, 0)
        require_sole(client, two, 0)
        monkeypatch.setattr(platform, "node", lambda: "other.example.org")
        require_sole(client, one, 0)


@pytest.mark.long
def test_a_worker_runs_each_checkout_on_its_own(pair, api, tmp_path, monkeypatch):
    """`prefect deploy --all`, as earlier releases had it, registered both by the same names."""
    environment = {**with_hook(tmp_path / "hook"), **driftline_login.HOOK, "PREFECT_API_URL": api}
    command = [sys.executable, "-m", "prefect", "--no-prompt", "work-pool", "create", "two", "--type", "process"]
    subprocess.run(command, cwd=TOP, env=environment, capture_output=True, timeout=120, check=True)
    with get_client(sync_client=True) as client:
        for home in pair:
            assert deploy(home) == [f"registered {'/'.join(name)}" for name in sorted(names(home), reverse=True)]
        assert deploy(pair[0])[2:] == []
        known = on_the_server(client)
        assert known.keys() == names(pair[0]) | names(pair[1])
        assert {one.work_pool_name for one in known.values()} == {"two"}
        assert known["scheduled-training", f"training-{pair[1].key}"].schedules[0].schedule.cron == "0 2 * * *"
        for home in pair:
            client.create_flow_run_from_deployment(known["scheduled-training", f"training-{home.key}"].id)
        worker = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "two", "--run-once"]
        subprocess.run(worker, cwd=tmp_path, env=environment, capture_output=True, timeout=300, check=True)
        deadline = time.monotonic() + 120
        while not all(records(home.origin) for home in pair) and time.monotonic() < deadline:
            time.sleep(0.5)
    assert [len(records(home.origin)) for home in pair] == [1, 1]
    assert all(home.clones.is_dir() for home in pair)
    shutil.rmtree(pair[0].folder)
    assert pair[1].clones.is_dir()
