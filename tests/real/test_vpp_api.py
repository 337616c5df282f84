"""The way to VPP, end to end, against the simulator in a process of its own and against a real VPP."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import deferLater

from maglev.model.config import LbConf
from maglev.model.errors import (
    StatsError,
    VppLostError,
    VppMissingError,
    VppNotConnectedError,
    VppRetvalError,
    VppShortageError,
    VppTimeoutError,
)
from maglev.runtime.cooperator import Cooperator
from maglev.vpp.api.connection import connect
from maglev.vpp.api.definitions import Layouts
from maglev.vpp.lb.calls import NO_SUCH_ENTRY, VALUE_EXIST, LbApi
from maglev.vpp.lb.cli import LbCli, lb_for
from maglev.vpp.lb.state import (
    ANY_PROTOCOL,
    AddServer,
    AddVip,
    DeleteServer,
    DeleteVip,
    Encap,
    SetWeight,
    VipKey,
)
from maglev.vpp.stats.segment import BOOT_TIME, HEARTBEAT
from maglev.vpp.stats.segment_socket import open_stats, socket_identity
from tests.fakes.descriptors import leaked_since, none_left, open_descriptors
from tests.fakes.fake_vpp import Tally
from tests.fakes.vpp_instance import private_vpp

pytestmark = [pytest.mark.real, pytest.mark.vpp]

CONF = LbConf("192.0.2.254", "2001:db8::fe", 4096, 30)
WEB = VipKey("192.0.2.1", 32, 6, 443)
DNS = VipKey("2001:db8::53", 128, 17, 53)
ALL = VipKey("192.0.2.9", 32, ANY_PROTOCOL, 0)


@pytest.fixture(params=["process", "real"])
def vpp(request):
    with private_vpp(request.param) as instance:
        yield instance


@pytest.fixture
def old_vpp():
    with private_vpp("process", "--release", "26.06") as instance:
        yield instance


async def connected(instance, layouts=None, tally=None):
    return await connected_to(instance.api_socket, layouts, tally)


async def connected_to(path, layouts=None, tally=None):
    from twisted.internet import reactor

    return await connect(
        reactor,
        Cooperator(reactor).queue("vpp"),
        path,
        layouts=Layouts() if layouts is None else layouts,
        count=Tally() if tally is None else tally,
        deadline=30.0,
    )


async def gone(protocol):
    lost = protocol.when_lost()
    protocol.close()
    return await lost


async def refused(deferred):
    with pytest.raises(VppRetvalError) as info:
        await deferred
    return info.value.retval


@pytest_twisted.ensureDeferred
async def test_it_connects_and_says_what_it_is(vpp):
    protocol = await connected(vpp)
    lb = lb_for(protocol)

    assert isinstance(lb, LbApi)
    assert lb.features.weights
    assert await lb.ping() == vpp.pid
    version = await lb.version()
    assert version.program == "vpe"
    assert version.version
    await gone(protocol)


@pytest_twisted.ensureDeferred
async def test_definitions_are_asked_for_once(vpp):
    layouts, tally = Layouts(), Tally()
    for _ in range(3):
        await gone(await connected(vpp, layouts, tally))

    assert tally.get("get_api_json", "send", "ok") == 1
    assert tally.get("sockclnt_create", "send", "ok") == 3


@pytest_twisted.ensureDeferred
async def test_what_is_written_is_read_back(vpp):
    protocol = await connected(vpp)
    lb = lb_for(protocol)

    await lb.write_conf(CONF)
    await gatherResults(
        [
            lb.apply(operation)
            for operation in (
                AddVip(WEB, Encap.GRE4, src_ip_sticky=True, table_length=65536),
                AddServer(WEB, "10.0.0.1", 100),
                AddServer(WEB, "10.0.0.2", 0),
                AddVip(DNS, Encap.GRE6, src_ip_sticky=False, table_length=1024),
                AddServer(DNS, "2001:db8:1::1", 10),
                AddServer(DNS, "2001:db8:1::2", 30),
                AddVip(ALL, Encap.GRE6, src_ip_sticky=False, table_length=1),
                SetWeight(WEB, "10.0.0.2", 50, previous=0),
                SetWeight(WEB, "10.0.0.1", 0, previous=100, flush=True),
            )
        ]
    )
    state = await lb.read_state()

    assert state.conf == CONF == await lb.read_conf()
    assert set(state.vips) == {WEB, DNS, ALL}
    web, dns, everything = state.vips[WEB], state.vips[DNS], state.vips[ALL]
    assert (web.encap, web.src_ip_sticky, web.table_length) == (Encap.GRE4, True, 65536)
    assert {server.address: (server.weight, server.buckets) for server in web.servers.values()} == {
        "10.0.0.1": (0, 0),
        "10.0.0.2": (50, 65536),
    }
    assert (dns.encap, dns.src_ip_sticky, dns.table_length) == (Encap.GRE6, False, 1024)
    assert sum(server.buckets for server in dns.servers.values()) == 1024
    assert (everything.encap, everything.table_length, everything.servers) == (Encap.GRE6, 1, {})
    assert len({vip.pool_index for vip in state.vips.values()} - {None, 0}) == 3
    assert all(server.dpo is not None and server.flows == 0 for server in web.servers.values())
    assert await lb.route_index(WEB) > 0
    await gone(protocol)


@pytest_twisted.ensureDeferred
async def test_adding_twice_is_told_and_deleting_twice_is_fine(vpp):
    protocol = await connected(vpp)
    lb = lb_for(protocol)
    vip, server = AddVip(WEB, Encap.GRE4, src_ip_sticky=False, table_length=64), AddServer(WEB, "10.0.0.1", 7)

    assert await refused(lb.apply(server)) == NO_SUCH_ENTRY
    await lb.apply(vip)
    assert await refused(lb.apply(vip)) == VALUE_EXIST
    await lb.apply(server)
    assert await refused(lb.apply(server)) == VALUE_EXIST
    assert await refused(lb.apply(SetWeight(WEB, "10.0.0.2", 1, previous=0))) == NO_SUCH_ENTRY
    for _ in range(2):
        await lb.apply(DeleteServer(WEB, "10.0.0.1"))
        await lb.apply(DeleteServer(WEB, "10.0.0.99"))
    for _ in range(2):
        await lb.apply(DeleteVip(WEB))
    assert await refused(lb.route_index(WEB)) == NO_SUCH_ENTRY
    assert (await lb.read_state()).vips == {}
    await gone(protocol)


@pytest_twisted.ensureDeferred
async def test_what_is_deleted_and_made_again_is_seen_once(vpp):
    protocol = await connected(vpp)
    lb = lb_for(protocol)
    for length, sticky in ((64, False), (128, True)):
        await lb.apply(AddVip(WEB, Encap.GRE4, src_ip_sticky=sticky, table_length=length))
        await lb.apply(AddServer(WEB, "10.0.0.1", length // 8))
        state = await lb.read_state()
        await lb.apply(DeleteVip(WEB))

    assert await lb.read_state() == type(state)(state.conf, {})
    vip = state.vips[WEB]
    assert (vip.table_length, vip.src_ip_sticky, vip.servers["10.0.0.1"].weight) == (128, True, 16)
    await gone(protocol)


@pytest_twisted.ensureDeferred
async def test_a_refused_command_says_why(vpp):
    protocol = await connected(vpp)
    lb = lb_for(protocol)

    with pytest.raises(VppRetvalError, match="unknown input"):
        await lb.cli("no such command")
    assert "GRE4" not in await lb.cli("show version")
    await gone(protocol)


@pytest_twisted.ensureDeferred
async def test_death_ends_every_request_at_once(vpp):
    protocol = await connected(vpp)
    lost = protocol.when_lost()
    waiting = [protocol.request("show_version") for _ in range(1000)]
    vpp.kill()

    assert isinstance(await lost, VppLostError)
    ends = []
    for deferred in waiting:
        deferred.addCallbacks(lambda _: ends.append("answered"), lambda failure: ends.append(failure.type))
    assert len(ends) == 1000
    assert VppLostError in ends
    with pytest.raises(VppNotConnectedError):
        await connected(vpp)


@pytest_twisted.ensureDeferred
async def test_a_new_vpp_is_another_one(vpp):
    layouts = Layouts()
    protocol = await connected(vpp, layouts)
    await lb_for(protocol).apply(AddVip(WEB, Encap.GRE4, src_ip_sticky=False, table_length=64))
    before = await lb_for(protocol).ping(), socket_identity(vpp.stats_socket)
    vpp.restart()
    again = await connected(vpp, layouts)

    assert (await lb_for(again).read_state()).vips == {}
    assert (await lb_for(again).ping(), socket_identity(vpp.stats_socket)) != before
    await gone(again)


@pytest_twisted.ensureDeferred
async def test_failed_attempts_leak_nothing(tmp_path):
    from twisted.internet import reactor

    class AbsentVpp:
        api_socket = str(tmp_path / "nobody.sock")

    with pytest.raises(VppNotConnectedError):
        await connected(AbsentVpp)
    silent = await open_silent_socket(reactor, tmp_path / "silent.sock")
    before = open_descriptors()
    for _ in range(5):
        with pytest.raises(VppTimeoutError):
            await connect(
                reactor,
                Cooperator(reactor).queue("vpp"),
                str(tmp_path / "silent.sock"),
                layouts=Layouts(),
                count=Tally(),
                deadline=0.02,
            )
        with pytest.raises(VppNotConnectedError):
            await connected(AbsentVpp)
        with pytest.raises(StatsError):
            await open_stats(reactor, str(tmp_path / "nobody.sock"))
    await turns(reactor)
    assert leaked_since(before) == set()
    await silent.stopListening()


@pytest_twisted.ensureDeferred
async def test_whatever_the_path_is_the_error_says_why(tmp_path):
    path = tmp_path / "full.sock"
    with socket.socket(socket.AF_UNIX) as full, contextlib.ExitStack() as queue:
        full.bind(str(path))
        full.listen(0)
        for _ in range(2):
            waiting = queue.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            waiting.connect_ex(str(path))
        for where, reason in (
            (tmp_path / ("x" * 200), "too long"),
            (tmp_path / "nobody", "No such file"),
            (tmp_path / "none" / "nobody", "No such file"),
            ("/etc/passwd", "refused"),
            ("", "Invalid argument"),
            (path, "not accepting connections"),
        ):
            with pytest.raises(VppNotConnectedError, match=reason):
                await connected_to(str(where))


@pytest_twisted.ensureDeferred
async def test_too_few_descriptors_are_our_own_fault_and_the_error_says_so(tmp_path):
    with none_left(), pytest.raises(VppShortageError, match="maglevd is out of file descriptors") as failed:
        await connected_to(str(tmp_path / "nobody"))
    assert failed.value.is_ours
    with pytest.raises(VppNotConnectedError, match="No such file") as failed:
        await connected_to(str(tmp_path / "nobody"))
    assert not failed.value.is_ours


@pytest_twisted.ensureDeferred
async def test_an_attempt_can_be_given_up(tmp_path):
    from twisted.internet import reactor

    silent = await open_silent_socket(reactor, tmp_path / "silent.sock")
    before = open_descriptors()
    for turns_before in (0, 3):
        attempt = Deferred.fromCoroutine(connected_to(silent.getHost().name))
        for _ in range(turns_before):
            await deferLater(reactor, 0)
        attempt.cancel()
        with pytest.raises(CancelledError):
            await attempt
        for _ in range(5):
            await deferLater(reactor, 0)
        assert leaked_since(before) == set()
    await silent.stopListening()


async def open_silent_socket(reactor, path: Path):
    """Listen, and never say a word."""
    from twisted.internet.endpoints import UNIXServerEndpoint
    from twisted.internet.protocol import Factory, Protocol

    factory = Factory.forProtocol(Protocol)
    factory.noisy = False
    return await UNIXServerEndpoint(reactor, str(path)).listen(factory)


async def turns(reactor):
    for _ in range(5):
        await deferLater(reactor, 0)


@pytest_twisted.ensureDeferred
async def test_the_stats_segment_is_read(vpp):
    from twisted.internet import reactor

    protocol = await connected(vpp)
    lb = lb_for(protocol)
    await lb.apply(AddVip(WEB, Encap.GRE4, src_ip_sticky=False, table_length=64))
    await lb.apply(AddServer(WEB, "10.0.0.1", 100))
    state = await lb.read_state()
    segment = await open_stats(reactor, vpp.stats_socket)

    assert segment.has(HEARTBEAT)
    assert not segment.has("/no/such/counter")
    assert segment.scalar(BOOT_TIME) >= 0
    first = segment.simple("first session packet")
    assert first[state.vips[WEB].pool_index] == 0
    assert segment.combined("/net/route/to")[await lb.route_index(WEB)] == (0, 0)
    assert segment.combined("/net/route/via")[state.vips[WEB].servers["10.0.0.1"].dpo] == (0, 0)
    with pytest.raises(StatsError, match="no counter"):
        segment.simple("/no/such/counter")
    with pytest.raises(StatsError, match="kind"):
        segment.simple(HEARTBEAT)
    await gone(protocol)
    segment.close()
    with pytest.raises(StatsError, match="closed"):
        segment.scalar(HEARTBEAT)


@pytest_twisted.ensureDeferred
async def test_an_older_vpp_is_driven_by_its_command_line(old_vpp):
    protocol = await connected(old_vpp)
    lb = lb_for(protocol)
    assert isinstance(lb, LbCli)
    assert lb.features == (False, True)

    await lb.write_conf(CONF)
    await lb.apply(AddVip(WEB, Encap.GRE4, src_ip_sticky=True, table_length=65536))
    await lb.apply(AddVip(ALL, Encap.GRE6, src_ip_sticky=False, table_length=1))
    await lb.apply(AddServer(WEB, "10.0.0.1", 100))
    await lb.apply(AddServer(WEB, "10.0.0.3", 30))
    await lb.apply(DeleteServer(WEB, "10.0.0.3", flush=False))
    await lb.apply_at_once([AddServer(ALL, "2001:db8::1", 1), AddServer(ALL, "2001:db8::2", 1)])
    state = await lb.read_state()

    assert state.conf == CONF
    assert (state.vips[WEB].src_ip_sticky, state.vips[WEB].table_length) == (True, 65536)
    weights = {address: (server.weight, server.buckets) for address, server in state.vips[WEB].servers.items()}
    assert weights == {"10.0.0.1": (100, 65536)}
    assert {server.weight for server in state.vips[ALL].servers.values()} == {100}
    assert await refused(lb.apply(AddVip(WEB, Encap.GRE4, src_ip_sticky=True, table_length=64))) == VALUE_EXIST
    assert await refused(lb.apply(AddServer(ALL, "2001:db8::1", 1))) == VALUE_EXIST
    for _ in range(2):
        await lb.apply(DeleteServer(ALL, "2001:db8::1"))
        await lb.apply(DeleteVip(ALL))
    assert set((await lb.read_state()).vips) == {WEB}
    await gone(protocol)


@pytest_twisted.ensureDeferred
async def test_a_vpp_that_cannot_describe_itself_is_driven_without_files():
    with private_vpp("process", "--release", "22.10") as instance:
        protocol = await connected(instance)
        lb = lb_for(protocol)
        assert lb.features == (False, False)
        with pytest.raises(VppMissingError):
            await lb.apply(AddVip(WEB, Encap.GRE4, src_ip_sticky=True, table_length=64))
        await lb.apply(AddVip(WEB, Encap.GRE4, src_ip_sticky=False, table_length=64))
        assert set((await lb.read_state()).vips) == {WEB}
        await gone(protocol)


@pytest_twisted.ensureDeferred
async def test_a_missing_plugin_is_told():
    with private_vpp("process", "--release", "no-lb") as instance:
        protocol = await connected(instance)
        with pytest.raises(VppMissingError, match="no lb plugin"):
            lb_for(protocol)
        await gone(protocol)
