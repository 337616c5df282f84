"""Views of other balancers as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.commands.render.lines import Cell, Line, Style, cell, label, line
from maglev.commands.render.views import NOTHING, TextTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.model.peer_views import PeersView, PeerView, PeerVipView


def peers_head(view: PeersView) -> Iterator[Line]:
    """Yield the table of the balancers, or that there is none."""
    if not view["peers"]:
        yield line("No other balancer is known: --peers names them")
        return
    yield from TextTable(_peer_row, "peer", "state", "age", "vips", "differences", "version", "vpp", "why").page(
        {"rows": view["peers"], "next": None}
    )


def _peer_row(view: PeerView) -> tuple[Cell, ...]:
    return (
        cell(view["name"], Style.HEADING),
        cell(view["state"], _STYLES.get(view["state"], Style.PLAIN)),
        cell(NOTHING if view["age"] is None else f"{view['age']:g}s", right=True),
        cell(view["shared"], right=True),
        cell(view["differences"], right=True),
        cell(view["version"] or NOTHING),
        cell(view["vpp"] or NOTHING),
        cell(view["why"]),
    )


_STYLES: Final = {"agrees": Style.UP, "differs": Style.DOWN, "cannot-confirm": Style.DOWN, "nothing-shared": Style.DOWN}


def peer_vip_lines(view: PeerVipView) -> Iterator[Line]:
    """Yield what differs in a VIP; nothing if all agree."""
    if view["differences"]:
        vip = f"{view['prefix']} {view['protocol']} {view['port']}"
        yield line(label("frontend"), " ", cell(view["frontend"], Style.HEADING), " ", cell(vip))
    for text in view["differences"]:
        yield line("  ", cell(text))
