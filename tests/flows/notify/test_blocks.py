"""A backup takes the notification blocks that prefect.yaml names along, with their secrets, and no others."""

from __future__ import annotations

import pytest
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client

from flows.notify import blocks
from tasks.core.errors import UserError

pytestmark = pytest.mark.slow
YAML = """
deployments:
- name: training
  entrypoint: flows/scheduled_training.py:scheduled_training
  parameters: {publish: {notify: slack-webhook/team}}
- name: rebuild
  entrypoint: flows/rebuild.py:rebuild
  parameters: {notify: slack-webhook/night}
- name: monitoring
  entrypoint: flows/monitoring/flow.py:monitoring
  parameters: {publish: {notify: slack-webhook/gone}}
"""


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_what_a_repository_notifies_comes_to_another_server(api, deployed):
    from prefect.blocks.notifications import SlackWebhook

    (deployed.origin / "prefect.yaml").write_text(YAML)
    for name in ("team", "night", "other"):
        SlackWebhook(url=f"https://hooks.slack.com/{name}").save(name, overwrite=True)
    found = list(blocks.saved(deployed))
    assert [str(one) for one in found] == ["slack-webhook/night", "slack-webhook/team"]
    assert not any(blocks.bring(one) for one in found), "they are there already"
    with get_client(sync_client=True) as client:
        client.delete_block_document(client.read_block_document_by_name("team", "slack-webhook").id)
    assert [blocks.bring(one) for one in found] == [False, True]
    assert Block.load("slack-webhook/team").url.get_secret_value() == "https://hooks.slack.com/team"
    unknown = blocks.SavedBlock(kind="no-such", name="team", values={})
    with pytest.raises(UserError, match="no-such/team is of a class that Prefect does not know here"):
        blocks.bring(unknown)
