"""One bad file for each rule, and what must be reported of it: exactly one error. A `§` marks its place."""

from __future__ import annotations

from tests.fakes.bad_checks import BAD_CHECKS
from tests.fakes.bad_frontends import BAD_FRONTENDS
from tests.fakes.bad_probes import BAD_PROBES
from tests.fakes.bad_settings import BAD_SETTINGS
from tests.fakes.bad_syntax import BAD_SYNTAX

_PARTS = (BAD_SYNTAX, BAD_SETTINGS, BAD_CHECKS, BAD_PROBES, BAD_FRONTENDS)

CASES = {name: case for part in _PARTS for name, case in part.items()}

assert len(CASES) == sum(map(len, _PARTS)), "two cases of one name"
