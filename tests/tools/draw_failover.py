"""The picture of a failover between pools: each write to VPP, by `maglev.state.decision` and `maglev.vpp.sync.plan`."""

from maglev.model.config import Frontend, Pool, PoolMember, Transport
from maglev.model.health import State
from maglev.state.decision import Situation, decide
from maglev.state.standing import evidence_of
from maglev.vpp.lb.state import ApplicationServer, Vip
from maglev.vpp.sync.plan import plan_vip, raises, want
from tests.tools.svg import Drawing

FRONTEND = Frontend(
    "demo",
    "192.0.2.1",
    Transport.TCP,
    80,
    (
        Pool("primary", (PoolMember("www1", 100), PoolMember("www2", 50))),
        Pool("fallback", (PoolMember("www3", 100),)),
    ),
)
"""The frontend of the demonstration (`maglev.demo.service`)."""

ADDRESSES = {"www1": "127.0.0.11", "www2": "127.0.0.12", "www3": "127.0.0.13"}
NAMES = {address: name for name, address in ADDRESSES.items()}

STORY = (("www1", State.DOWN), ("www2", State.DOWN), ("www1", State.UP))
"""What happens after a beginning in which all are up."""


def wanted_in(states, changed):
    """Return what VPP should hold, and the name of the pool that is active."""
    decision, _ = decide(Situation(FRONTEND, {name: evidence_of(state) for name, state in states.items()}))
    flushes = {changed} if changed else set()
    return want(FRONTEND, ADDRESSES, decision.desired, flushes), FRONTEND.pools[decision.active].name


def moments():
    """Yield (title, which half, states, active pool, weights, texts of the writes) of each moment, in order."""
    states = dict.fromkeys(ADDRESSES, State.UP)
    wanted, active = wanted_in(states, "")
    weights = {address: server.weight for address, server in wanted.servers.items()}
    yield "all are up", "", dict(states), active, dict(weights), ()
    for name, state in STORY:
        states[name] = state
        wanted, active = wanted_in(states, name if state is State.DOWN else "")
        held = {address: ApplicationServer(address, weight) for address, weight in weights.items()}
        vip = Vip(wanted.key, wanted.encap, wanted.src_ip_sticky, wanted.table_length, held)
        operations = plan_vip(wanted, vip)
        halves = [[each for each in operations if raises(each) is raising] for raising in (True, False)]
        both = all(halves)
        for half in filter(None, halves):
            texts = []
            for each in half:
                weights[each.address] = each.weight
                flush = ", flows forgotten" if each.flush else ""
                texts.append((f"{NAMES[each.address]}: {each.previous} to {each.weight}", flush.lstrip(", ")))
            order = "" if not both else "first what is raised" if half is halves[0] else "when that is acknowledged"
            yield f"{name} goes {state}", order, dict(states), active, dict(weights), tuple(texts)


COLUMN, HEIGHT = 178, 100


def draw_failover():
    """Return one column for each moment, with the weights that VPP has."""
    story = list(moments())
    assert all(any(weights.values()) for *_, weights, _ in story), "a moment without any weight"
    left = 60
    about = "The weights in VPP while one pool takes over from another and gives way again: never all of them 0."
    drawing = Drawing(left + COLUMN * len(story) + 20, 290, "Failover between pools, raising before lowering", about)
    base = 60 + HEIGHT + 20
    for index, (title, half, states, active, weights, texts) in enumerate(story):
        x = left + COLUMN * index
        drawing.words(x, 28, title, 13, "", "start", "bold")
        drawing.words(x, 45, half, 11, "dim")
        for place, (address, weight) in enumerate(weights.items()):
            name = NAMES[address]
            bar = x + place * 50
            drawing.area(bar, base - HEIGHT, 38, HEIGHT, "area", 3)
            if weight:
                drawing.area(bar, base - weight, 38, weight, "bar", 3)
            drawing.words(bar + 19, base - max(weight, 4) - 5, str(weight), 11, "", "middle", "bold")
            drawing.words(bar + 19, base + 16, name, 11, "", "middle")
            drawing.words(bar + 19, base + 31, states[name].value, 11, "dim", "middle")
        pools = {pool.name: [list(ADDRESSES).index(each.backend) for each in pool.members] for pool in FRONTEND.pools}
        first_bar, last_bar = pools[active][0], pools[active][-1]
        drawing.line(f"M{x + first_bar * 50} {base + 40} H{x + last_bar * 50 + 38}", 2)
        middle = x + (first_bar + last_bar) * 25 + 19
        drawing.words(middle, base + 56, f"{active} is active", 11, "", "middle")
        for row, (what, flush) in enumerate(texts):
            drawing.words(x, base + 84 + 30 * row, what, 12, "code")
            drawing.words(x, base + 98 + 30 * row, flush, 11, "dim")
    drawing.words(14, base - HEIGHT + 8, "100", 11, "dim")
    drawing.words(14, base, "0", 11, "dim")
    drawing.words(14, base + 84, "writes", 12, "dim")
    return drawing.text
