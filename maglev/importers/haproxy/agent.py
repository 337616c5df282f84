"""From HAProxy's ``agent-check`` to ours (its configuration manual, chapter 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.config.build import usual_hold
from maglev.config.probekinds import spell_bytes
from maglev.importers.draft.values import fits, interval
from maglev.importers.haproxy.address import place_of
from maglev.importers.haproxy.check import check_timeout, sources
from maglev.importers.haproxy.words import is_known
from maglev.model.check_params import AgentParams
from maglev.model.config import CheckType, Healthcheck

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.importers.haproxy.address import BindAddress
    from maglev.importers.haproxy.rules import CheckRules
    from maglev.importers.haproxy.server import ServerOptions


def agent_of(
    rules: CheckRules, options: ServerOptions, place: BindAddress, variables: Mapping[str, str]
) -> tuple[Healthcheck | None, list[str]]:
    """Return what asks the agent of a server, if it has one, and what could not be kept.

    Args:
        rules: The rules of its section.
        options: The options of the server.
        place: The address of the server.
        variables: The variables of the file.
    """
    if not options.agent_check:
        return None, []
    if options.agent_port is None:
        return None, ["no agent-port: its agent is not asked"]
    texts = []
    address = None if options.agent_addr is None else place_of(options.agent_addr, variables).address
    if options.agent_addr is not None and address is None:
        return None, [f"its agent is not asked: expected a literal address, not agent-addr {options.agent_addr}"]
    request = options.agent_send.encode()
    if not is_known(options.agent_send) or (request and not fits("send", spell_bytes(request))):
        texts.append(f"not sent to the agent: agent-send {options.agent_send}")
        request = b""
    period, timeout = interval(options.agent_inter), check_timeout(rules, options.agent_inter)
    return (
        Healthcheck(
            name="",
            type=CheckType.AGENT,
            l4_port=options.agent_port,
            interval=period,
            fast_interval=period,
            down_interval=period,
            timeout=timeout,
            agent=AgentParams(request, None if address == place.address else address, usual_hold(period, timeout)),
            **sources(options.source, variables),
        ),
        texts,
    )
