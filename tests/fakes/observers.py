"""Recorders that stand in for an observer of the board."""

from __future__ import annotations

from zope.interface import implementer

from maglev.interfaces import IBoardObserver


@implementer(IBoardObserver)
class RecordingObserver:
    """Keeps everything it hears, in one list of (what, argument)."""

    def __init__(self):
        self.heard = []

    def backend_changed(self, event):
        self.heard.append(("backend", event))

    def frontend_changed(self, event):
        self.heard.append(("frontend", event))

    def weights_changed(self, frontends):
        self.heard.append(("weights", frontends))

    def config_changed(self, old, new):
        self.heard.append(("config", (old, new)))

    def moves(self):
        """Return the transitions heard, as text."""
        return [
            f"{event.backend} {event.transition.old}>{event.transition.new} {event.transition.code}"
            if what == "backend"
            else f"{event.frontend} {event.old}>{event.new}"
            for what, event in self.heard
            if what in {"backend", "frontend"}
        ]
