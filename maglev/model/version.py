"""The version of this release; packaging, the User-Agent of probes and ``show version`` read it here."""

from typing import Final

VERSION: Final = "0.1.0"

PROJECT_URL: Final = "https://vpp-maglev.example/"
"""Sent in the User-Agent of probes, so that the owner of a backend can find out who is asking."""
