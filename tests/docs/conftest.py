"""The machine for the commands of a page."""

from __future__ import annotations

import shutil

import pytest

from tests.docs.machine import Machine
from tests.fakes.shell import why_no_shell


@pytest.fixture
def machine(tmp_path):
    if why_no_shell():
        pytest.skip(why_no_shell())
    for name in ("ssh", "ssh-keygen", "curl", "jq", "pidof"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    with Machine(tmp_path) as made:
        yield made
