"""What all tests of TLS probes need: an authority, and a certificate of it."""

import pytest

from maglev.healthcheck.probers.trust import TlsContexts
from tests.fakes.certificates import Authority
from tests.fakes.tls_bench import NAME


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def root():
    return Authority()


@pytest.fixture(scope="module")
def contexts(folder, root):
    return TlsContexts(root.write_root(folder))


@pytest.fixture(scope="module")
def good(folder, root):
    return root.issue(folder, NAME, "192.0.2.1", "2001:db8::1")
