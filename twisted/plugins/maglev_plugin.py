"""Tells twistd of the ``maglev`` sub-command. Every twistd run on the machine imports this file: keep it bare."""

from twisted.application.service import ServiceMaker

maglev = ServiceMaker(
    "Maglev control plane",
    "maglev.daemon.tap",
    "Health checker and control plane for the Maglev load balancer of VPP.",
    "maglev",
)
