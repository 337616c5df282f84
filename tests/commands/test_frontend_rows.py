"""The rows of ``show frontends``: they say the same as the frontend itself."""

from __future__ import annotations

import pytest

from maglev.commands.render.views import frontend_table
from tests.fakes.world import FRONTENDS


@pytest.mark.parametrize(("state", "shown"), [("up", "primary"), ("unknown", "primary"), ("down", "-")])
def test_a_pool_that_serves_with_the_weights_that_vpp_had_is_shown_while_nothing_is_known(state, shown):
    _, row = frontend_table()([{**FRONTENDS[0], "state": state}])
    assert state in str(row)
    assert ("primary" in str(row)) is (shown == "primary")
