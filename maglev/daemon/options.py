"""The command line of ``maglevd`` and ``twistd maglev``, and the environment behind it."""

from __future__ import annotations

import os
from typing import ClassVar, Final, NamedTuple

from twisted.logger import LogLevel
from twisted.python.usage import Options as BaseOptions
from twisted.python.usage import UsageError

from maglev.model.version import VERSION

LEVELS: Final = {level.name: level for level in LogLevel.iterconstants()}

IMPORTED: Final = ("haproxy", "keepalived")
"""Programs whose configuration can be imported."""

_ADDRESS: Final = "HOST:PORT, [IPv6]:PORT, unix:PATH, or empty for nowhere"


class Setting(NamedTuple):
    """One option with a value: its flag is ``--name``, its environment variable ``MAGLEV_NAME``; the flag wins."""

    name: str
    default: str
    help: str

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "MAGLEV_" + self.name.upper().replace("-", "_")


SETTINGS: Final = (
    Setting("config", "/etc/vpp-maglev/maglev.yaml", "the configuration file"),
    Setting("vpp-api-addr", "/run/vpp/api.sock", "VPP's API socket; empty switches VPP off"),
    Setting("vpp-stats-addr", "/run/vpp/stats.sock", "VPP's stats socket"),
    Setting("metrics-addr", "127.0.0.1:9091", f"where metrics are served: {_ADDRESS}"),
    Setting("ssh-addr", "127.0.0.1:2222", f"where the SSH console listens: {_ADDRESS}"),
    Setting("ssh-operator-keys", "/etc/vpp-maglev/operator_keys", "the SSH keys of those who may do everything"),
    Setting("ssh-viewer-keys", "/etc/vpp-maglev/viewer_keys", "the SSH keys of those who may only look"),
    Setting("pb-addr", "unix:/run/vpp-maglev/pb.sock", "where maglevc connects to: unix:PATH, or empty for nowhere"),
    Setting("pb-operator-group", "maglevd", "the group whose members may do everything over --pb-addr, beside root"),
    Setting("pb-tls-addr", "", "where maglevc connects to with TLS: HOST:PORT, [IPv6]:PORT, or empty for nowhere"),
    Setting("pb-tls-cert", "", "our certificate, and its chain, for --pb-tls-addr (PEM)"),
    Setting("pb-tls-key", "", "its private key (PEM)"),
    Setting("pb-tls-ca", "", "the authorities that issue client certificates (PEM)"),
    Setting("state-dir", "/var/lib/vpp-maglev", "where the SSH host key is kept"),
    Setting("log-level", "info", "the lowest level that is logged: debug, info, warn, error or critical"),
)


class Options(BaseOptions):
    """The command line of maglevd, and of ``twistd maglev``.

    Attributes:
        given: Names of the settings that are not at their defaults, but given.
    """

    synopsis = "[options]"
    longdesc = (
        "An option with a value can also be given by the environment: --log-level by MAGLEV_LOG_LEVEL, and so on."
    )
    optFlags: ClassVar = [
        ["check", None, "check the configuration file and exit: 0 valid, 1 parse error, 2 semantic error"],
        ["demo", None, "run on a built-in simulator of VPP and three backends of its own"],
    ]
    optParameters: ClassVar = [
        *([each.name, None, None, each.help] for each in SETTINGS),
        *([f"import-{name}", None, None, f"write a configuration made of this one of {name}"] for name in IMPORTED),
    ]

    def __init__(self) -> None:
        BaseOptions.__init__(self)
        self.given: set[str] = set()

    def imports(self) -> dict[str, str]:
        """Return the files to import, by the name of their program; there is at most one."""
        return {name: self[f"import-{name}"] for name in IMPORTED if self[f"import-{name}"] is not None}

    def opt_version(self) -> None:
        """Show the version and exit."""
        print(f"maglevd {VERSION}")  # noqa: T201
        raise SystemExit(0)

    def postOptions(self) -> None:
        """Fill in the environment and the defaults.

        Raises:
            UsageError: A value makes no sense.
        """
        for each in SETTINGS:
            if self[each.name] is None:
                self[each.name] = os.environ.get(each.variable)
            if self[each.name] is None:
                self[each.name] = each.default
            else:
                self.given.add(each.name)
        if len(self.imports()) > 1:
            raise UsageError("--import-haproxy and --import-keepalived don't go together")
        if self["log-level"] not in LEVELS:
            raise UsageError(f"--log-level: {self['log-level']!r} is none of {', '.join(LEVELS)}")
