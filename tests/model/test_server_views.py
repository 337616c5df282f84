"""The shape of what one of several servers says, which scripts rely on."""

from typing import get_type_hints

from maglev.model.server_views import ServerResultView


def test_its_keys_stay_and_each_has_a_meaning():
    hints = get_type_hints(ServerResultView, include_extras=True)
    assert list(hints) == ["server", "address", "confirmed", "status", "error", "result"]
    assert all(hint.__metadata__[0].endswith(".") for hint in hints.values())
