"""The command line of ``maglevc``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

import attrs

from maglev.model.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maglev.rpc.tls import TlsFiles

DEFAULT_SERVER: Final = "unix:/run/vpp-maglev/pb.sock"

_EPILOG: Final = """\
Without a command, maglevc is interactive on a terminal, and runs the lines of its standard input otherwise.
With several servers, the command runs at each, and what one does not confirm is a failure.
Exit status: 0 ok, 1 refused, failed or not confirmed, 2 usage."""


@attrs.frozen
class MaglevcOptions:
    """What the command line and the environment say.

    Attributes:
        server: Address of the daemon, or of several, by commas.
        tls: Files for ``tls:`` addresses; None if any is not given.
        colour: Whether to use colours; None leaves it to the terminal.
        command: The command; empty for none.
    """

    server: str
    tls: TlsFiles | None
    colour: bool | None
    command: str


def parse(arguments: Sequence[str], environ: Mapping[str, str]) -> MaglevcOptions:
    """Return the options; prints what is wrong and exits with 2, or with 0 after --help and --version.

    Args:
        arguments: Command line without the program's name.
        environ: The environment.
    """
    given = _parser(environ).parse_args(arguments)
    return MaglevcOptions(
        server=given.server,
        tls=_tls(given),
        colour=_colour(given.color, environ),
        command=" ".join(given.command),
    )


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="maglevc",
        usage="maglevc [options] [command]",
        description="Show and control the state of maglevd.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    server = environ.get("MAGLEV_SERVER") or DEFAULT_SERVER
    parser.add_argument(
        "--server",
        default=server,
        metavar="ADDRESS,...",
        help="unix:PATH, tls:HOST:PORT or HOST (MAGLEV_SERVER; default: %(default)s)",
    )
    for name, what in (
        ("ca", "CA of the daemon's certificate"),
        ("cert", "client certificate"),
        ("key", "its private key"),
    ):
        variable = f"MAGLEV_TLS_{name.upper()}"
        parser.add_argument(
            f"--tls-{name}", default=environ.get(variable), metavar="FILE", help=f"PEM file: {what} ({variable})"
        )
    parser.add_argument("--color", choices=("true", "false"), help="whether to use colours (on a terminal)")
    parser.add_argument("--version", action="version", version=f"maglevc {VERSION}")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="a command, such as: show frontends")
    return parser


def _tls(given: argparse.Namespace) -> TlsFiles | None:
    if not (given.tls_ca and given.tls_cert and given.tls_key):
        return None
    from maglev.rpc.tls import TlsFiles

    return TlsFiles(given.tls_ca, given.tls_cert, given.tls_key)


def _colour(given: str | None, environ: Mapping[str, str]) -> bool | None:
    """Return what was asked for; https://no-color.org: any value but an empty one."""
    if given is not None:
        return given == "true"
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return None
