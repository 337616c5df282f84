"""Bearer tokens: secrets that stand for a caller, such as the one in a login link or in a cookie."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

TOKEN_BYTES: Final = 32
"""Bytes of a token: 256 bits can't be guessed."""


def new_token() -> str:
    """Return a new token, as 43 characters that are safe in URLs and cookies."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_key(token: str) -> bytes:
    """Return the key under which a token is stored.

    It is a digest, so the duration of a look-up tells nothing of the tokens that exist.
    """
    return hashlib.sha256(token.encode()).digest()
