"""A tun device of the kernel, as ioctl(2) knows it: attach to an existing one, and ask how it is."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
from typing import Final

# linux/if_tun.h, linux/if.h, linux/sockios.h
_TUNSETIFF: Final = 0x400454CA
_IFF_TUN: Final = 0x0001
_IFF_NO_PI: Final = 0x1000
_SIOCGIFINDEX: Final = 0x8933
_SIOCGIFFLAGS: Final = 0x8913
_IFF_RUNNING: Final = 0x40
_INTERFACE: Final = struct.Struct("16sH22x")
_DEVICE: Final = "/dev/net/tun"
_DATAGRAM: Final = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC


def attach(device: str) -> int:
    """Return a descriptor of an existing tun device: root would otherwise make one that leads nowhere.

    Raises:
        OSError: There is none, or it is not for us.
    """
    _ask_about(device, _SIOCGIFINDEX)
    descriptor = os.open(_DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, _INTERFACE.pack(device.encode("ascii"), _IFF_TUN | _IFF_NO_PI))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_running(device: str) -> bool:
    """Return whether a device is up, and the kernel gives it packets.

    Raises:
        OSError: There is none.
    """
    return bool(_ask_about(device, _SIOCGIFFLAGS) & _IFF_RUNNING)


def _ask_about(device: str, request: int) -> int:
    with contextlib.closing(socket.SocketType(socket.AF_INET, _DATAGRAM)) as asking:
        answer = fcntl.ioctl(asking, request, _INTERFACE.pack(device.encode("ascii"), 0))
    return int(_INTERFACE.unpack(answer)[1])


def why_unusable(device: str, error: OSError) -> str:
    """Say for a person why a device can't be used."""
    text = {
        errno.ENODEV: f"no device {device}: does vpp-maglev-tunnel.service run?",
        errno.EBUSY: f"{device} is in use by another process",
        errno.EPERM: f"{device} belongs to another user",
        errno.EINVAL: f"{device} is not a tun device",
        errno.ENOENT: f"there is no {_DEVICE}",
        errno.EACCES: f"{_DEVICE} may not be opened",
    }.get(error.errno or 0)
    return text or f"{device}: {os.strerror(error.errno or 0)}"
