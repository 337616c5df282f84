"""Links that open the live page as somebody who is logged in elsewhere: for one use, within a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from maglev.model.errors import RefusedError
from maglev.runtime.tokens import new_token, token_key

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from maglev.model.caller import Caller
    from maglev.model.session_views import WebLoginView

LIFETIME: Final = 60.0
"""Seconds in which a link has to be opened: time to copy it from one window to another."""

MAX_LINKS: Final = 64
"""Links that wait to be opened; with one more, the oldest is void."""


class _Link(NamedTuple):
    caller: Caller
    until: float


class WebLinks:
    """The links that wait to be opened.

    Attributes:
        page: Address of the live page, such as ``http://127.0.0.1:9092``; empty while there is none.
    """

    def __init__(self, clock: IReactorTime) -> None:
        """Begin without links.

        Args:
            clock: A monotonic clock.
        """
        self.page = ""
        self._clock = clock
        self._links: dict[bytes, _Link] = {}

    def issue(self, caller: Caller) -> WebLoginView:
        """Return a new link for a caller.

        The secret is in the fragment, which browsers send to nobody: neither proxies nor logs see it, and a program
        that only follows links does not use it up.

        Raises:
            RefusedError: The live page is switched off.
        """
        if not self.page:
            raise RefusedError("the live page is off: maglevd runs without --web-addr")
        secret = new_token()
        while len(self._links) >= MAX_LINKS:
            del self._links[next(iter(self._links))]
        self._links[token_key(secret)] = _Link(caller, self._clock.seconds() + LIFETIME)
        return {"url": f"{self.page}/login#{secret}", "expires_in": LIFETIME}

    def redeem(self, secret: str) -> Caller | None:
        """Return whom a secret stands for, once; None if it is void."""
        link = self._links.pop(token_key(secret), None)
        return link.caller if link is not None and self._clock.seconds() < link.until else None
