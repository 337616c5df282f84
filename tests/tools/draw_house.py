"""The pictures of the house: its layers, which are those of `tests.layers`, and the way of one fact through it."""

from tests.layers import LAYERS, PURE, SOURCES
from tests.tools.svg import Drawing, width_of

STOREYS = {
    0: "pure: values, rules, parsers; no Twisted, no clock",
    1: "state and time for everybody",
    2: "protocols",
    3: "services, each for itself",
    4: "the verbs",
    5: "front ends, and the simulator",
    6: "client library, metrics of all",
    7: "options, composition, and maglevc",
    8: "the tree of services",
    9: "the process",
    10: "python -m maglev",
}

WIDTH = 940
LINE = 20


def rooms():
    """Return the rooms of each storey, from the table that the tests hold the imports to."""
    found = {}
    for name, layer in LAYERS.items():
        found.setdefault(layer, []).append(name or "(the package)")
    return {layer: sorted(names) for layer, names in sorted(found.items(), reverse=True)}


def lines_of(names, width):
    """Break names into lines of at most this width."""
    lines, line = [], ""
    for name in names:
        longer = f"{line} · {name}" if line else name
        if width_of(longer, 12, "code") > width:
            lines.append(line)
            longer = name
        line = longer
    return [*lines, line]


def draw_layers():
    """Return the storeys, the highest on top."""
    storeys = {layer: lines_of(names, WIDTH - 330) for layer, names in rooms().items()}
    assert storeys.keys() == STOREYS.keys(), "say in STOREYS what the layer is"
    height = sum(len(lines) * LINE + 24 for lines in storeys.values()) + 70
    about = "Modules and packages of maglev by layer, as tests/layers.py has them. A dot leads into a package."
    drawing = Drawing(WIDTH, height, "The layers of the house", about)
    drawing.words(20, 26, "imports point downwards only", 13, "dim")
    drawing.arrow(f"M{WIDTH - 16} 40 V{height - 30}")
    y = 40
    for layer, lines in storeys.items():
        tall = len(lines) * LINE + 16
        kind = "good" if layer == 0 else "cool" if layer in {2, 3} else "wait" if 4 <= layer <= 6 else "plain"
        drawing.area(20, y, WIDTH - 50, tall, kind)
        drawing.words(32, y + 22, str(layer), 14, "", weight="bold")
        half, _, rest = STOREYS[layer].partition(";") if layer == 0 else (STOREYS[layer], "", "")
        drawing.words(60, y + 22, half, 12)
        drawing.words(60, y + 40, rest.strip(), 12) if rest else None
        for row, line in enumerate(lines):
            drawing.words(300, y + 22 + row * LINE, line, 12, "code")
        y += tall + 8
    drawing.words(20, height - 12, f"{len(PURE)} names in layer 0 are tested to the last branch", 12, "dim")
    return drawing.text


FACT = (
    ("the backend's kernel answers a SYN with a reset", "", "plain"),
    ("the socket is ready; the connection was refused", "probers/poller.py, probers/connection.py", "cool"),
    ("the errno becomes a result: L4CON", "probers/faults.py, probers/base.py", "cool"),
    ("is it evidence? Was it late, was it our own fault?", "checker.py, lag.py", "cool"),
    ("the counter goes below rise: up becomes down", "health.py", "good"),
    ("pools and weights of its frontends anew", "weights.py", "good"),
    ("everything is settled; observers are told", "board.py", "plain"),
    ("wanted against known: operations, raises first", "vpp/sync.py, vpp/plan.py, vpp/ledger.py", "cool"),
    ("messages or a script; rest for a busy VIP", "vpp/writer.py, vpp/parcels.py, vpp/script.py", "cool"),
    ("encoded, in one write to VPP's socket", "vpp/lb.py, vpp/codec.py, vpp/pipeline.py, vpp/protocol.py", "cool"),
    ("VPP rebuilds the table and acknowledges", "", "plain"),
    ("the ledger has it; counted and logged", "vpp/ledger.py, vpp/writer.py, vpp/synctally.py", "cool"),
)
"""The way from the packet of a failed probe to VPP's acknowledgement: what happens, and where."""

BESIDE = (
    (6, "the line backend-transition", "logs/transitions.py"),
    (7, "events for watch, at once", "watch.py"),
    (8, "the metrics, at the next scrape", "web/families.py, web/metrics.py"),
)
"""Who else hears of it from the board: the row beside which it stands, what, and where."""


def files_of(text):
    """Return the files that a text names."""
    return [SOURCES / name for name in text.split(", ") if name]


def draw_fact():
    """Return the way of one fact."""
    row, wide = 56, 460
    about = "From the packet of a failed probe to VPP's acknowledged weight, the log and the metrics, with the files."
    drawing = Drawing(880, row * len(FACT) + 26, "The way of one fact", about)
    for index, (what, where, kind) in enumerate(FACT):
        y = 20 + index * row
        drawing.box(20, y, wide, 42, [what, where] if where else [what], kind, 13, "code")
        if index:
            drawing.arrow(f"M{20 + wide / 2} {y - 14} V{y - 2}")
    board = next(index for index, each in enumerate(FACT) if each[1] == "board.py")
    for index, what, where in BESIDE:
        y = 20 + index * row
        drawing.box(580, y, 280, 42, [what, where], "wait", 13, "code")
        drawing.arrow(f"M480 {20 + board * row + 21} C530 {20 + board * row + 21} 530 {y + 21} 577 {y + 21}")
    return drawing.text
