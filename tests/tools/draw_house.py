"""The pictures of the architecture: the folders in their order (`tests.layers`), and the path of one fact."""

import ast

from tests.layers import ORDER, PURE, SOURCES
from tests.tools.svg import Drawing

WIDTH = 940
ROW = 44


def role_of(folder):
    """Return the first sentence of a folder's docstring."""
    text = ast.get_docstring(ast.parse((SOURCES / folder / "__init__.py").read_text()))
    return text.partition("\n")[0]


def draw_layers():
    """Return the folders, the one that everything may import at the bottom."""
    rows = [(place, folder) for place, folders in enumerate(ORDER) for folder in folders.split(" | ")][::-1]
    height = len(rows) * ROW + 60
    about = "The folders of maglev in the order of tests/layers.py: each imports folders below it only."
    drawing = Drawing(WIDTH, height, "The folders of maglev", about)
    drawing.words(
        20, 26, "a folder imports folders below it only; those of one number do not import one another", 13, "dim"
    )
    drawing.arrow(f"M{WIDTH - 16} 40 V{height - 30}")
    for index, (place, folder) in enumerate(rows):
        y = 40 + index * ROW
        kind = "good" if folder in PURE else "cool" if folder in {"healthcheck", "state", "vpp"} else "plain"
        drawing.area(20, y, WIDTH - 50, ROW - 8, kind)
        drawing.words(32, y + 23, str(place), 14, "", weight="bold")
        drawing.words(62, y + 23, folder, 13, "code")
        drawing.words(180, y + 23, role_of(folder), 12)
    return drawing.text


FACT = (
    ("the backend's kernel answers a SYN with a reset", "", "plain"),
    ("the socket is ready; the connection was refused", "healthcheck/probers", "cool"),
    ("the errno becomes a result, L4CON; is it evidence?", "healthcheck/service", "cool"),
    ("the counter falls below rise: up becomes down", "model/health", "good"),
    ("pools and weights of its frontends are recomputed", "state/weights", "good"),
    ("the change is complete; subscribers are notified", "state/board", "plain"),
    ("wanted against known: operations, raises first", "vpp/sync/lb_sync, vpp/sync/plan", "cool"),
    ("messages or a script, whichever costs VPP less", "vpp/sync/writer, vpp/sync/batches", "cool"),
    ("the calls of the lb plugin", "vpp/lb/calls", "cool"),
    ("encoded, and written to VPP's socket at once", "vpp/api/codec, vpp/api/protocol", "cool"),
    ("VPP rebuilds the table and acknowledges", "", "plain"),
    ("the ledger has it; counted and logged", "vpp/lb/ledger, vpp/sync/writer", "cool"),
)
"""The way from the packet of a failed probe to VPP's acknowledgement: what happens, and in which folder or module."""

BESIDE = (
    (4, "the line backend-transition", "control/transition_log"),
    (5, "events for watch, at once", "control/events"),
    (6, "the metrics, at the next scrape", "metrics/collectors"),
)
"""Who else observes the board: the row beside which it stands, what, and where."""


def files_of(text):
    """Return the files and folders that a text names."""
    named = [SOURCES / name for name in text.split(", ") if name]
    return [path if path.is_dir() else path.with_suffix(".py") for path in named]


def draw_fact():
    """Return the path of one fact."""
    row, wide = 56, 460
    about = "From the packet of a failed probe to VPP's acknowledged weight, the log and the metrics, with the modules."
    drawing = Drawing(880, row * len(FACT) + 26, "The path of one fact", about)
    for index, (what, where, kind) in enumerate(FACT):
        y = 20 + index * row
        drawing.box(20, y, wide, 42, [what, where] if where else [what], kind, 13, "code")
        if index:
            drawing.arrow(f"M{20 + wide / 2} {y - 14} V{y - 2}")
    board = next(index for index, each in enumerate(FACT) if each[1] == "state/board")
    for index, what, where in BESIDE:
        y = 20 + index * row
        drawing.box(580, y, 280, 42, [what, where], "wait", 13, "code")
        drawing.arrow(f"M480 {20 + board * row + 21} C530 {20 + board * row + 21} 530 {y + 21} 577 {y + 21}")
    return drawing.text
