"""A recorder of what the board notifies of."""

from __future__ import annotations


class RecordingSubscriber:
    """Subscribes to every topic of a board, and keeps what it is called with in one list of (topic, argument)."""

    def __init__(self, board):
        self.heard = []
        board.subscribe(
            backend_changed=self.backend_changed,
            frontend_changed=self.frontend_changed,
            weights_changed=self.weights_changed,
            config_changed=self.config_changed,
        )

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
