"""The picture of what one server that goes does to the buckets of the others, as `maglev.vpp.lb.table` builds them."""

from maglev.vpp.lb.table import flow_table
from tests.tools.svg import Drawing

SERVERS = {f"10.0.0.{number}": str(number % 10) for number in range(1, 11)}
"""What stands for each server, by address."""

GONE = "10.0.0.9"
LENGTH = 1024

WEIGHTS = {"weight 100 each: as-written": 100, "weight 1 each: least-moving": 1}
"""What is programmed, by heading."""

SHOWN = 16
"""Buckets that are shown by themselves."""

ACROSS = 32
"""Buckets of a row in the whole table."""

CELL = 10


def tables(weight):
    """Return the owners of all buckets before and after, if each server has this weight."""
    before = dict.fromkeys(SERVERS, weight)
    return flow_table(before, LENGTH), flow_table({**before, GONE: 0}, LENGTH)


def kind_of(old, new):
    """Return how a bucket is painted."""
    if old == GONE:
        return "wait"
    return "area" if old == new else "bad"


def draw_buckets():
    """Return a panel for each way: some buckets before and after, and all of them by what became of each."""
    about = "One of ten servers goes: which buckets change their owner, with weights of 100 and with weights of 1."
    side = ACROSS * CELL
    drawing = Drawing(2 * side + 180, 150 + side + 62, "Buckets before and after", about)
    for panel, (heading, weight) in enumerate(WEIGHTS.items()):
        left = 90 + panel * (side + 40)
        old, new = tables(weight)
        kinds = [kind_of(*each) for each in zip(old, new, strict=True)]
        drawing.words(left + side / 2, 26, heading, 14, "", "middle", "bold")
        for y, what, owners in ((40, "before", old), (76, "after", new)):
            if not panel:
                drawing.words(left - 12, y + 20, what, 12, "dim", "end")
            for bucket in range(SHOWN):
                x, kind = left + 2 * CELL * bucket, kinds[bucket]
                drawing.area(x, y, 2 * CELL, 30, kind, 2)
                drawing.words(x + CELL, y + 20, SERVERS[owners[bucket]], 12, "code", "middle")
        if not panel:
            drawing.words(left - 12, 140, "all 1024", 12, "dim", "end")
        drawing.area(left, 126, side, side, "plain", 2)
        for kind in ("wait", "bad"):
            drawing.cells(left, 126, CELL, [divmod(n, ACROSS) for n, each in enumerate(kinds) if each == kind], kind)
        moved, others = kinds.count("bad"), LENGTH - kinds.count("wait")
        words = f"{moved} of {others} buckets of the others move: {moved / others:.1%}"
        drawing.words(left + side / 2, 126 + side + 24, words, 13, "", "middle")
    y = 126 + side + 48
    for x, kind, words in (
        (90, "wait", "belonged to server 9, which goes"),
        (340, "bad", "moves between servers that stay"),
        (590, "plain", "stays"),
    ):
        drawing.area(x, y, 14, 14, kind, 2)
        drawing.words(x + 22, y + 12, words, 12, "dim")
    return drawing.text
