"""Views of what balancers of the same VIPs tell each other, and how they compare; see `maglev.model.views`."""

from __future__ import annotations

from typing import Annotated, TypedDict

from maglev.model.views import PageView, VipKeyView


class ServedServerView(TypedDict):
    """A server of a VIP, for another balancer to compare."""

    address: Annotated[str, "Address of the server; it is what identifies it, not the name."]
    name: Annotated[str, "Name of the backend."]
    state: Annotated[str, "State of the backend."]
    weight: Annotated[int, "Weight as configured or set, 0..100, in the first pool that has it."]
    effective_weight: Annotated[int, "Weight that it should have now, 0..100; the highest of those in its pools."]
    programmed_weight: Annotated[int, "What VPP should hold for that."]
    vpp_weight: Annotated[int | None, "What VPP is known to hold; None if it does not have it, or is not connected."]


class ServedVipView(VipKeyView):
    """A VIP, for another balancer to compare."""

    frontend: Annotated[str, "Name of the frontend."]
    state: Annotated[str, "``unknown``, ``up`` or ``down``."]
    configuration: Annotated[str, "A hash of what the file says of it, without names and source addresses."]
    servers: Annotated[list[ServedServerView], "Its servers, each once."]


class ServedVipsView(PageView[ServedVipView]):
    """What a balancer serves: a page of VIPs, and who it is."""

    host: Annotated[str, "Name of its host."]
    boot: Annotated[str, "Another text after each start of maglevd."]
    version: Annotated[str, "Version of maglevd."]
    vpp: Annotated[str, "``connected``, ``lost`` or ``off``."]


class PeerView(TypedDict):
    """Another balancer, named by ``--peers``."""

    name: Annotated[str, "How it is called here."]
    address: Annotated[str, "Its address, such as ``tls:lb2:2223``."]
    state: Annotated[
        str,
        "``agrees``, ``differs``, ``cannot-confirm`` (it is silent, or answers nonsense), ``nothing-shared`` "
        "(it serves no VIP that another one serves), ``comparing`` (for the first seconds) or ``itself``.",
    ]
    why: Annotated[str, "Why nothing is known of it; empty otherwise."]
    host: Annotated[str, "Name of its host, as it says; empty if it never answered."]
    version: Annotated[str, "Its version of maglevd; empty if it never answered."]
    vpp: Annotated[str, "State of its VPP: ``connected``, ``lost`` or ``off``; empty if it never answered."]
    age: Annotated[float | None, "Seconds since it answered; None if it never did."]
    shared: Annotated[int, "Number of VIPs that it serves as well as another balancer."]
    differences: Annotated[int, "Number of differences that have lasted for some seconds."]


class PeerSideView(TypedDict):
    """What one balancer has for a VIP."""

    peer: Annotated[str, "Name of the balancer; empty for the one that answers."]
    frontend: Annotated[str, "Name of the frontend there."]
    state: Annotated[str, "State of the frontend there."]
    configuration: Annotated[str, "Hash of what the file says of it there."]
    servers: Annotated[list[ServedServerView], "Its servers there."]


class PeerVipView(VipKeyView):
    """A VIP with all balancers that serve it side by side."""

    frontend: Annotated[str, "Name of the frontend, here if it is served here."]
    differences: Annotated[list[str], "What has been different for some seconds, in words that may change."]
    sides: Annotated[
        list[PeerSideView], "Who serves it, the one that answers first; those that are silent are left out."
    ]


class PeersView(PageView[PeerVipView]):
    """The other balancers, and a page of the VIPs that any of them serves."""

    host: Annotated[str, "Name of the host that answers."]
    peers: Annotated[list[PeerView], "The balancers, in the order of ``--peers``."]
