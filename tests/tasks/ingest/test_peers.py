"""The same bytes read by Python's csv, pandas, DuckDB and Driftline: where they differ, the table says who is right."""

from __future__ import annotations

import pytest

from tests.tasks.ingest.peers import DIFFER, INPUTS, PEERS, ours


def test_there_are_enough_inputs_and_the_table_names_no_others():
    assert len(INPUTS) >= 40
    assert set(DIFFER) <= set(INPUTS)
    assert all(words.startswith(("ours", "either")) for table in DIFFER.values() for words in table.values())


@pytest.mark.parametrize("name", INPUTS)
def test_a_peer_reads_the_same_or_the_table_says_who_is_right(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(INPUTS[name])
    mine = ours(path)
    differing = {peer for peer, read in PEERS.items() if read(path) != mine}
    assert differing == set(DIFFER.get(name, {}))
