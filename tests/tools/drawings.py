"""Makes the pictures in ``docs/drawings``: ``python -m tests.tools.drawings``."""

from tests.layers import ROOT
from tests.tools.draw_buckets import draw_buckets
from tests.tools.draw_failover import draw_failover
from tests.tools.draw_health import draw_counter, draw_states
from tests.tools.draw_house import draw_fact, draw_layers
from tests.tools.draw_network import draw_network
from tests.tools.draw_warmup import draw_warmup

FOLDER = ROOT / "docs/drawings"

DRAWINGS = {
    "states.svg": draw_states,
    "counter.svg": draw_counter,
    "failover.svg": draw_failover,
    "layers.svg": draw_layers,
    "fact.svg": draw_fact,
    "network.svg": draw_network,
    "warmup.svg": draw_warmup,
    "buckets.svg": draw_buckets,
}
"""Each picture, by the name of its file."""

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, draw in DRAWINGS.items():
        (FOLDER / name).write_text(draw(), encoding="utf-8")
