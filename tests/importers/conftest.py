"""What the tests of the import from HAProxy share."""

import pytest

from tests.fakes.haproxy_import import HaproxyImport


@pytest.fixture
def run(tmp_path):
    return lambda text: HaproxyImport(tmp_path / "haproxy.cfg", text)
