"""What is known of a VPP, without any."""

from __future__ import annotations


class KnownVpp:
    """Stands in for the VPP service where only that matters what VPP is known to hold."""

    def __init__(self, known=None):
        self.known = known
        self.features = None
