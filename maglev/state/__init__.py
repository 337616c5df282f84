"""What is true now: the board, the status of each backend and frontend, and the weights that follow from them.

Rules:

* No I/O and no clock. `Board` is the only mutable truth; there is no second copy of a state anywhere.
* Change first, notify afterwards: a subscriber never sees a change half made, and must not rely on the order in which
  subscribers are called (`maglev.state.board`).
* Knows neither who probes (`maglev.healthcheck`) nor who programs VPP (`maglev.vpp`); these two meet only here.
* The incremental weights must always equal the full computation (`maglev.state.weights`); a test compares them.
"""
