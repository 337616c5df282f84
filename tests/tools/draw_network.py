"""The picture of the network: who sends what to whom."""

from tests.tools.svg import Drawing


def draw_network():
    """Return a client, VPP, two backends and maglevd, with the packets between them."""
    about = (
        "A client's packets go through VPP to a backend, in GRE; answers go straight back. maglevd probes and programs."
    )
    drawing = Drawing(960, 380, "Where packets go", about)
    drawing.box(20, 100, 130, 60, ["client", "203.0.113.9"], "plain", 13, "code")
    drawing.area(300, 60, 270, 300, "area", 10)
    drawing.words(314, 82, "the load balancer's machine", 12, "dim")
    drawing.box(330, 100, 210, 60, ["VPP, lb plugin", "VIP 192.0.2.1 port 80"], "cool", 13)
    drawing.box(330, 270, 210, 60, ["maglevd", "probes, decides, programs"], "wait", 13)
    drawing.box(740, 90, 200, 62, ["www1", "198.51.100.1, VIP on lo"], "good", 13)
    drawing.box(740, 270, 200, 62, ["www2", "198.51.100.2, VIP on lo"], "good", 13)
    drawing.arrow("M150 118 H327")
    drawing.words(160, 110, "1. to the VIP", 12)
    drawing.arrow("M540 118 H737")
    drawing.words(592, 92, "2. the same packet", 12)
    drawing.words(592, 109, "inside GRE", 12)
    drawing.arrow("M840 90 V28 H85 V97")
    drawing.words(330, 22, "3. the answer, from the VIP, straight to the client", 12)
    drawing.arrow("M435 270 V163", "cord", both=True)
    drawing.words(446, 205, "binary API,", 12)
    drawing.words(446, 222, "stats segment", 12)
    drawing.words(428, 205, "weights", 12, "", "end")
    drawing.words(428, 222, "counters", 12, "", "end")
    drawing.arrow("M540 292 H737", "cord", both=True, dashed=True)
    drawing.arrow("M540 280 C640 280 640 140 737 140", "cord", both=True, dashed=True)
    drawing.words(592, 314, "probes, to its own", 12)
    drawing.words(592, 331, "address", 12)
    drawing.box(20, 245, 170, 42, ["people: SSH, maglevc"], "plain", 12)
    drawing.box(20, 315, 170, 42, ["Prometheus"], "plain", 12)
    drawing.arrow("M190 266 C250 266 270 292 327 292")
    drawing.arrow("M190 336 C250 336 270 312 327 312")
    return drawing.text
