"""Announces addresses by BGP while something serves behind them: the decision, BIRD, and hooks.

Rules:

* `decision` and `bird_text` are pure. What is announced is decided in `decision` and nowhere else.
* Reads the board, and what VPP is known to hold; changes neither. `Announcer` is called by the board, `BirdSpeaker`
  and the hooks by `Announcer`; none of them ever makes a probe wait.
* Absence of evidence withdraws nothing: not at our own start, not at our own stop. Whatever lasts too long without
  evidence has a bound in the configuration.
* Nothing that comes from BIRD, from a hook, or from the file that we wrote ourselves is trusted or unbounded.
"""
