"""From a socket path to a connection that can be used: connect, introduce ourselves, learn VPP's definitions.

VPP tells its message table in the handshake, and the definitions themselves in ``get_api_json`` (since 24.06; before,
they are files that come with VPP). The latter are some megabytes, asked for only if the table has a message of ours in
a version that was not seen before, and read one module at a time, so that probes go on meanwhile.
"""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.protocol import Factory
from twisted.internet.threads import deferToThreadPool

from maglev.model.errors import VppNotConnectedError, VppProtocolError, VppShortageError, VppTimeoutError
from maglev.runtime.logs.logger import EventLogger
from maglev.runtime.spare import OUT, SHORTAGE
from maglev.vpp.api.definitions import bootstrap_layout, elements
from maglev.vpp.api.messages import EXPECTED, LB_PLUGIN_SIGNS
from maglev.vpp.api.pipeline import DEADLINE, WINDOW
from maglev.vpp.api.protocol import VppProtocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Sequence

    from maglev.runtime.cooperator import WorkQueue
    from maglev.vpp.api.call import Table
    from maglev.vpp.api.definitions import Layouts
    from maglev.vpp.api.protocol import Count

CONNECT_DEADLINE: Final = 10.0
"""Seconds for everything, until the connection is usable. VPP itself needs milliseconds, but may be busy starting."""

MAX_PATH: Final = 107
"""Bytes: ``sun_path`` in ``unix(7)``, without the NUL."""

API_DIRECTORIES: Final = ("/usr/share/vpp/api", "/usr/local/share/vpp/api")
API_FILES: Final = ("core/memclnt", "core/vlib", "core/vpe", "core/ip", "plugins/lb")
MAX_API_FILE: Final = 4 << 20
"""Bytes; the largest of these files has 150 kB."""

_log: Final = EventLogger()
_ENTRY: Final = struct.Struct(">H64s")
_CRC_LENGTH: Final = 8


async def connect(
    reactor: Any,
    work: WorkQueue,
    path: str,
    *,
    layouts: Layouts,
    count: Count,
    client_name: str = "maglevd",
    deadline: float = CONNECT_DEADLINE,
    request_deadline: float = DEADLINE,
    window: int = WINDOW,
    trace: bool = False,
) -> VppProtocol:
    """Return a connection to VPP that requests can be made of.

    Args:
        reactor: Connects, measures the deadlines, and has threads.
        work: Where VPP's definitions are learned, and large answers are put together later on.
        path: Of the API socket.
        layouts: The definitions known so far; new ones are added. Give the same to each connection.
        count: Counts every message.
        client_name: What we are called in VPP.
        deadline: Seconds for all of it.
        request_deadline: Seconds of silence after which a single request is given up, later on too.
        window: Requests under way at once.
        trace: Whether each message is logged at debug.

    Raises:
        VppNotConnectedError: Nobody listens there, or the connection was lost at once.
        VppShortageError: There is no descriptor left for a socket.
        VppTimeoutError: VPP accepted, but did not get ready in time.
        VppProtocolError: The peer is not a VPP.
    """

    def late(_: object, seconds: float) -> None:
        raise VppTimeoutError(f"VPP at {path} was not ready within {seconds:g} s")

    if len(os.fsencode(path)) > MAX_PATH:
        # Twisted would log a traceback and never say that it can't connect.
        raise VppNotConnectedError(f"no connection to VPP: the path {path} is too long for a socket")
    protocol = VppProtocol(reactor, work, count, deadline=request_deadline, window=window, trace=trace)
    opening = Deferred.fromCoroutine(_open(reactor, path, protocol, client_name, layouts))
    try:
        await opening.addTimeout(deadline, reactor, onTimeoutCancel=late)
    except ConnectError as error:
        # Without a number it was EAGAIN: too many connections wait for VPP already.
        reason = os.strerror(error.osError) if error.osError else "VPP is not accepting connections"
        raise VppNotConnectedError(f"no connection to VPP at {path}: {reason}") from error
    except OSError as error:  # Twisted lets what socket() raises through, such as too many open files
        protocol.abort("no socket")
        if error.errno in SHORTAGE:
            raise VppShortageError(f"no connection to VPP: {OUT}") from error
        raise VppNotConnectedError(f"no connection to VPP at {path}: {error.strerror}") from error
    except ConnectingCancelledError as error:
        raise CancelledError from error
    except BaseException:
        # Whatever it was, cancellation included: a connection that nobody uses must not stay open.
        protocol.abort("VPP was not ready in time")
        raise
    return protocol


async def _open(reactor: Any, path: str, protocol: VppProtocol, client_name: str, layouts: Layouts) -> None:
    await UNIXClientEndpoint(reactor, path).connect(_OneProtocol(protocol))

    def in_thread() -> Deferred[Sequence[str]]:
        return deferToThreadPool(reactor, reactor.getThreadPool(), read_api_files)

    await prepare(protocol, client_name, layouts, in_thread)


async def prepare(
    protocol: VppProtocol,
    client_name: str,
    layouts: Layouts,
    api_files: Callable[[], Awaitable[Sequence[str]]],
) -> None:
    """Make a connected protocol usable.

    Raises:
        VppError: It can't be.
    """
    client_index, table = read_welcome(await protocol.greet(client_name))
    protocol.understand(client_index, table, layouts)
    wanted = [(name, crc) for name, (_, crc) in table.items() if name in EXPECTED]
    if all(layouts.is_settled(name, crc) for name, crc in wanted):
        return
    if protocol.has("get_api_json"):
        (text,) = await protocol.request("get_api_json")
        await protocol.work.run(_learn_modules(text, layouts))
        for name, crc in wanted:
            layouts.settle(name, crc)
    else:
        await protocol.work.run(_learn_files(await api_files(), layouts))
    protocol.understand(client_index, table, layouts)


def _learn_modules(text: bytes, layouts: Layouts) -> Generator[None, None, None]:
    for module in elements(text.decode("utf-8", "replace")):
        layouts.learn(module)
        yield  # one module takes up to a few milliseconds


def _learn_files(texts: Sequence[str], layouts: Layouts) -> Generator[None, None, None]:
    for text in texts:
        try:
            layouts.learn(json.loads(text))
        except (ValueError, RecursionError):
            _log.warn("vpp-api-file-invalid", size=len(text))
        yield


def read_welcome(message: bytes) -> tuple[int, Table]:
    """Return our client index and VPP's message table, as far as it concerns us.

    Args:
        message: The ``sockclnt_create_reply``.

    Raises:
        VppProtocolError: It is malformed, or VPP did not accept us.
    """
    layout = bootstrap_layout("sockclnt_create_reply")
    _, _, _, response, index, count = layout.unpack(message)
    entries = memoryview(message)[layout.packing.size :]
    if response or len(entries) != count * _ENTRY.size:
        raise VppProtocolError(f"VPP answered {response} to the greeting, and {len(entries)} bytes for {count} names")
    table = {}
    for number, raw in _ENTRY.iter_unpack(entries):
        listed = raw.partition(b"\0")[0].decode("ascii", "replace")
        name = listed[: -_CRC_LENGTH - 1]
        if name in EXPECTED or name in LB_PLUGIN_SIGNS:
            table[name] = (number, listed[-_CRC_LENGTH:])
    return index, table


def read_api_files() -> list[str]:
    """Return the texts of the installed definitions that we need; those that can't be read are left out.

    They are looked for in ``$VPP_API_DIR``, and where VPP's packages put them. This blocks: call it in a thread.
    """
    directories = (os.environ.get("VPP_API_DIR", ""), *API_DIRECTORIES)
    for directory in filter(None, directories):
        texts = [text for name in API_FILES if (text := _read(Path(directory, f"{name}.api.json")))]
        if texts:
            return texts
    return []


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_API_FILE).decode("utf-8", "replace")
    except OSError:
        return ""


class _OneProtocol(Factory):
    """Returns the one protocol that it was made with."""

    noisy = False

    def __init__(self, protocol: VppProtocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: object) -> VppProtocol:  # noqa: ARG002  # Twisted's signature
        return self._protocol
