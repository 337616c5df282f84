"""What is true now: the board, the status of each backend and frontend, and the weights that follow from them.

Rules:

* No I/O, and no clock but those that are passed in. `Board` is the only mutable truth; there is no second copy of a
  state anywhere.
* Change first, notify afterwards: a subscriber never sees a change half made, and must not rely on the order in which
  subscribers are called (`maglev.state.board`).
* Knows neither who probes (`maglev.healthcheck`) nor who programs VPP (`maglev.vpp`); these two meet only here.
* One chain decides, in this order: `maglev.state.standing`, `maglev.state.pools`, `maglev.state.weights`. The board
  follows it incrementally; `maglev.state.decision` is the whole of it, with a trace of why, and a test compares them.
"""
