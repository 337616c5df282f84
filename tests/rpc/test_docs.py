"""docs/pb-api.rst: its examples run, and it leaves nothing out."""

from __future__ import annotations

import ast
import os
import re
import sys
import textwrap
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import defer, reactor
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.utils import getProcessOutputAndValue
from twisted.logger import globalLogPublisher

from maglev.config.load import load_file
from maglev.control.events import EventHub
from maglev.control.reload import Reloader
from maglev.control.sessions import Sessions
from maglev.control.verbs import Control
from maglev.model.build import read_build
from maglev.rpc.client.control import connect
from maglev.rpc.server.identity import Identities, Operators, UserNames
from maglev.rpc.server.service import PbService
from maglev.rpc.wire import METHODS, SENT, WireError
from maglev.runtime.admission import Descriptors
from maglev.runtime.cooperator import Cooperator
from maglev.runtime.listening import UnixSocket
from maglev.state.board import Board
from maglev.vpp.sync.service import VppService
from tests.fakes.announcements import announcer_of
from tests.fakes.overrides import overrides_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pb-api.rst").read_text()

CONFIG = """\
maglev:
  vpp: {lb: {ipv4-src-address: 192.0.2.254, ipv6-src-address: '2001:db8::fe'}}
  healthchecks: {tcp: {type: tcp, port: 80, interval: 2s, timeout: 1s}}
  backends:
    a: {address: 10.0.0.1, healthcheck: tcp}
    b: {address: 10.0.0.2, healthcheck: tcp}
    c: {address: 10.0.0.3, healthcheck: tcp}
  frontends:
    web:
      address: 192.0.2.1
      protocol: tcp
      port: 80
      pools: [{name: pool0, backends: {a: {}, b: {}}}, {name: pool1, backends: {c: {}}}]
"""


@pytest.fixture
def address(tmp_path):
    """Serve the daemon of the examples; return its address."""
    path = tmp_path / "maglev.yaml"
    path.write_text(CONFIG)
    board = Board(time.time, load_file(str(path)).config)
    sessions = Sessions(reactor, time.time)
    feed = EventHub(board, globalLogPublisher)
    overrides = overrides_of(board, reactor)
    vpp = VppService(Cooperator(reactor).queue("vpp"), board, None, lambda: 1.0)
    reloader = Reloader(reactor, Cooperator(reactor).queue("reload"), str(path), board, overrides, lambda _: None, vpp)
    work = Cooperator(reactor).queue("control")
    checker = {"overdue": 0.0}
    control = Control(
        work,
        board,
        vpp,
        reloader,
        feed,
        sessions,
        read_build(),
        time.time,
        lambda: checker,
        overrides,
        announcer_of(board),
    )
    identities = Identities(Operators(frozenset({os.geteuid()})), UserNames(reactor))
    service = PbService(
        reactor,
        Cooperator(reactor).queue("pb"),
        control.for_caller,
        sessions,
        identities,
        [UnixSocket(reactor, f"{tmp_path}/run/pb.sock")],
        Descriptors(lambda: 0),
    )
    service.startService()
    control.web_links.page = "http://127.0.0.1:9092"
    control.drains.startService()
    yield f"unix:{tmp_path}/run/pb.sock"
    control.drains.stopService()
    pytest_twisted.blockon(service.stopService())


def examples():
    """Return the examples that are run, in order."""
    found = re.findall(r"^( *)\.\. code-block:: python\n\n((?:\1   .*\n|\n)+)", PAGE, re.MULTILINE)
    return [textwrap.dedent(code) for _, code in found]


@pytest.mark.real
@pytest_twisted.ensureDeferred
async def test_the_examples_run(address):
    client = await connect(reactor, address)
    names = {"client": client, "defer": defer, "endpoint": UNIXClientEndpoint(reactor, address.removeprefix("unix:"))}
    for code in examples():
        compiled = compile(code, "docs/pb-api.rst", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(compiled, names)
        if result is not None:
            await result
    names["perspective"].broker.transport.loseConnection()
    await client.close()
    assert len(examples()) > 15


@pytest.mark.real
@pytest_twisted.ensureDeferred
async def test_the_script_runs(address, tmp_path):
    [code] = re.findall(r"all that a script needs::\n\n((?:    .*\n|\n)+)", PAGE)
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(code).replace("unix:/run/vpp-maglev/pb.sock", address))
    out, errors, status = await getProcessOutputAndValue(
        sys.executable, [str(script)], {**os.environ, "PYTHONPATH": str(ROOT)}, path=str(ROOT)
    )

    assert (out.decode(), errors.decode(), status) == ("a unknown\nb unknown\nc unknown\n", "", 0)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_described_and_has_an_example(method):
    assert re.search(rf"``{method}\(.*\)``", PAGE)
    assert any(re.search(rf"""client\.{method}\b|callRemote\("{method}"|client\.caller""", code) for code in examples())


@pytest.mark.parametrize("name", [*SENT, *(each.__name__ for each in WireError.__subclasses__())])
def test_every_error_is_described(name):
    assert re.search(rf"^``{name}``", PAGE, re.MULTILINE)


def test_every_error_that_is_named_exists():
    known = {
        *SENT,
        *(each.__name__ for each in WireError.__subclasses__()),
        "LostError",
        "NoAnswerError",
        "DaemonError",
    }

    assert set(re.findall(r"\b[A-Z][A-Za-z]*Error\b", PAGE)) <= known


def test_every_module_that_is_named_exists():
    for dotted in set(re.findall(r"\bmaglev(?:\.[a-z_]+)+\b", PAGE)):
        assert find_spec(dotted) is not None, dotted
    for module, names in re.findall(r"^ *from (maglev[a-z_.]*) import (.+)$", PAGE, re.MULTILINE):
        for name in names.split(", "):
            assert hasattr(import_module(module), name), f"{module}.{name}"


def test_every_reason_for_ending_a_connection_is_described():
    source = "".join(path.read_text() for path in (ROOT / "maglev" / "rpc" / "server").glob("*.py"))
    reasons = set(re.findall(r"hang_up\)?[(,] ?\"([a-z-]+)\"", source)) | {"silent", "no-login"}

    assert reasons >= {"not-reading", "bad-message", "too-many"}
    for reason in reasons:
        assert f"``{reason}``" in PAGE
