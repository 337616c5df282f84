"""The command line of ``maglevt``."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Final

import attrs

from maglev.config import durations
from maglev.maglevt.measure.promises import Promises
from maglev.maglevt.targets import Question
from maglev.maglevt.who import parse_who
from maglev.model.config import CheckType
from maglev.model.errors import StartError
from maglev.model.listen_address import strport
from maglev.model.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from maglev.maglevt.who import Who
    from maglev.rpc.tls import TlsFiles

DEFAULT_SERVER: Final = "unix:/run/vpp-maglev/pb.sock"

DEFAULT_RATE: Final = 20.0
"""Requests a second to each VIP: in a minute, one in a thousand is more than one."""

MAX_RATE: Final = 10_000.0

DEFAULT_TIMEOUT: Final = 0.9
"""Seconds: less than the second after which Linux sends a lost SYN again (RFC 6298), which would hide the loss."""

_EPILOG: Final = """\
The VIPs come from FILE (a configuration of maglevd, or a list of VIPs), or else from the daemon at --server. With both,
the daemon adds its events and its weights. Each request is a new connection. Without --for, it goes on until it is
interrupted.
Exit status: 0 what was promised was kept, 1 broken, 2 it could not be tested."""


@attrs.frozen
class MaglevtOptions:
    """What the command line and the environment say.

    Attributes:
        file: Where the VIPs are; None for the daemon.
        server: Address of the daemon; None for none.
        tls: Files for ``tls:`` addresses; None if any is not given.
        only: Names of frontends; empty for all.
        question: How to ask.
        rate: Requests a second to each VIP.
        who: How to learn who answered; None for not at all.
        seconds: How long to test; None for until interrupted.
        promises: What is promised.
        json: Whether the report is JSON.
        listen: Description of the listener for Prometheus; None for none.
        screen: Whether to use the screen at a terminal.
        colour: Whether to use colours there.
    """

    file: str | None
    server: str | None
    tls: TlsFiles | None
    only: tuple[str, ...]
    question: Question
    rate: float
    who: Who | None
    seconds: float | None
    promises: Promises
    json: bool
    listen: str | None
    screen: bool
    colour: bool


def parse(arguments: Sequence[str], environ: Mapping[str, str]) -> MaglevtOptions:
    """Return the options; prints what is wrong and exits with 2, or with 0 after --help and --version.

    Args:
        arguments: Command line without the program's name.
        environ: The environment.
    """
    parser = _parser(environ)
    given = parser.parse_args(arguments)
    if given.shares and given.who is None:
        parser.error("--shares needs --who: without it, nobody knows who answered")
    server = given.server or (None if given.file else environ.get("MAGLEV_SERVER") or DEFAULT_SERVER)
    if given.shares and given.file is None and server is None:
        parser.error("--shares needs weights")
    check = None if given.check is None else CheckType(given.check)
    return MaglevtOptions(
        file=given.file,
        server=server,
        tls=_tls(given),
        only=tuple(given.frontend),
        question=Question(given.timeout, check, given.path, given.host, given.insecure),
        rate=given.rate,
        who=given.who,
        seconds=given.seconds,
        promises=Promises(given.max_fail, given.max_gap, given.p99, given.shares),
        json=given.json,
        listen=given.listen,
        screen=not (given.plain or given.json or given.listen),
        colour=not environ.get("NO_COLOR"),
    )


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="maglevt",
        usage="maglevt [options] [FILE]",
        description="Test VIPs from outside, as a client sees them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("file", nargs="?", metavar="FILE", help="YAML file with the VIPs")
    add(
        "--server",
        metavar="ADDRESS",
        help=f"the daemon: unix:PATH or tls:HOST:PORT (without FILE: MAGLEV_SERVER, or {DEFAULT_SERVER})",
    )
    for name, what in (
        ("ca", "CA of the daemon's certificate"),
        ("cert", "client certificate"),
        ("key", "its private key"),
    ):
        variable = f"MAGLEV_TLS_{name.upper()}"
        add(f"--tls-{name}", default=environ.get(variable), metavar="FILE", help=f"PEM file: {what} ({variable})")
    add("--frontend", action="append", default=[], metavar="NAME", help="test this one only; may be repeated")
    asking = parser.add_argument_group("requests")
    add = asking.add_argument
    add(
        "--rate",
        type=_kind("rate", _rate),
        default=DEFAULT_RATE,
        metavar="N",
        help="a second to each VIP (%(default)g)",
    )
    timeout = _kind("duration", _positive_duration)
    add("--timeout", type=timeout, default=DEFAULT_TIMEOUT, metavar="TIME", help="of a whole request (900ms)")
    checks = [str(each) for each in (CheckType.TCP, CheckType.HTTP, CheckType.HTTPS)]
    add("--check", choices=checks, help="how to ask; without it, as the healthcheck of the backends asks")
    add("--path", metavar="PATH", help="path of an HTTP request")
    add("--host", metavar="NAME", help="Host header of an HTTP request")
    add("--insecure", action="store_true", help="accept any certificate")
    add(
        "--who", type=_kind("who", parse_who), metavar="HOW", help="who answered: header:NAME, body:REGEXP, certificate"
    )
    judging = parser.add_argument_group("promises")
    add = judging.add_argument
    add("--for", dest="seconds", type=timeout, metavar="TIME", help="test for so long, report, and exit")
    add("--max-fail", type=_kind("share", _part), metavar="SHARE", help="requests that may fail, such as 0.1%%")
    add("--max-gap", type=timeout, metavar="TIME", help="the longest outage that may be")
    add("--p99", type=timeout, metavar="TIME", help="in which 99 of 100 requests are answered")
    add("--shares", action="store_true", help="the answers follow the weights")
    showing = parser.add_argument_group("output")
    add = showing.add_argument
    add("--json", action="store_true", help="report as JSON")
    add("--plain", action="store_true", help="plain lines, at a terminal too")
    add("--listen", type=_kind("address", _listen), metavar="ADDRESS", help="serve metrics there: HOST:PORT, [v6]:PORT")
    add("--version", action="version", version=f"maglevt {VERSION}")
    return parser


def _kind(name: str, read: Callable[[str], object]) -> Callable[[str], object]:
    """Return a type for argparse, which shows the text of the error."""

    def convert(text: str) -> object:
        try:
            return read(text)
        except (ValueError, StartError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    convert.__name__ = name
    return convert


def _rate(text: str) -> float:
    rate = float(text) if _is_number(text) else 0.0
    if not 0 < rate <= MAX_RATE:
        message = f'invalid rate "{text}": expected a number above 0, at most {MAX_RATE:,.0f}'
        raise ValueError(message)
    return rate


def _positive_duration(text: str) -> float:
    seconds = durations.parse(text)
    if seconds <= 0:
        message = f'invalid duration "{text}": expected more than 0'
        raise ValueError(message)
    return seconds


def _part(text: str) -> float:
    number = text.removesuffix("%")
    part = float(number) / 100 if text.endswith("%") and _is_number(number) else -1.0
    if not 0 <= part <= 1:
        message = f'invalid share "{text}": expected a percentage, such as 0.1%'
        raise ValueError(message)
    return part


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _listen(text: str) -> str:
    address = strport("--listen", text)
    if address is None:
        raise ValueError("expected HOST:PORT")
    return address


def _tls(given: argparse.Namespace) -> TlsFiles | None:
    if not (given.tls_ca and given.tls_cert and given.tls_key):
        return None
    from maglev.rpc.tls import TlsFiles

    return TlsFiles(given.tls_ca, given.tls_cert, given.tls_key)
