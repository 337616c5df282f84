"""What a difference of conversations says: which step, and never what is sent."""

from __future__ import annotations

import pytest

from maglev.config.diff import differences
from maglev.config.load import load_text

FILE = """\
maglev:
  vpp: {{lb: {{ipv4-src-address: 192.0.2.254, ipv6-src-address: "2001:db8::fe"}}}}
  healthchecks:
    talk: {{type: tcp, port: 25, interval: 2s, timeout: 1s, params: {{steps: [{}, {{expect: z}}]}}}}
"""


@pytest.mark.parametrize(
    ("before", "after", "details"),
    [
        ("{send: secret}", "{send: other}", ("step 1 changed",)),
        ("{send: a}", "{send: a}, {expect: b}", ("step 2 changed", "steps: 2 -> 3")),
        ("{send: a}, {expect: b}", "{send: x}", ("step 1 changed", "step 2 changed", "steps: 3 -> 2")),
    ],
)
def test_the_steps_that_differ_are_counted(before, after, details):
    old, new = (load_text(FILE.format(steps)).config for steps in (before, after))
    assert [each.details for each in differences(old, new)] == [details]
