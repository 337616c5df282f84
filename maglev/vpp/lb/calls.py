"""The calls of VPP's lb plugin, over its binary API.

In short::

    lb = lb_for(protocol)                   # of lbcli: LbApi, or LbCli for a VPP before 26.10, or VppMissingError
    lb.features                             # Features(weights=True, src_ip_sticky=True)
    state = await lb.read_state()           # LbState
    conf = await lb.read_conf()             # LbConf
    await lb.write_conf(conf)
    await lb.apply(AddServer(key, "192.0.2.1", 100))
    await lb.apply_at_once([DeleteVip(key), AddVip(key, ...), AddServer(key, "192.0.2.1", 100)])
    pid = await lb.ping()
    version = await lb.version()            # Version(program, version, build_date, directory)
    text = await lb.cli("show version")
    index = await lb.route_index(key)       # column of the VIP's route in /net/route/to

Everything returns a Deferred and raises nothing by itself. Deferreds fail with `VppRetvalError` when VPP refuses,
`VppTimeoutError`, `VppLostError` or `VppProtocolError` when no (good) answer comes, and `ValueError` for what must
never be sent (`maglev.vpp.lb.limits`), before anything is. Two refusals have a meaning of their own: adding what exists
fails with a retval of `VALUE_EXIST` (what VPP holds is not what was thought: read it again), and deleting what is not
there is no failure. Calls made one after the other, without waiting, reach VPP in that order.

The API does not tell everything. Whether a VIP is sticky, how long its table is (the message has only 16 bits for
that), its index in the counters and the indexes of the servers' routes are taken from the text of
``show lb vips verbose``, asked for in the same write; if that can't be read, they stay unknown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from twisted.internet.defer import Deferred, FirstError, fail, gatherResults

from maglev.model.errors import VppError, VppRetvalError
from maglev.runtime.logs.logger import EventLogger
from maglev.vpp.api.messages import RETVAL_TEXTS
from maglev.vpp.lb.limits import check, check_conf, check_key
from maglev.vpp.lb.script import script
from maglev.vpp.lb.state import AddServer, AddVip, DeleteServer, DeleteVip, Encap, SetWeight
from maglev.vpp.lb.wire import pack_address, pack_conf, pack_key, pack_prefix, unpack_conf, unpack_state, unpack_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.python.failure import Failure

    from maglev.model.config import LbConf
    from maglev.vpp.api.protocol import VppProtocol
    from maglev.vpp.lb.state import LbState, Operation, VipKey

VALUE_EXIST: Final = -81
"""Retval of adding a VIP or an application server that is there already (``vnet/error.h``)."""

NO_SUCH_ENTRY: Final = -6
"""Retval of deleting or changing one that is not there."""

# The filter of `lb_vip_dump` is ignored, and that of `lb_as_v2_dump` matches no IPv4 VIP. All zeros is everything.
_EVERYTHING: Final = (0, bytes(16), 0)

_ADD, _DELETE = False, True

_CODE: Final = re.compile(r"error (-\d+)")
"""The code that the lb plugin prints with a refusal; the retval of a command is always -1."""


def is_surprise(error: VppError) -> bool:
    """Return whether VPP only holds something else than was thought: a read will tell what it serves."""
    return isinstance(error, VppRetvalError) and error.retval in {VALUE_EXIST, NO_SUCH_ENTRY}


class Features(NamedTuple):
    """What this VPP can do.

    Attributes:
        weights: Whether application servers have weights; without, they are there or not.
        src_ip_sticky: Whether a VIP can stick to source addresses.
    """

    weights: bool
    src_ip_sticky: bool


class Version(NamedTuple):
    """What VPP says of itself: text from outside, see `maglev.model.text.printable`."""

    program: str
    version: str
    build_date: str
    directory: str


class VppApi:
    """The calls that every VPP understands.

    Attributes:
        protocol: The connection.
    """

    def __init__(self, protocol: VppProtocol) -> None:
        self.protocol = protocol

    def ping(self) -> Deferred[int]:
        """Ask for a sign of life; the Deferred fires with the process id of VPP."""
        return self.protocol.request("control_ping").addCallback(lambda values: values[1])

    def version(self) -> Deferred[Version]:
        """Ask what VPP is."""
        return self.protocol.request("show_version").addCallback(lambda values: Version(*map(unpack_text, values)))

    def cli(self, command: str) -> Deferred[str]:
        """Run a command of VPP's command line; the Deferred fires with its output.

        It fails with `VppRetvalError`, which has what VPP says, if VPP does not accept the command. The output is text
        from outside: what is not ASCII is escaped, control characters are not.
        """
        try:
            reply = self.protocol.request("cli_inband", command.encode("ascii"))
        except ValueError:
            return fail()
        return reply.addCallback(lambda values: unpack_text(values[0]))

    def route_index(self, key: VipKey) -> Deferred[int]:
        """Ask for the index of the route to a VIP in the counters ``/net/route/to``.

        It fails with a retval of `NO_SUCH_ENTRY` if there is no such route.
        """
        try:
            check_key(key)
        except ValueError:
            return fail()
        return self.protocol.request("ip_route_lookup", 0, 1, *pack_prefix(key)).addCallback(lambda values: values[1])


class LbPlugin(VppApi):
    """Base class of the two implementations.

    Attributes:
        features: What it can do.
    """

    features: Features

    def apply_at_once(self, operations: Sequence[Operation]) -> Deferred[None]:
        """Do several writes in one message, between two moments of VPP's workers; see `maglev.vpp.lb.script`.

        It fails with `VppRetvalError` as soon as VPP refuses one of them; what came before it is done, the rest is not.
        Deleting one thing that does not exist succeeds.
        """
        try:
            for operation in operations:
                check(operation)
            text = script(operations, weights=self.features.weights)
        except ValueError:
            return fail()
        done = self.command(text)
        alone = len(operations) == 1 and isinstance(operations[0], DeleteVip | DeleteServer)
        return done.addErrback(already_gone) if alone else done

    def command(self, text: str) -> Deferred[None]:
        """Run a command, or a script, that changes something; a refusal has the code that its text tells."""
        return self.cli(text).addCallbacks(lambda _: None, decode_refusal, errbackArgs=(text,))


class LbApi(LbPlugin):
    """The lb plugin of a VPP that can weigh its application servers (26.10 and later)."""

    _log = EventLogger()

    features = Features(weights=True, src_ip_sticky=True)

    def read_conf(self) -> Deferred[LbConf]:
        """Read the global settings."""
        return self.protocol.request("lb_conf_get").addCallback(unpack_conf)

    def write_conf(self, conf: LbConf) -> Deferred[None]:
        """Write the global settings. VPP drops its flow tables if the number of buckets changes."""
        try:
            check_conf(conf)
        except ValueError:
            return fail()
        return self._do("lb_conf", *pack_conf(conf))

    def read_state(self) -> Deferred[LbState]:
        """Read everything that the plugin holds; what is deleted but not collected yet is left out."""
        with self.protocol.together():
            parts: list[Deferred[Any]] = [
                self.read_conf(),
                self.protocol.dump("lb_vip_dump", *_EVERYTHING, 0, 0, 0, 0),
                self.protocol.dump("lb_as_v2_dump", *_EVERYTHING, 0, 0),
                self.cli("show lb vips verbose").addErrback(self._unshown),
            ]
        return Deferred.fromCoroutine(self._put_together(gatherResults(parts, consumeErrors=True).addErrback(cause)))

    async def _put_together(self, parts: Deferred[list[Any]]) -> LbState:
        conf, vips, servers, text = await parts
        return await self.protocol.work.run(unpack_state(conf, vips, servers, text, self._unusable))

    def apply(self, operation: Operation) -> Deferred[None]:
        """Do one write."""
        try:
            check(operation)
        except ValueError:
            return fail()
        match operation:
            case AddVip(key, encap, sticky, length):
                return self._vip(key, encap, length, sticky=sticky, delete=_ADD)
            case DeleteVip(key):
                # Only the key counts here; for the rest VPP gets what the definition has as defaults.
                return self._vip(key, Encap.GRE4, 1024, sticky=False, delete=_DELETE).addErrback(already_gone)
            case AddServer(key, address, weight, flush):
                return self._do("lb_add_del_as_v2", *pack_key(key), *pack_address(address), weight, _ADD, flush)
            case DeleteServer(key, address, flush):
                values = (*pack_key(key), *pack_address(address), 0, _DELETE, flush)
                return self._do("lb_add_del_as_v2", *values).addErrback(already_gone)
            case SetWeight(key, address, weight, _, flush):
                return self._do("lb_as_set_weight", *pack_key(key), *pack_address(address), weight, flush)

    def _vip(self, key: VipKey, encap: Encap, length: int, *, sticky: bool, delete: bool) -> Deferred[None]:
        unused = (0, 0, 0, 0)  # dscp, type, target_port, node_port: for L3DSR and NAT
        return self._do("lb_add_del_vip_v2", *pack_key(key), encap, *unused, length, sticky, delete)

    def _do(self, name: str, *values: Any) -> Deferred[None]:
        return self.protocol.request(name, *values).addCallback(lambda _: None)

    def _unusable(self, error: str) -> None:
        self._log.warn("vpp-lb-row-unusable", error=error)

    def _unshown(self, failure: Failure) -> str:
        failure.trap(VppRetvalError)
        self._log.warn("vpp-lb-show-refused", error=str(failure.value))
        return ""


def already_gone(failure: Failure) -> None:
    """Turn the refusal to delete something absent into success: an errback."""
    failure.trap(VppRetvalError)
    if not isinstance(failure.value, VppRetvalError) or failure.value.retval != NO_SUCH_ENTRY:
        failure.raiseException()


def decode_refusal(failure: Failure, command: str) -> None:
    """Set the code of a refused command to the one in its text: an errback."""
    failure.trap(VppRetvalError)
    code = _CODE.search(str(failure.value))
    if code is None:
        failure.raiseException()
    else:
        what = "a script" if "\n" in command else " ".join(command.split()[:2])
        raise VppRetvalError(what, int(code[1]), RETVAL_TEXTS.get(int(code[1]), "")) from failure.value


def cause(failure: Failure) -> Failure:
    """Return the failure behind the one that `gatherResults` makes of it: an errback."""
    return failure.value.subFailure if isinstance(failure.value, FirstError) else failure
