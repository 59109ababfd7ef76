"""A package that is not installed is named with the command that installs it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tasks.core.errors import UserError
from tasks.core.extras import has_package, require_extra

TOP = Path(__file__).parents[3]


def test_an_extra_that_is_missing_is_refused_with_its_command():
    with pytest.raises(UserError, match=r"^no_such_package is not installed: run `pip install .*\[onnx\]'`$"):
        require_extra("no_such_package", "onnx")
    require_extra("numpy", "onnx")
    assert not has_package("no_such_package")


def test_every_extra_that_the_code_asks_for_is_declared():
    extras = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    text = "".join(file.read_text() for file in TOP.glob("tasks/**/*.py"))
    asked = {extra for _, extra in re.findall(r'require_extra\("(\w+)", "(\w+)"\)', text)}
    assert asked == {"energy", "onnx", "postgres", "s3"}
    assert asked <= set(extras)
