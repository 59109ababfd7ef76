"""The files of deploy/: units that systemd takes, and a job whose every placeholder is a variable of the pool."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

DEPLOY = Path(__file__).parents[1] / "deploy"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_takes_the_units(tmp_path):
    units = []
    for file in (DEPLOY / "systemd").iterdir():
        unit = tmp_path / file.name.replace("@.", "@spam.")
        unit.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", file.read_text()))
        units.append(unit)
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.proof
def test_prefect_takes_the_work_pool():
    from prefect.server.schemas.actions import WorkPoolCreate

    template = json.loads((DEPLOY / "kubernetes/work-pool.json").read_text())
    WorkPoolCreate(name="driftline", type="kubernetes", base_job_template=template)


def test_what_the_image_installs_from_is_in_the_repository():
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = [name for line in lines if line.startswith("COPY") for name in line.split()[1:-1]]
    assert copied and all((DEPLOY.parent / name).is_file() for name in copied)


def test_the_jobs_and_the_shell_share_a_volume_and_a_user():
    *_, shell = YAML(typ="safe").load_all((DEPLOY / "kubernetes/driftline.yaml").read_text())
    pod = json.loads((DEPLOY / "kubernetes/work-pool.json").read_text())["job_configuration"]["job_manifest"]["spec"]
    ours, theirs = shell["spec"]["template"]["spec"], pod["template"]["spec"]
    assert ours["securityContext"] == theirs["securityContext"]
    for key in ("envFrom", "volumeMounts"):
        assert ours["containers"][0][key] == theirs["containers"][0][key]
