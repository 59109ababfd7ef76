"""A colleague's files that are only data: reading params.yaml and its like runs and fills nothing."""

from __future__ import annotations

import json
import resource

import pytest

from flows.champion.verdict import MARK, Verdict
from flows.errors import FlowError
from flows.runs.run_record import RunRecord
from flows.schedule import prefect_yaml
from tasks.behaviour import read_behaviour_tests
from tasks.core import params, paths, recorded
from tasks.core.errors import UserError
from tasks.land.declared import read_landing_file
from tasks.report import Params as ReportParams


def laughs(key):
    """Ten to the ninth values in a few lines."""
    steps = [f"  - &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    return "\n".join([f"{key}:", "  card:", f"  - &a0 [{','.join(['lol'] * 10)}]", *steps])


HARMFUL = {
    "a call": lambda key, canary: f"{key}: !!python/object/apply:os.system ['{canary.shell}']",
    "a new object": lambda key, canary: f"{key}: !!python/object/new:subprocess.Popen [['touch', '{canary.file}']]",
    "a name": lambda key, canary: f"{key}: !!python/name:os.system",
    "a module": lambda key, canary: f"{key}: !!python/module:antigravity",
    "an alias bomb": lambda key, canary: laughs(key),
    "itself": lambda key, canary: f"{key}: &a {{card: *a}}",
    "a list of itself": lambda key, canary: f"{key}: &a [*a]",
    "brackets": lambda key, canary: f"{key}: {'[' * 20_000}{']' * 20_000}",
    "braces": lambda key, canary: f"{key}: {'{a: ' * 20_000}{'}' * 20_000}",
    "depth": lambda key, canary: f"{key}: {'[' * 200}{']' * 200}",
    "a key twice": lambda key, canary: f"{key}: 1\n{key}: 2",
    "no UTF-8": lambda key, canary: f"{key}: \udcff",
    "a zero byte": lambda key, canary: f"{key}: \0",
    "a thirteenth month": lambda key, canary: f"{key}: {{card: 2001-13-01}}",
    "a number of 5,000 digits": lambda key, canary: f"{key}: {{card: {'9' * 5000}}}",
    "a word as a number": lambda key, canary: f"{key}: {{card: !!int word}}",
    "two documents": lambda key, canary: f"{key}: 1\n---\n{key}: 2",
    "a list": lambda key, canary: "[1]",
    "a folder": None,
}
READERS = {
    "params.yaml": ("report", lambda file: params.load(ReportParams, "report", file)),
    "behaviour.yaml": ("tests", read_behaviour_tests),
    "landing.yaml": ("tickets", read_landing_file),
    "prefect.yaml": ("deployments", prefect_yaml.read),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("harm", HARMFUL)
def test_a_file_is_refused_in_words_and_runs_nothing(name, harm, canary, tmp_path):
    key, read = READERS[name]
    file, make = tmp_path / name, HARMFUL[harm]
    if make is None:
        file.mkdir()
    else:
        file.write_bytes(make(key, canary).encode("utf-8", "surrogateescape"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError) as refusal:
        read(file)
    assert name in str(refusal.value) and len(str(refusal.value)) < 2_000
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 200, "MiB"


@pytest.mark.parametrize(
    "text", ["{{ $SECRET }}", "{{ prefect.blocks.secret.x }}", "{{ 7 * 7 }}", "{% include '/etc/passwd' %}"]
)
def test_only_a_variable_of_the_environment_is_put_in(text, monkeypatch):
    monkeypatch.setenv("SECRET", "{{ $OTHER }}")
    monkeypatch.setenv("OTHER", "twice")
    try:
        found = prefect_yaml.resolve(text, "prefect.yaml")
    except UserError as refusal:
        assert "is not understood" in str(refusal)
    else:
        assert found in (text, "{{ $OTHER }}"), "what a variable holds is not looked at again"


def test_a_lock_that_runs_code_is_read_as_no_lock(canary, tmp_path):
    (tmp_path / "dvc.lock").write_text(HARMFUL["a call"]("stages", canary))
    with pytest.raises(UserError, match=r"dvc\.lock cannot be read .*not valid YAML"):
        recorded.md5_of(paths.CLASSIFIER, tmp_path)


RECORDS = {
    "no JSON": "{",
    "depth": "[" * 100_000,
    "a list": "[]",
    "an empty object": "{}",
    "a number": json.dumps({"version": 2, "name": 1}),
    "an unknown key": json.dumps({"version": 2, "__class__": "os.system", "name": "x"}),
    "the first form without its keys": json.dumps({"flow": "monitoring", "decision": {}}),
    "the first form with a list": json.dumps({"flow": ["monitoring"]}),
    "infinity": '{"version": 1e999}',
    "a word": '"driftline"',
}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_runs_record_is_read_strictly(kind):
    with pytest.raises(FlowError, match="training-x cannot be read"):
        RunRecord.read(RECORDS[kind], "training-x")


@pytest.mark.parametrize(
    "line", ["{", "[1]", '"x"', "null", "[" * 100_000, '{"judged": 1}', '{"judged": {}, "promote": "x"}']
)
def test_a_note_that_is_no_verdict_is_named(line):
    with pytest.raises(UserError, match="no verdict"):
        Verdict.lines(f"promoted\n\n{MARK}{line}\n")
