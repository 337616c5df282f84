"""Everything about VPP: its binary API, its stats segment, what it should hold and how to get it there.

Rules:

* The only folder that talks to VPP. Front ends reach it through the verbs of `maglev.control` and never directly.
* Knows nothing of healthchecks or of who asked: what VPP should hold follows from the board (`maglev.state`) alone.
* Four layers, each importing only those before it: `api` (bytes and messages), `lb` (the plugin's calls and limits),
  `stats` (the counters), `sync` (what to write, and when).
* VPP may be missing, old, restarted or wedged at any time. That is a normal state, and never ends the daemon.
"""
