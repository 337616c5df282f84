"""What the tests of Perspective Broker share."""

from __future__ import annotations

import pytest

from tests.fakes.pb_rig import PbRig


@pytest.fixture
def rig():
    made = PbRig()
    yield made
    made.close()
