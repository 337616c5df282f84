"""The pictures of the health of a backend: its states and its counter, both from `maglev.model.health`."""

from attrs import fields_dict

from maglev.model.config import Healthcheck
from maglev.model.health import PROBED, TRANSITIONS, Health, Lifecycle, State
from tests.tools.svg import Drawing

RISE = fields_dict(Healthcheck)["rise"].default
FALL = fields_dict(Healthcheck)["fall"].default

GROUP = "probed"
FILE = "file"
"""Two boxes around states: those that are probed, and all but the last."""

PLACES = {
    State.PAUSED: (40, 120, "wait"),
    State.DISABLED: (40, 260, "wait"),
    State.UNKNOWN: (310, 190, "plain"),
    State.UP: (620, 110, "good"),
    State.DOWN: (620, 280, "bad"),
    State.DRAINING: (440, 356, "wait"),
    State.REMOVED: (880, 190, "area"),
}
WIDE, HIGH = 110, 44

WAYS = {
    (State.UNKNOWN, State.UP): ("M420 200 C490 200 530 122 617 122", 495, 138),
    (State.UNKNOWN, State.DOWN): ("M420 222 C490 222 530 310 617 310", 488, 306),
    (State.UP, State.UNKNOWN): ("M620 146 C560 150 520 206 423 207", 570, 184),
    (State.DOWN, State.UNKNOWN): ("M620 290 C560 284 520 216 423 215", 570, 250),
    (State.UP, State.DOWN): ("M662 154 L662 277", 654, 206),
    (State.DOWN, State.UP): ("M690 280 L690 157", 698, 230),
    (GROUP, State.PAUSED): ("M262 130 L153 130", 207, 122),
    (State.PAUSED, State.UNKNOWN): ("M150 154 C220 154 240 200 307 204", 205, 150),
    (GROUP, State.DISABLED): ("M262 294 L153 294", 207, 310),
    (State.DISABLED, State.UNKNOWN): ("M150 270 C220 270 240 224 307 220", 205, 284),
    (State.PAUSED, State.DISABLED): ("M95 164 L95 257", 88, 215),
    (FILE, State.REMOVED): ("M805 212 L877 212", 841, 204),
    (State.UNKNOWN, State.DRAINING): ("M340 237 C340 300 380 362 437 366", 352, 320),
    (State.PAUSED, State.DRAINING): ("M40 146 L28 146 L28 388 L437 388", 120, 380),
    (State.UP, State.DRAINING): ("M632 157 C606 220 606 340 553 372", 566, 340),
    (State.DRAINING, State.UP): ("M553 386 L760 386 L760 132 L733 132", 660, 380),
}
"""How each arrow goes, and where its words are: to the left of it where it goes down, else in its middle."""

ANCHORS = {
    (State.UP, State.DOWN): "end",
    (State.DOWN, State.UP): "start",
    (State.PAUSED, State.DISABLED): "end",
    (State.UP, State.UNKNOWN): "start",
    (State.DOWN, State.UNKNOWN): "start",
    (State.UNKNOWN, State.DRAINING): "start",
    (State.UP, State.DRAINING): "end",
}


def moves_by_results(rise, fall):
    """Return each move that the result of a probe makes, as (old, new) -> words; found by trying all of them."""
    found = {}
    for passed in (True, False):
        for value in range(-1, rise + fall):
            health = Health(rise, fall)
            if value >= 0:  # -1 stands for a backend about which nothing is known
                health.value, health.state = value, State.UP if value >= rise else State.DOWN
            old = health.state
            if health.record(passed):
                word = "pass" if passed else "failure"
                found[old, health.state] = word if old is State.UNKNOWN else f"{word}: h = {health.value}"
    return found


def moves_by_events():
    """Return each move that something else makes, as (old, new) -> words; what all states of a box do is the box's."""
    found = {}
    for event, table in TRANSITIONS.items():
        moving = {old: new for old, new in table.items() if new is not old}
        if moving.keys() == set(State) - {State.REMOVED} and len(set(moving.values())) == 1:
            moving = {FILE: next(iter(moving.values()))}
        elif moving.keys() >= PROBED and len({moving[old] for old in PROBED}) == 1:
            shared = moving[State.UP]
            moving = {old: new for old, new in moving.items() if old not in PROBED} | {GROUP: shared}
        for pair in moving.items():
            assert pair not in found, f"two events make {pair}"
            found[pair] = event.value
    return found


def draw_states():
    """Return the states and all ways between them."""
    about = "Which results and events lead a backend from one state to another; made of maglev/model/health.py."
    drawing = Drawing(1010, 480, "The states of a backend", about)
    drawing.area(20, 56, 785, 380, "area", 10)
    drawing.words(34, 424, "in the file", 12, "dim")
    drawing.area(262, 76, 530, 334, "plain", 10, dashed=True)
    drawing.words(276, 96, f"probed, with rise {RISE} and fall {FALL}", 12, "dim")
    for state, (x, y, kind) in PLACES.items():
        drawing.box(x, y, WIDE, HIGH, [state.value], kind, 14)
    moves = moves_by_results(RISE, FALL) | moves_by_events()
    assert moves.keys() == WAYS.keys(), moves.keys() ^ WAYS.keys()
    for pair, (path, x, y) in WAYS.items():
        drawing.arrow(path)
        drawing.words(x, y, moves[pair], 12, "", ANCHORS.get(pair, "middle"))
    drawing.arrow("M365 20 L365 187")
    drawing.words(373, 34, Lifecycle.START.value, 12)
    drawing.words(20, 454, "What has no arrow is refused, or changes nothing.", 12, "dim")
    drawing.words(
        20, 472, "During a drain, results move it between draining and down as between up and down.", 12, "dim"
    )
    return drawing.text


RESULTS = "FPPFFPPFFFFPPPP"
"""A history: single failures, which come to nothing; then a real one; then it is well again."""

STEP, UNIT = 52, 26


def draw_counter():
    """Return the counter over a history of results."""
    about = "How the counter of a backend goes with its results, and where that changes its state."
    top = RISE + FALL - 1
    drawing = Drawing(960, 225, "The counter of a backend", about)
    left, base = 110, 40 + (top + 1) * UNIT
    for value in range(top + 1):
        y = base - value * UNIT
        kind = "good" if value >= RISE else "bad"
        drawing.area(left, y - UNIT, STEP * (len(RESULTS) + 1), UNIT, kind, 0)
        drawing.words(left - 10, y - 8, f"h = {value}", 12, "", "end")
    drawing.words(14, 40 + UNIT, "up", 13, "", weight="bold")
    drawing.words(14, base - 8, "down", 13, "", weight="bold")
    health = Health(RISE, FALL)
    health.value, health.state = top, State.UP
    x = left
    path = f"M{x} {base - health.value * UNIT - UNIT / 2:g} H{x + STEP}"
    for result in RESULTS:
        x += STEP
        changed = health.record(result == "P")
        path += f" V{base - health.value * UNIT - UNIT / 2:g} H{x + STEP}"
        drawing.words(x + STEP / 2, base + 20, "pass" if result == "P" else "fail", 12, "", "middle")
        if changed:
            drawing.words(x + STEP / 2, base + 40, f"goes {health.state}", 12, "", "middle", "bold")
    drawing.line(path, 2.4)
    drawing.words(left, base + 20, "at first", 12, "dim")
    drawing.words(left, 26, f"rise {RISE}, fall {FALL}: it is up while h is at least {RISE}", 13, "dim")
    return drawing.text
