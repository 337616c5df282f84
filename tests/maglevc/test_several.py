"""One command at several servers: one result each, and what is silent is never taken for an answer."""

from __future__ import annotations

import json

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from maglev.maglevc import several
from maglev.maglevc.several import ANSWER_LIMIT, CONNECT_LIMIT, SeveralRunner
from maglev.model.caller import Caller, Role
from maglev.model.errors import ForbiddenError, NotFoundError
from maglev.model.server_address import server_addresses
from maglev.model.server_views import ServerResultView
from maglev.rpc.wire import DaemonError, LostError
from maglev.terminal.stream import Opening, Window
from tests.fakes.control import FakeControl
from tests.fakes.views import misfits
from tests.fakes.world import drain_view


class ListedServer(FakeControl):
    """A connection to a server."""

    closed = False

    async def close(self):
        self.closed = True


class SilentServer(ListedServer):
    """A server that takes calls and never answers."""

    async def _call(self, verb, *arguments):
        self.calls.append((verb, *arguments))
        await Deferred()


class Output:
    """A stream in memory; what goes to both ends is kept in one list."""

    def __init__(self):
        self.parts = []
        self.status = None

    def write(self, data, *, error=False):
        self.parts.append((data.decode(), error))

    def drain(self):
        return succeed(None)

    def finish(self, status):
        self.status = status

    @property
    def out(self):
        return "".join(text for text, error in self.parts if not error)

    @property
    def err(self):
        return "".join(text for text, error in self.parts if error)


class Rig:
    """A runner with its servers: each is a `ListedServer`, or what connecting to it comes to."""

    def __init__(self, command, *, window=None, **servers):
        self.clock = Clock()
        self.output = Output()
        self.servers = servers
        self.connects = []
        opening = Opening(Caller("", Role.VIEWER, ""), command.encode(), window)
        addresses = server_addresses(",".join(servers))
        self.runner = SeveralRunner(self.clock, self.output, opening, addresses, self.connect)
        self.runner.start()
        self.pass_time(0)

    def connect(self, address):
        self.connects.append(address)
        found = self.servers[address.split(":")[1]]
        return found if isinstance(found, Deferred) else succeed(found)

    def pass_time(self, seconds):
        """Let time pass, and everything that takes turns come to its end."""
        self.clock.advance(seconds)
        for _ in range(200):
            self.clock.advance(0)

    @property
    def status(self):
        return self.output.status


def three():
    return {"lb1": ListedServer(), "lb2": ListedServer(), "lb3": ListedServer()}


def test_each_server_has_its_result_below_its_name():
    rig = Rig("show version", **three())

    assert rig.status == 0
    assert rig.output.err == ""
    assert [line for line in rig.output.out.splitlines() if line.endswith(":")] == ["lb1:", "lb2:", "lb3:"]
    assert rig.output.out.count("1.2.3") == 3
    assert rig.connects == ["tls:lb1:2223", "tls:lb2:2223", "tls:lb3:2223"]
    assert all(each.closed for each in rig.servers.values())


def test_an_order_is_given_to_each_and_each_tells_what_it_did():
    rig = Rig("set backend www1 disable", **three())

    assert rig.status == 0
    assert all(each.calls[0][:2] == ("disable_backend", "www1") for each in rig.servers.values())
    assert rig.output.out.count("disabled") == 3


def test_a_server_that_refuses_fails_the_command_and_not_the_others():
    servers = three()
    servers["lb2"].errors["version"] = NotFoundError("it is not there")
    rig = Rig("show version", **servers)

    assert rig.status == 1
    assert rig.output.err == "% lb2: it is not there\n"
    assert rig.output.out.count("1.2.3") == 2


@pytest.mark.parametrize("error", [LostError("lost the connection"), DaemonError("an unreadable error")])
def test_a_server_that_is_lost_or_talks_nonsense_can_not_be_confirmed(error):
    servers = three()
    servers["lb3"].errors["disable_backend"] = error
    rig = Rig("set backend www1 disable", **servers)

    assert rig.status == 1
    assert rig.output.err == f"% lb3: cannot confirm: {error}\n"


def test_a_server_that_answers_views_without_sense_can_not_be_confirmed():
    servers = three()
    servers["lb1"].rows["frontend"] = [{"name": 5}]
    rig = Rig("show frontends", **servers)

    assert rig.status == 1
    assert rig.output.err == "% lb1: cannot confirm: the answer makes no sense (KeyError)\n"
    assert "lb2:" in rig.output.out


@pytest.mark.parametrize("error", [LostError("Connection refused"), ForbiddenError("unknown certificate")])
def test_a_server_that_can_not_be_reached_can_not_be_confirmed(error):
    rig = Rig("show version", lb1=ListedServer(), lb2=fail(error))

    assert rig.status == 1
    assert rig.output.err == f"% lb2: cannot confirm: {error}\n"
    assert "lb1:" in rig.output.out


def test_a_server_that_does_not_greet_is_given_up_after_a_while():
    rig = Rig("show version", lb1=ListedServer(), lb2=Deferred())
    rig.pass_time(CONNECT_LIMIT - 1)
    assert rig.status is None
    rig.pass_time(1)

    assert rig.status == 1
    assert rig.output.err == "% lb2: cannot confirm: no answer within 5 seconds\n"
    assert rig.output.out.startswith("lb1:\n")


def test_a_server_that_falls_silent_is_given_up_after_a_while():
    rig = Rig("set backend www1 disable", lb1=ListedServer(), lb2=SilentServer())
    rig.pass_time(ANSWER_LIMIT - 1)
    assert rig.status is None
    rig.pass_time(1)

    assert rig.status == 1
    assert rig.output.err == "% lb2: cannot confirm: no answer within 10 seconds\n"


def test_verbs_that_wait_for_vpp_have_their_own_time():
    rig = Rig("show vpp lb state", lb1=ListedServer(), lb2=SilentServer())
    rig.pass_time(119)
    assert rig.status is None
    rig.pass_time(1)

    assert rig.output.err == "% lb2: cannot confirm: no answer within 120 seconds\n"


def test_output_without_end_is_cut_off(monkeypatch):
    monkeypatch.setattr(several, "OUTPUT_LIMIT", 2000)
    servers = three()
    servers["lb2"].rows["backend"] *= 10
    rig = Rig("show backends", **servers)

    assert rig.status == 1
    assert rig.output.err.startswith("% lb2: cannot confirm: more than 2000 characters of output\n")


def test_json_has_one_object_for_each_server():
    servers = three()
    servers["lb2"].errors["version"] = NotFoundError("it is not there")
    rig = Rig("show version | json", lb4=fail(LostError("Connection refused")), **servers)
    views = json.loads(rig.output.out)

    assert rig.status == 1
    assert [misfits(each, ServerResultView) for each in views] == [[]] * 4
    assert [each["server"] for each in views] == ["lb4", "lb1", "lb2", "lb3"]
    assert [each["confirmed"] for each in views] == [False, True, True, True]
    assert [each["status"] for each in views] == [1, 0, 1, 0]
    assert [each["error"] for each in views] == ["Connection refused", "", "it is not there", ""]
    assert views[1]["result"]["version"] == "1.2.3"
    assert views[0]["result"] is None
    assert "% lb4: cannot confirm: Connection refused\n" in rig.output.err


def test_filtered_json_is_text():
    rig = Rig("show version | json | include commit", **three())

    assert [each["result"] for each in json.loads(rig.output.out)] == ['  "commit": "0123abc",\n'] * 3


def test_those_who_wait_are_shown_as_it_goes():
    servers = three()
    for each in servers.values():
        each.progress = [drain_view(flows=7), drain_view(phase="drained", flows=0)]
    rig = Rig("set backend www1 drain wait", **servers)

    assert rig.status == 0
    assert "lb1: " in rig.output.out
    assert all(line.startswith(("lb1: ", "lb2: ", "lb3: ")) for line in rig.output.out.splitlines())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("show nonsense", 'Unknown word "nonsense"'),
        ("show", "Incomplete"),
        ("watch events", "watch follows one server: name only one with --server"),
    ],
)
def test_a_mistake_is_told_once_and_nobody_is_asked(line, words):
    rig = Rig(line, **three())

    assert rig.status == 2
    assert rig.output.err.count(words) == 1
    assert rig.output.out == ""
    assert rig.connects == []


def test_a_comment_does_nothing():
    assert Rig("! nothing", **three()).status == 0


def test_on_a_terminal_tables_are_aligned_and_coloured():
    rig = Rig("show frontends", window=Window(100, 40), **three())

    assert "\x1b[" not in rig.output.out  # no type of terminal: a dumb one
    assert "  " in rig.output.out


def test_its_end_gives_up_everything():
    rig = Rig("show version", lb1=ListedServer(), lb2=SilentServer())
    rig.runner.data_received(b"x")
    rig.runner.eof_received()
    rig.runner.resized(Window())
    rig.runner.closed()
    rig.pass_time(0)

    assert rig.status is None
    assert rig.clock.getDelayedCalls() == []
    assert rig.servers["lb2"].closed


def test_an_interruption_is_told():
    rig = Rig("show version", lb1=ListedServer(), lb2=SilentServer())
    rig.runner.interrupt()

    assert rig.status == 1
    assert rig.output.err == "% interrupted\n"
