"""What cannot work is refused when serve starts, in a sentence that names the place; not on the night it is needed."""

from __future__ import annotations

import json
import logging

import pytest

from flows.machine.git import git
from flows.machine.home import HERE
from flows.schedule.deployments import declared
from flows.schedule.possible import require_blocks, require_data_remote, require_no_pool, warn_of_unreachable
from flows.schedule.prefect_yaml import FILE, read
from flows.schedule.work_pool import require_pools
from tasks.core.errors import UserError

TRAINING = """
deployments:
  - name: training
    entrypoint: flows/scheduled_training.py:scheduled_training
    {rest}
"""


def declare(home, rest):
    (home.origin / FILE).write_text(TRAINING.format(rest=rest))


@pytest.fixture
def served(deployed, monkeypatch):
    """A repository whose prefect.yaml is read as `driftline serve` does."""
    monkeypatch.chdir(HERE)
    git(deployed.origin, "branch", "-M", "main")
    git(deployed.origin, "remote", "add", "origin", "/srv/nowhere")

    def ask(rest):
        declare(deployed, rest)
        return declared(deployed)

    return ask


REFUSED = {
    "remote": (
        "parameters: {publish: {upstream: orgin}}",
        r"parameters\.publish\.upstream: .* no git remote orgin; .*origin",
    ),
    "branch": ("parameters: {revision: mian}", r"parameters\.revision: .* commit mian; its branches are main"),
    "branch of a schedule": (
        'schedules: [{cron: "0 2 * * *", parameters: {revision: mian}}]',
        r"schedules\.0\.parameters\.revision: .* commit mian",
    ),
    "an option for a branch": ("parameters: {revision: --all}", "begins with -"),
    "stage of a time limit": (
        "parameters: {limits: {stage_minutes: {finetun: 90}}}",
        r"stage_minutes: no stage 'finetun'",
    ),
    "stage": ("parameters: {stages: [frist]}", r"parameters\.stages: no stage 'frist'; the stages are first"),
    "cron": ('schedules: [{cron: "every night"}]', "every night"),
    "cron of sixty hours": ('schedules: [{cron: "0 60 * * *"}]', "0 60"),
    "time zone": ('schedules: [{cron: "0 2 * * *", timezone: Europe/Berlinn}]', "Europe/Berlinn"),
    "clones": ("parameters: {limits: {keep_clones: -1}}", "keep_clones"),
    "policy for lock": ("parameters: {limits: {overlap: wiat}}", "overlap"),
}


@pytest.mark.parametrize(("rest", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_misspelt_is_refused_by_name(served, rest, said):
    with pytest.raises(UserError, match=said) as refused:
        served(rest)
    assert "prefect.yaml" in str(refused.value) and refused.value.exit_code == 2


@pytest.mark.proof
def test_what_is_there_is_taken(served, deployed):
    git(deployed.origin, "tag", "v1")
    (one,) = served(
        "parameters: {revision: v1, stages: [third], publish: {upstream: origin}, "
        "limits: {stage_minutes: {'*': 1, third@one: 2}}}"
    )
    assert one.parameters["revision"] == "v1"


def test_a_revision_without_a_pipeline_is_refused(served, deployed):
    git(deployed.origin, "checkout", "--quiet", "--orphan", "pages")
    git(deployed.origin, "rm", "--cached", "-r", "--quiet", ".")
    git(deployed.origin, "commit", "--quiet", "--allow-empty", "-m", "pages")
    with pytest.raises(UserError, match=r"pages holds no dvc\.yaml"):
        served("parameters: {revision: pages}")


def commit(home, name, text):
    (home.origin / name).write_text(text)
    git(home.origin, "add", name)
    git(home.origin, "commit", "--quiet", "-m", name)


@pytest.mark.proof
def test_packages_of_other_versions_are_refused_unless_allowed(served, deployed):
    commit(deployed, "environment.json", json.dumps({"torch": "9.9.9", "no-such-package": "1"}))
    with pytest.raises(
        UserError, match=r"parameters\.revision: HEAD: .*torch .* instead of 9\.9\.9, no-such-package is not"
    ):
        served("tags: []")
    assert served("parameters: {limits: {other_versions: [torch, no-such-package]}}")


@pytest.mark.proof
def test_files_in_git_lfs_need_git_lfs(served, deployed, monkeypatch, tmp_path_factory):
    config = tmp_path_factory.mktemp("user") / "gitconfig"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    config.touch()
    commit(deployed, ".gitattributes", "*.csv filter=lfs diff=lfs merge=lfs -text\n")
    with pytest.raises(UserError, match=r"git LFS keeps files .* run `git lfs install`"):
        served("tags: []")
    git(deployed.origin, "config", "filter.lfs.smudge", "git-lfs smudge -- %f")
    assert served("tags: []")


@pytest.mark.proof
def test_a_dvc_remote_that_is_not_declared_is_refused(deployed):
    require_data_remote(deployed)
    text = "[core]\n    remote = storr\n['remote \"store\"']\n    url = /srv/store\n"
    (deployed.origin / ".dvc" / "config").write_text(text)
    with pytest.raises(UserError, match=r"core\.remote is storr, and the remotes are store"):
        require_data_remote(deployed)


@pytest.mark.proof
def test_a_remote_that_cannot_be_reached_now_is_said(deployed, caplog):
    git(deployed.origin, "remote", "add", "up", "/srv/nowhere")
    declare(deployed, "parameters: {publish: {upstream: up}}")
    with caplog.at_level(logging.WARNING):
        warn_of_unreachable(deployed, read(deployed.origin / FILE))
    assert "until the git remote up can be reached" in caplog.text and "/srv/nowhere" in caplog.text


def test_that_nobody_is_notified_is_said(deployed, caplog):
    declare(deployed, "tags: []")
    require_blocks(read(deployed.origin / FILE), deployed.origin / FILE)
    assert "nobody is notified" in caplog.text


@pytest.mark.long
@pytest.mark.parametrize("block", ["team", "slack-webhook/team/x", "/team"])
def test_what_is_no_name_of_a_block_is_refused(deployed, block, api):
    declare(deployed, f"parameters: {{publish: {{notify: {block}}}}}")
    with pytest.raises(UserError, match=r"training\.parameters\.publish\.notify: "):
        require_blocks(read(deployed.origin / FILE), deployed.origin / FILE)


@pytest.mark.slow
def test_blocks_and_pools_are_looked_for_on_the_server(deployed, api):
    from prefect.blocks.notifications import CustomWebhookNotificationBlock
    from prefect.blocks.system import Secret
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate

    file = deployed.origin / FILE
    CustomWebhookNotificationBlock(name="x", url="http://h.test/").save("there", overwrite=True)
    Secret(value="x").save("a-secret", overwrite=True)
    for block, said in (
        ("custom-webhook/taem", "taem"),
        ("slack/team", "slack"),
        ("secret/a-secret", "sends no notific"),
    ):
        for rest in (
            f"parameters: {{publish: {{notify: {block}}}}}",
            f'schedules: [{{cron: "0 2 * * *", parameters: {{publish: {{notify: {block}}}}}}}]',
        ):
            declare(deployed, rest)
            with pytest.raises(UserError, match=rf"notify: .*{said}.*: save it on the server, or correct the name"):
                require_blocks(read(file), file)
    declare(deployed, "parameters: {publish: {notify: custom-webhook/there}}")
    require_blocks(read(file), file)

    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="there", type="process"))
        for rest, said in (
            ("tags: []", "names no work pool"),
            ("work_pool: there", "names no work pool"),
            ("work_pool: {name: theer}", "has no work pool theer; its work pools are .*there"),
        ):
            declare(deployed, rest)
            with pytest.raises(UserError, match=said):
                require_pools(client, read(file), file)
        declare(deployed, "work_pool: {name: there}")
        require_pools(client, read(file), file)
        flow = client.create_flow_from_name("possible")
        client.create_deployment(flow, "pooled", work_pool_name="there")
        client.create_deployment(flow, "served")
        require_no_pool(client, ["possible/served", "possible/neither"])
        with pytest.raises(UserError, match="possible/pooled is registered for the work pool there"):
            require_no_pool(client, ["possible/served", "possible/pooled"])
