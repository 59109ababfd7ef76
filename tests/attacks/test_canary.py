"""The oracle itself: each way of being attacked leaves a trace, and SECURITY.md names every test here."""

from __future__ import annotations

import pickle
import re
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.attacks.canary import Canary
from tests.support.processes import TOP, wait_for

PAGE = """<title>t</title><body><script>alert('script')</script><img src="{url}" onerror="alert('handler')">
<a href="javascript:alert(1)">link</a></body>"""


@pytest.fixture
def reached(tmp_path):
    """A canary that is meant to be reached."""
    with Canary(tmp_path) as found:
        yield found


@pytest.mark.parametrize("way", ["shell", "python", "pickle", "url"])
def test_each_way_leaves_a_trace(reached, way):
    if way == "shell":
        subprocess.run(reached.shell, shell=True, check=True)
    elif way == "python":
        eval(reached.python)
    elif way == "pickle":
        pickle.loads(reached.pickle)  # noqa: S301 - it is what the test is about
    else:
        urllib.request.urlopen(reached.url("here")).close()
    assert wait_for(lambda: reached.traces, 5)


@pytest.mark.slow
def test_the_browser_sees_scripts_handlers_links_and_requests(visit, reached, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(PAGE.format(url=reached.url("picture")))
    seen = visit(page, axe=True)
    assert sorted(seen.dialogs) == ["handler", "script"] and len(seen.scripts) == 2 and len(seen.handlers) == 1
    assert seen.requests == [reached.url("picture")] and not reached.traces, "it is stopped on its way"
    assert seen.script_links == ["javascript:alert(1)"]
    assert any(found.startswith("image-alt") for found in seen.serious)


def test_security_md_names_every_test_of_this_folder_and_no_other():
    text = (TOP / "SECURITY.md").read_text(encoding="utf-8")
    named = set(re.findall(r"tests/[\w/]+\.py", text))
    here = {str(file.relative_to(TOP)) for file in Path(__file__).parent.glob("test_*.py")}
    assert here <= named, f"SECURITY.md has no row for {sorted(here - named)}"
    assert not [name for name in named if not (TOP / name).is_file()]
