"""The pitfalls of Perspective Broker, one by one (P1 to P16): each test fails when its guard is taken out."""

from __future__ import annotations

import ast
import enum
import inspect
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import attrs
import pytest
from twisted.cred.credentials import UsernamePassword
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectError
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.spread import banana
from twisted.spread.flavors import Copyable, RemoteCopy
from twisted.spread.jelly import unjellyableRegistry
from twisted.spread.pb import (
    MAX_BROKER_REFS,
    Cacheable,
    DeadReferenceError,
    PBClientFactory,
    Referenceable,
    RemoteCache,
    RemoteError,
    setUnjellyableForClass,
)

from maglev.model import errors
from maglev.model.problem import Problem, ProblemKind
from maglev.rpc import wire
from maglev.rpc.broker import BasicTypes, failure_view
from maglev.rpc.client.control import PING_INTERVAL, connect_by
from maglev.rpc.server.exported import Exported
from maglev.rpc.server.peer import SILENCE
from maglev.rpc.wire import DaemonError, LostError, NoAnswerError
from tests.fakes.pb_rig import MemoryEndpoint, PbRig
from tests.fakes.views import VERBS

API = Path(wire.__file__).parent
MODULES = [*API.rglob("*.py")]


class Watcher(Referenceable):
    """A watcher as a program without our client would write it."""

    def __init__(self):
        self.events = []
        self.ended = False

    def remote_events(self, batch):
        self.events += batch

    def remote_ended(self):
        self.ended = True


@attrs.frozen
class Thing:
    name: str = "x"


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize("value", [Thing(), Colour.RED, ip_address("192.0.2.1"), {"x": {1, 2}}])
def test_p1_a_result_that_is_not_basic_is_an_internal_error_and_no_success(rig, value, logged_failures):
    client = rig.connect()
    rig.control.answers["frontend"] = value

    with pytest.raises(DaemonError, match="internal error of maglevd"):
        rig.result(client.frontend("web"))
    assert logged_failures.flush(Exception)


def test_p2_no_method_that_is_called_from_afar_is_an_async_one():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.AsyncFunctionDef):
                assert not node.name.startswith(("perspective_", "remote_", "view_", "proto_"))
                assert node.name != "remoteMessageReceived"


def test_p2_the_result_of_a_coroutine_is_waited_for(rig):
    perspective, _ = rig.plain()
    answer = rig.control.answers["frontend"] = Deferred()

    results = []
    perspective.callRemote("frontend", "web").addBoth(results.append)
    rig.settle()
    assert results == []

    answer.callback({"name": "web"})
    rig.settle()
    assert results == [{"name": "web"}]


def test_p3_an_answer_over_the_limit_is_an_error_and_the_connection_lives(rig, logged_failures):
    client = rig.connect()
    rig.control.answers["frontend"] = {"description": "x" * (banana.SIZE_LIMIT + 1)}

    with pytest.raises(DaemonError):
        rig.result(client.frontend("web"))
    assert logged_failures.flush(Exception)
    assert rig.result(client.backend("www1"))


def test_p3_a_call_that_is_never_answered_ends_at_its_deadline(rig):
    client = rig.connect()
    rig.control.answers["frontend"] = Deferred()

    results = rig.pending(client.frontend("web"))
    rig.settle(29)
    assert results == []
    rig.settle(1.1)
    assert results[0].check(NoAnswerError)


def test_p4_the_limit_of_banana_is_left_as_it_is():
    # Both ends would have to agree on another one, and unmodified clients do not.
    assert banana.SIZE_LIMIT == 640 * 1024
    for path in MODULES:
        assert "sizeLimit" not in path.read_text()


def test_p4_p5_a_list_of_any_length_comes_in_pages_far_below_the_limit(rig):
    client = rig.connect()
    rig.controls[0].answers["frontends"] = [
        {"name": f"f{i}", "pools": [{"name": "p", "backends": [{"name": f"b{j}"} for j in range(100)]}]}
        for i in range(500)
    ]
    sizes, names, after = [], [], ""
    while after is not None:
        page = rig.result(client.frontends(after, 200))
        names += [row["name"] for row in page["rows"]]
        sizes.append(len(str(page)))
        after = page["next"]

    assert names == [f"f{i}" for i in range(500)]
    assert max(sizes) < banana.SIZE_LIMIT / 10


def test_p6_a_connection_can_make_any_number_of_watches_one_after_the_other(rig):
    client = rig.connect()
    for _ in range(MAX_BROKER_REFS + 100):
        watch = rig.result(client.watch())
        watch.close()
        rig.settle()

    assert len(rig.links[0].broker.localObjects) <= 2
    assert client.connected
    assert all(each.closed for each in rig.control.watches)


def test_p6_references_that_a_client_hands_out_for_nothing_are_given_back(rig):
    perspective, link = rig.plain()
    refused = []
    for _ in range(3):
        for _ in range(MAX_BROKER_REFS // 2):
            perspective.callRemote("ping", Referenceable()).addErrback(refused.append)
        rig.settle()

    assert len(refused) > MAX_BROKER_REFS
    assert len(link.client.protocol.localObjects) < 10


def test_p7_an_answer_that_makes_no_sense_fails_the_call(rig):
    client = rig.connect()
    rig.control.answers["frontend"] = Deferred()
    results = rig.pending(client.frontend("web"))
    broker = rig.links[0].broker
    # What Twisted's own client would leave unanswered: its unserializer raises inside dataReceived.
    broker.sendCall(b"answer", _waiting_number(client), [b"class", b"os.system"])
    rig.settle()

    assert results[0].check(DaemonError)
    assert client.connected


def _waiting_number(client):
    [number] = client._broker.waitingForAnswers
    return number


def test_p8_an_event_for_a_client_that_vanished_harms_no_other(rig):
    perspective, link = rig.plain()
    gone, there = Watcher(), Watcher()
    rig.result(perspective.callRemote("watch", gone))
    other, _ = rig.plain()
    rig.result(other.callRemote("watch", there))
    # The server does not know yet.
    link.broker.disconnected = 1

    for control in rig.controls:
        control.watches[0].put({"type": "backend", "seq": 1})
    rig.settle()

    assert there.events == [{"type": "backend", "seq": 1}]
    assert rig.controls[0].watches[0].closed
    link.broker.disconnected = 0


def test_p8_a_call_after_the_end_of_the_connection_is_an_error_of_ours(rig):
    client = rig.connect()
    rig.links[0].server.abortConnection()
    rig.settle()
    with pytest.raises(DeadReferenceError):  # at once: Twisted does not return a Deferred
        client._perspective.callRemote("ping")

    with pytest.raises(LostError):
        rig.result(client.frontend("web"))


def test_p9_nothing_is_serialized_by_getting_its_state():
    for path in MODULES:
        tree = ast.parse(path.read_text())
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert names.isdisjoint({kind.__name__ for kind in (Cacheable, Copyable, RemoteCopy, RemoteCache)})
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert not {name for name in functions if name.startswith("getState")}


def test_p10_the_text_of_a_bug_stays_here(rig, logged_failures):
    perspective, link = rig.plain()
    rig.control.answers["frontend"] = ZeroDivisionError("secret-of-the-house")
    received = []
    deliver = link.client.protocol.dataReceived
    link.client.protocol.dataReceived = lambda data: (received.append(data), deliver(data))

    with pytest.raises(RemoteError, match="internal error of maglevd") as raised:
        rig.result(perspective.callRemote("frontend", "web"))

    assert wire.type_name(raised.value.remoteType) == "maglev.InternalError"
    sent = b"".join(received)
    assert b"secret" not in sent
    assert b"ZeroDivision" not in sent
    assert b"File" not in sent
    assert [failure.type for failure in logged_failures.flush(ZeroDivisionError)] == [ZeroDivisionError]


def test_p10_the_form_in_which_errors_travel_has_nothing_of_a_bug():
    # The second lock, should an error get past the first.
    view = failure_view(Failure(ZeroDivisionError("secret-of-the-house")))

    assert view["type"] == "maglev.InternalError"
    assert "secret" not in str(view)


def test_p10_a_bug_is_logged_once_and_by_us(rig, logged_failures):
    client = rig.connect()
    rig.control.answers["frontend"] = ZeroDivisionError("a mistake")
    with capturedLogs() as events, pytest.raises(DaemonError):
        rig.result(client.frontend("web"))

    assert [event.get("log_event") for event in events] == ["pb-call-failed"]
    assert logged_failures.flush(ZeroDivisionError)


def test_p10_an_error_of_ours_is_not_a_bug_and_arrives_with_its_text(rig):
    perspective, _ = rig.plain()
    rig.control.answers["frontend"] = errors.NotFoundError("unknown frontend 'web'")

    with pytest.raises(RemoteError, match="unknown frontend 'web'") as raised:
        rig.result(perspective.callRemote("frontend", "web"))
    assert wire.type_name(raised.value.remoteType) == "maglev.NotFoundError"


def test_p11_a_connection_that_can_not_be_made_is_an_error_at_once():
    rig = PbRig()

    class RefusingEndpoint:
        def connect(self, _factory):
            return fail(ConnectError(osError=2))

    with pytest.raises(LostError, match="No such file"):
        rig.result(connect_by(rig.clock, RefusingEndpoint(), "nowhere"))
    rig.close()


def test_p11_somebody_who_accepts_and_says_nothing_is_an_error_in_time():
    rig = PbRig()

    class SilentEndpoint:
        def connect(self, factory):
            protocol = factory.buildProtocol(None)
            rig.silent = protocol
            protocol.makeConnection(_Void(protocol))
            return succeed(protocol)

    results = rig.pending(connect_by(rig.clock, SilentEndpoint(), "silent"))
    rig.settle(9.9)
    assert results == []
    rig.settle(0.2)
    assert results[0].check(NoAnswerError)
    assert rig.silent.transport.aborted
    rig.close()


class _Void:
    aborted = False

    def __init__(self, protocol):
        self._protocol = protocol

    def write(self, data):
        pass

    def getPeer(self):
        return None

    def abortConnection(self):
        from twisted.internet.error import ConnectionAborted
        from twisted.python.failure import Failure

        self.aborted = True
        self._protocol.connectionLost(Failure(ConnectionAborted()))


def test_p12_there_is_no_login_with_a_password(rig):
    factory = PBClientFactory()
    rig.link(factory.buildProtocol(None))

    with pytest.raises(RemoteError, match="anonymous login"):
        rig.result(factory.login(UsernamePassword(b"root", b"")))


def test_p14_the_name_of_an_error_is_the_same_as_bytes_and_as_text():
    for name in (b"maglev.NotFoundError", "maglev.NotFoundError"):
        assert wire.type_name(name) == "maglev.NotFoundError"
        error = wire.from_wire(wire.type_name(name), "there is none", {})
        assert type(error) is errors.NotFoundError
    assert type(wire.from_wire(b"maglev.NotFoundError", "x", {})) is errors.NotFoundError


def test_p15_a_client_that_is_not_heard_of_is_ended_and_one_that_pings_is_not(rig):
    client = rig.connect()
    _, idle = rig.plain()
    for _ in range(int(SILENCE / PING_INTERVAL) + 2):
        rig.settle(PING_INTERVAL)

    assert idle.lost
    assert rig.service.drops.counts["silent"] == 1
    assert client.connected


def test_p15_our_client_ends_a_connection_to_a_daemon_that_does_not_answer_any_more(rig):
    client = rig.connect()
    lost = client.when_lost()
    rig.links[0].server.pauseProducing()
    rig.settle(PING_INTERVAL)
    assert not lost.called
    rig.settle(10.1)

    assert lost.called


class Impostor(RemoteCopy):
    """A class that something in the process registered: the registry is one for all."""

    made = 0

    def setCopyableState(self, _state):
        Impostor.made += 1


@pytest.fixture
def registered():
    setUnjellyableForClass("tests.Impostor", Impostor)
    yield b"tests.Impostor"
    del unjellyableRegistry[b"tests.Impostor"]


def test_p16_a_class_that_is_registered_in_this_process_is_not_accepted_from_clients(rig, registered):
    perspective, link = rig.plain()
    broker = link.client.protocol
    answer = broker.waitingForAnswers[99] = Deferred()
    arguments = [b"tuple", [registered, [b"dictionary"]]]
    broker.sendCall(b"message", 99, perspective.luid, b"frontend", 1, arguments, [b"dictionary"])

    with pytest.raises(RemoteError, match="something other than a basic value"):
        rig.result(answer)
    assert Impostor.made == 0
    assert not rig.control.calls


def test_p16_the_security_options_refuse_it_too(registered):
    options = BasicTypes()

    assert not options.isTypeAllowed(registered)
    assert not options.isClassAllowed(Impostor)
    assert not options.isModuleAllowed("os")
    assert options.isTypeAllowed("list")


def output_of(program):
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=API.parents[1]).stdout


def test_p16_nothing_of_ours_registers_a_class():
    program = (
        "from twisted.spread import pb, jelly\n"
        "before = set(jelly.unjellyableRegistry)\n"
        "import maglev.rpc.client.control, maglev.rpc.server.service\n"
        "print(set(jelly.unjellyableRegistry) - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=API.parents[1]
    )

    assert done.stdout == "set()\n"


def test_importing_the_front_end_or_the_client_installs_no_reactor():
    program = (
        "import sys, maglev.rpc.client.control, maglev.rpc.server.service, maglev.rpc.server.listening\n"
        "import maglev.maglevc.stdio, maglev.maglevc.tty, maglev.maglevc.program\n"
        "print('twisted.internet.reactor' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=API.parents[1]
    )

    assert done.stdout == "False\n"


def test_the_verbs_on_the_wire_are_those_of_the_interface_with_the_same_arguments():
    assert {*wire.VERBS, "watch"} == set(VERBS)
    for name, verb in VERBS.items():
        _, *declared = inspect.signature(verb).parameters.values()
        parameters = wire.METHODS[name].parameters
        if name == "watch":
            assert [each.name for each in parameters] == ["watcher", "log", "backend", "frontend"]
        else:
            ours = [(each.name, each.default) for each in parameters]
            assert ours == [
                (each.name, wire.REQUIRED if each.default is each.empty else each.default) for each in declared
            ]


def test_what_the_wire_knows_of_a_verb_is_read_from_the_interface():
    methods = {name: wire.METHODS[name] for name in VERBS}

    assert {name for name, method in methods.items() if method.paged} == {
        "frontends", "backends", "healthchecks", "config_diff", "vpp_lb_state", "vpp_lb_plan", "vpp_lb_counters",
        "vpp_backend_counters", "overrides", "announcements", "served_vips", "peers", "dns_names", "configuration",
        "compare_configuration",
    }  # fmt: skip
    assert {name for name, method in methods.items() if method.changes} == {
        "pause_backend", "resume_backend", "enable_backend", "disable_backend", "set_weight", "reload_config",
        "sync_vpp", "clear_override", "drain_backend", "set_host", "disable_frontend", "enable_frontend",
        "set_announce",
    }  # fmt: skip
    assert {name for name, method in methods.items() if method.deadline == wire.LONG} == {
        "check_config", "config_diff", "reload_config", "vpp_lb_state", "vpp_lb_plan", "sync_vpp",
        "compare_configuration",
    }  # fmt: skip
    assert {method.deadline for method in methods.values()} == {30.0, wire.LONG}
    assert wire.METHODS["set_weight"].parameters[3].accept(100) == 100
    with pytest.raises(errors.ArgumentError, match="from 0 to 100"):
        wire.METHODS["set_weight"].parameters[3].accept(101)
    with pytest.raises(errors.ArgumentError, match="from 1 to 10000"):
        wire.METHODS["names"].parameters[3].accept(0)


def test_every_error_of_the_daemon_has_a_name_on_the_wire_or_is_one_of_its_start():
    known = {name for name, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, errors.MaglevError)}

    assert known - wire.SENT.keys() == {"MaglevError", "StartError"}


@pytest.mark.parametrize("name", wire.SENT)
def test_an_error_is_the_same_at_the_other_end(name):
    kind = wire.SENT[name]
    error = kind.__new__(kind)
    Exception.__init__(error, "the text")
    error.problems, error.message, error.retval = (Problem(ProblemKind.PARSE, "a", "b", 1, 2),), "lb_conf", -1
    sent = failure_view(Failure(wire.to_wire(error)))
    received = wire.from_wire(sent["type"], sent["value"], sent["fields"])

    assert sent["type"] == f"maglev.{name}"
    assert type(received) is kind
    if kind is errors.ConfigError:
        assert received.problems == error.problems
    else:
        assert str(received) == "the text"
    if kind is errors.VppRetvalError:
        assert (received.message, received.retval) == ("lb_conf", -1)


def test_an_error_without_a_name_goes_by_that_of_its_parent():
    class OddError(errors.VppError):
        pass

    class NotFoundError(errors.MaglevError):
        """Not the one that clients know by this name."""

    assert failure_view(Failure(wire.to_wire(OddError("odd"))))["type"] == "maglev.VppError"
    assert failure_view(Failure(wire.to_wire(NotFoundError("odd"))))["type"] == "maglev.InternalError"


def test_what_clients_can_call_has_one_door():
    # Twisted would look methods up by name; `Exported` replaces that for all of its children.
    assert "remoteMessageReceived" in vars(Exported)
    for kind in Exported.__subclasses__():
        assert "remoteMessageReceived" not in vars(kind)
        assert not [name for name in dir(kind) if name.startswith(("remote_", "perspective_"))]


def test_two_clients_of_one_process_do_not_share_anything(rig):
    first = rig.result(connect_by(rig.clock, MemoryEndpoint(rig, uid=0), "memory"))
    second = rig.result(connect_by(rig.clock, MemoryEndpoint(rig, uid=1000), "memory"))

    assert str(first.caller.role) == "operator"
    assert str(second.caller.role) == "viewer"
