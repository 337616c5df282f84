"""The command line of ``maglevd`` and ``twistd maglev``, with defaults from the environment."""

from __future__ import annotations

import os
from typing import ClassVar, Final, NamedTuple

from twisted.logger import LogLevel
from twisted.python.usage import Options as BaseOptions
from twisted.python.usage import UsageError

from maglev.model.text import printable
from maglev.model.version import VERSION

LEVELS: Final = {level.name: level for level in LogLevel.iterconstants()}

IMPORTED: Final = ("haproxy", "keepalived")
"""Programs whose configuration can be imported."""

_ADDRESS: Final = "HOST:PORT, [v6]:PORT or unix:PATH; empty for off"


class Setting(NamedTuple):
    """One option with a value: its flag is ``--name``, its environment variable ``MAGLEV_NAME``; the flag wins."""

    name: str
    default: str
    help: str

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "MAGLEV_" + self.name.upper().replace("-", "_")

    @property
    def described(self) -> str:
        """The help, with the default."""
        return f"{self.help} [default: {self.default}]" if self.default else self.help


SETTINGS: Final = (
    Setting("config", "/etc/vpp-maglev/maglev.yaml", "the configuration file"),
    Setting("name", "", "name of this machine, in prompts and on the live page (default: the host name)"),
    Setting("vpp-api-addr", "/run/vpp/api.sock", "VPP's API socket; empty switches VPP off"),
    Setting("vpp-stats-addr", "/run/vpp/stats.sock", "VPP's stats socket"),
    Setting("metrics-addr", "127.0.0.1:9091", f"address of the metrics listener: {_ADDRESS}"),
    Setting("web-addr", "127.0.0.1:9092", f"address of the live page: {_ADDRESS}"),
    Setting("web-name", "", "names by which the live page is reached, by commas: lb1 or https://lb1.example.net"),
    Setting("ssh-addr", "127.0.0.1:2222", f"address of the SSH console: {_ADDRESS}"),
    Setting("ssh-operator-keys", "/etc/vpp-maglev/operator_keys", "file with the SSH keys of operators (full access)"),
    Setting("ssh-viewer-keys", "/etc/vpp-maglev/viewer_keys", "file with the SSH keys of viewers (read-only access)"),
    Setting("pb-addr", "unix:/run/vpp-maglev/pb.sock", "socket for maglevc: unix:PATH; empty for off"),
    Setting("pb-operator-group", "maglevd", "group whose members are operators on --pb-addr, besides root"),
    Setting("pb-tls-addr", "", "TLS address for maglevc: HOST:PORT or [v6]:PORT; empty for off"),
    Setting("pb-tls-cert", "", "certificate of maglevd for --pb-tls-addr, with its chain (PEM)"),
    Setting("pb-tls-key", "", "private key of that certificate (PEM)"),
    Setting("pb-tls-ca", "", "CA certificates to verify client certificates with (PEM)"),
    Setting("peers", "", "other balancers of the same VIPs, by commas: HOST, HOST:PORT or tls:HOST:PORT"),
    Setting("peers-tls-cert", "", "our certificate for --peers (PEM); that of --pb-tls-cert if not given"),
    Setting("peers-tls-key", "", "private key of that certificate (PEM); that of --pb-tls-key if not given"),
    Setting("peers-tls-ca", "", "CA of the certificates of --peers (PEM); that of --pb-tls-ca if not given"),
    Setting("state-dir", "/var/lib/vpp-maglev", "directory of the SSH host key and of what operators ordered"),
    Setting("log-level", "info", "lowest level to log: debug, info, warn, error or critical"),
)


class Options(BaseOptions):
    """The command line of maglevd, and of ``twistd maglev``.

    Attributes:
        given: Names of the settings that were given explicitly.
    """

    synopsis = "[options]"
    longdesc = "Options with a value can also be set in the environment: --log-level by MAGLEV_LOG_LEVEL, and so on."
    optFlags: ClassVar = [
        ["check", None, "check the configuration file and exit: 0 valid, 1 parse error, 2 semantic error"],
        ["demo", None, "run a demonstration on a built-in VPP simulator and three web servers"],
    ]
    optParameters: ClassVar = [
        *([each.name, None, None, each.described] for each in SETTINGS),
        *([f"import-{name}", None, None, f"convert this {name} configuration and print it"] for name in IMPORTED),
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
            UsageError: A value is invalid.
        """
        for each in SETTINGS:
            if self[each.name] is None:
                self[each.name] = os.environ.get(each.variable)
            if self[each.name] is None:
                self[each.name] = each.default
            else:
                self.given.add(each.name)
        if len(self.imports()) > 1:
            raise UsageError("--import-haproxy and --import-keepalived are mutually exclusive")
        if self["log-level"] not in LEVELS:
            level, levels = printable(self["log-level"]), ", ".join(LEVELS)
            raise UsageError(f'--log-level: invalid level "{level}": expected one of {levels}')
