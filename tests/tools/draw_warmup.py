"""The picture of the warm-up after a start, as `maglev.vpp.sync.warmup` goes through it on a clock of its own."""

from types import SimpleNamespace

from attrs import fields_dict
from twisted.internet.task import Clock

from maglev.model.config import VppConfig
from maglev.vpp.sync.warmup import WarmUp
from tests.tools.svg import Drawing

SOON, LATE = fields_dict(VppConfig)["startup_min_delay"].default, fields_dict(VppConfig)["startup_max_delay"].default

KNOWN = {"www": 2.0, "mail": 14.0, "dns": None}
"""Frontends, and when the last of their backends is known; None for one that is not known for long."""

STEP = 0.5
"""Seconds between two looks."""

SECOND = 24
"""Pixels of a second."""


class Frontends:
    """As much of a board as a warm-up looks at."""

    def __init__(self, clock):
        self.config = SimpleNamespace(vpp=SimpleNamespace(startup_min_delay=SOON, startup_max_delay=LATE))
        self.frontends = KNOWN
        self._clock = clock

    def knows_all(self, name):
        return KNOWN[name] is not None and KNOWN[name] <= self._clock.seconds()


def releases():
    """Return when each frontend may be written, by name; found by letting the time pass."""
    clock, moments = Clock(), {}
    warm_up = WarmUp(clock, Frontends(clock), lambda _: None)
    warm_up.start()
    while not warm_up.over:
        clock.advance(STEP)
        warm_up.consider(KNOWN)
        for name in KNOWN:
            if warm_up.is_free(name):
                moments.setdefault(name, clock.seconds())
    return moments


def draw_warmup():
    """Return a lane for each frontend."""
    about = "Three frontends after a start: each is written as soon as all its backends are known, but not too early."
    left, lane, end = 80, 52, LATE + 4
    drawing = Drawing(left + SECOND * end + 30, 60 + lane * len(KNOWN) + 50, "The warm-up after a start", about)
    base = 50 + lane * len(KNOWN)
    for moment, what in ((0, "start"), (SOON, "startup-min-delay"), (LATE, "startup-max-delay")):
        x = left + moment * SECOND
        drawing.line(f"M{x:g} 36 V{base + 8}", 1)
        drawing.words(x, 26, what, 12, "code" if moment else "", "middle")
        drawing.words(x, base + 24, f"{moment:g} s", 12, "dim", "middle")
    moments = releases()
    for index, (name, known) in enumerate(KNOWN.items()):
        y, free = 44 + lane * index, moments[name]
        drawing.words(14, y + 25, name, 13, "", weight="bold")
        drawing.area(left, y, free * SECOND, 38, "wait", 3)
        drawing.area(left + free * SECOND, y, (end - free) * SECOND, 38, "good", 3)
        if known is not None:
            drawing.arrow(f"M{left + known * SECOND:g} {y + 47} V{y + 39}")
        if free * SECOND > 160:
            drawing.words(left + 12 + SOON * SECOND, y + 23, "left as VPP has it", 12)
        if (end - free) * SECOND > 160:
            drawing.words(left + free * SECOND + 12, y + 23, "as wanted", 12)
    drawing.words(
        left,
        base + 44,
        "an arrow: the last of its backends is known; dns has one about which nothing can be found out",
        12,
        "dim",
    )
    return drawing.text
