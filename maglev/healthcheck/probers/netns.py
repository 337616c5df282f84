"""A network namespace that is entered for the moment of one call, and always left again.

A socket belongs for ever to the namespace that its thread was in when it was created, so that moment is all that is
needed. ``setns`` moves the calling thread only: this must run in the reactor thread, where the sockets are made.

The namespace is opened by its name each time, which costs two system calls: an operator may delete and re-create it,
and a descriptor kept from before would hold on to the old one, from which nothing can be reached any more.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from typing import TYPE_CHECKING, Final, NoReturn, ParamSpec, TypeVar

from twisted.logger import Logger

from maglev.model.errors import StartError
from maglev.runtime.logs.writer import LineWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    P = ParamSpec("P")
    T = TypeVar("T")

NETNS_DIRECTORIES: Final = ("/run/netns", "/var/run/netns")
"""Where iproute2 keeps named namespaces (ip-netns(8)); one is usually a link to the other."""

OWN_NAMESPACE: Final = "/proc/thread-self/ns/net"

_CLONE_NEWNET: Final = 0x40000000
"""From ``sched.h``; the `os` module has it from Python 3.12 only."""

_EX_OSERR: Final = 71

_DESCRIPTOR_SHORTAGE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class NetnsError(OSError):
    """The namespace can't be entered; the text says why, for a person."""


def _find_setns() -> Callable[[int, int], None]:
    """Return ``setns(2)``: Python's own, or that of the C library before Python 3.12."""
    found: Callable[[int, int], None] | None = getattr(os, "setns", None)
    if found is not None:
        return found
    library = ctypes.CDLL(None, use_errno=True)

    def setns(descriptor: int, kind: int) -> None:
        if library.setns(descriptor, kind) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return setns


def _die(error: OSError) -> NoReturn:
    """End the process at once: the reactor would catch an exception, and every later socket would be misplaced."""
    text = f"maglevd: can't return to its own network namespace ({error}); it must not go on in another one\n"
    # A full pipe must not keep it alive.
    with contextlib.suppress(OSError):
        writer = LineWriter(2)
        writer.write(text)
        writer.close()
    os._exit(_EX_OSERR)


class NetworkNamespace:
    """A named network namespace.

    Attributes:
        name: As in ``ip netns``.
    """

    _log = Logger()

    def __init__(self, name: str, *, die: Callable[[OSError], NoReturn] = _die) -> None:
        """Remember the namespace of the calling thread, to return to.

        Raises:
            OSError: This thread's own namespace can't be opened (no ``/proc``, no descriptors).
        """
        self.name = name
        self._die = die
        self._setns = _find_setns()
        self._own = os.open(OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Give up the way back; nothing can be called in the namespace any more."""
        if self._own >= 0:
            os.close(self._own)
            self._own = -1

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function with this thread in the namespace, and return what it returns.

        Raises:
            NetnsError: The namespace can't be entered; the function was not called.
            OSError: No descriptor could be had to enter it; or what the function raised.
        """
        self._enter()
        try:
            return function(*args, **kwargs)
        finally:
            self._leave()

    def identity(self) -> tuple[int, int] | None:
        """Return what tells this namespace from one of the same name created later; None while there is none."""
        try:
            status = os.stat(find_netns(self.name))  # noqa: PTH116  # called for every probe; a Path costs more
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _enter(self) -> None:
        try:
            descriptor = os.open(find_netns(self.name), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in _DESCRIPTOR_SHORTAGE:
                raise
            raise NetnsError(error.errno, _explain(self.name, error)) from error
        try:
            self._setns(descriptor, _CLONE_NEWNET)
        except OSError as error:
            raise NetnsError(error.errno, _explain(self.name, error)) from error
        finally:
            os.close(descriptor)

    def _leave(self) -> None:
        try:
            self._setns(self._own, _CLONE_NEWNET)
        except OSError as error:
            self._log.critical("netns-not-left", netns=self.name, error=str(error))
            self._die(error)


def find_netns(name: str) -> str:
    """Return the path of a named namespace; that in the first directory when there is none."""
    for directory in NETNS_DIRECTORIES:
        path = f"{directory}/{name}"
        if os.access(path, os.F_OK):
            return path
    return f"{NETNS_DIRECTORIES[0]}/{name}"


def check_netns(name: str) -> None:
    """Try the namespace out, before the daemon starts.

    Raises:
        StartError: It does not exist, is not a network namespace, or may not be entered; the text says which, and what
            capability is missing where that is the cause.
    """
    if not name or "/" in name or name in {".", ".."}:
        message = f"{name!r} is not the name of a network namespace"
        raise StartError(message)
    try:
        namespace = NetworkNamespace(name)
    except OSError as error:
        message = f"the daemon's own network namespace can't be opened: {error.strerror}"
        raise StartError(message) from error
    try:
        namespace.call(os.getpid)
    except OSError as error:
        raise StartError(error.strerror or _explain(name, error)) from error
    finally:
        namespace.close()


def _explain(name: str, error: OSError) -> str:
    """Say for a person why a namespace can't be entered."""
    if error.errno == errno.ENOENT:
        return f"no such network namespace: {name!r} (looked in {' and '.join(NETNS_DIRECTORIES)})"
    if error.errno in {errno.EPERM, errno.EACCES}:
        return f"the network namespace {name!r} can't be entered: CAP_SYS_ADMIN is missing"
    if error.errno == errno.EINVAL:
        return f"{find_netns(name)} is not a network namespace"
    return f"the network namespace {name!r} can't be entered: {os.strerror(error.errno or 0)}"
