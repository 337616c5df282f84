"""From HAProxy's checks to ours: the healthcheck of a server (its configuration manual, chapters 4.2 and 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from maglev.importers.draft.values import interval, probes
from maglev.importers.haproxy.address import place_of
from maglev.importers.haproxy.tls import tls_of
from maglev.model.addresses import family
from maglev.model.check_params import HttpMethod
from maglev.model.config import CheckType, Healthcheck

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maglev.importers.haproxy.address import BindAddress
    from maglev.importers.haproxy.rules import CheckRules
    from maglev.importers.haproxy.server import ServerOptions
    from maglev.importers.haproxy.tls import GlobalTls


def healthcheck_of(
    rules: CheckRules, options: ServerOptions, place: BindAddress, variables: Mapping[str, str], defaults: GlobalTls
) -> tuple[Healthcheck | None, list[str]]:
    """Return the healthcheck of a server, if it has one, and what could not be kept.

    Args:
        rules: The rules of its section.
        options: The options of the server.
        place: The address of the server.
        variables: The variables of the file.
        defaults: What holds for all servers.
    """
    if not options.check:
        return None, []
    port = rules.port or options.port or (place.ports[0] if place.ports is not None else None)
    if port is None:
        return None, ["not probed and therefore always up: no port to check"]
    is_http = rules.option == "httpchk"
    tls, texts = tls_of(rules, options, defaults)
    if is_http and rules.kept_method is None:
        texts.append(f"requested with GET instead of {rules.method}")
    if is_http and rules.body and rules.kept_method is not HttpMethod.POST:
        texts.append(f"not sent by the healthcheck: a body with {rules.method}")
    period = interval(options.inter)
    check = Healthcheck(
        name="",
        type=(CheckType.HTTPS if tls else CheckType.HTTP) if is_http else CheckType.TCP,
        l4_port=port,
        interval=period,
        fast_interval=period if options.fastinter is None else interval(options.fastinter),
        down_interval=period if options.downinter is None else interval(options.downinter),
        timeout=check_timeout(rules, options.inter),
        rise=probes(options.rise),
        fall=probes(options.fall),
        http=attrs.evolve(rules.http, http2=options.is_checked_over_http2(tls=tls is not None)) if is_http else None,
        tls=tls,
        talk=rules.talk,
        **sources(options.source, variables),
    )
    return check, texts + list(_lost(options, variables, place))


def check_timeout(rules: CheckRules, inter: float) -> float:
    """Return the timeout of a probe: ``timeout check`` begins after the connection; without it, ``inter`` is all."""
    if rules.check_timeout is None:
        return interval(inter)
    connect = inter if rules.connect_timeout is None else min(rules.connect_timeout, inter)
    return interval(connect + rules.check_timeout)


def sources(source: str | None, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the source address of probes, as a field of a healthcheck; nothing if there is none that can be kept."""
    address = None if source is None else place_of(source, variables).address
    return {} if address is None else {f"probe_ipv{family(address)}_src": address}


def _lost(options: ServerOptions, variables: Mapping[str, str], place: BindAddress) -> Iterator[str]:
    if options.addr is not None and place_of(options.addr, variables).address != place.address:
        yield f"the server itself is probed instead of {options.addr}"
    if options.source is not None and not sources(options.source, variables):
        yield f"source address not supported: {options.source}"
