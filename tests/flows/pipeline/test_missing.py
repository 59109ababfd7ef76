"""What an older commit imports and this environment lacks is named with its install command."""

from __future__ import annotations

import sys

import pytest

from flows.errors import StageFailed
from flows.pipeline.missing import install_hints
from flows.pipeline.stage import reproduce
from tests.support.small_repository import STAGES


def test_the_version_is_that_of_the_commits_lock(tmp_path):
    (tmp_path / "requirements.lock").write_text("captum==0.9.0\npresidio_analyzer==2.2.366\n")
    output = [
        "Traceback (most recent call last):",
        "ModuleNotFoundError: No module named 'captum'",
        "ModuleNotFoundError: No module named 'presidio_analyzer.nlp_engine'",
        "ModuleNotFoundError: No module named 'elsewhere'",
    ]
    commands = [hint.partition("pip install ")[2] for hint in install_hints(output, tmp_path)]
    assert commands == ["'captum==0.9.0'", "'presidio_analyzer==2.2.366'", "'elsewhere'"]
    assert install_hints(["all is well"], tmp_path) == []


@pytest.mark.slow
def test_a_stage_that_lacks_a_package_says_so(repository):
    code = f"{sys.executable} -c 'import no_such_package'"
    (repository / "dvc.yaml").write_text(STAGES.replace("python step.py first.txt source.txt params.yaml", code))
    with pytest.raises(
        StageFailed, match="imports no_such_package, which is not installed: pip install 'no-such-package'"
    ):
        reproduce("first", ["changed"])
