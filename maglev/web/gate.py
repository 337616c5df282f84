"""Who may ask what: the checks of every request, before a resource sees it.

* ``Host`` must be a name or an address that this listener has, so that a name of somebody else that resolves to our
  address (DNS rebinding) opens nothing.
* What browsers send on behalf of another site is refused: by ``Sec-Fetch-Site``, and for POST by ``Origin``.
* On a loopback listener, anybody on the machine may look. Everybody else needs a session, and so does what a proxy
  passed on.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from maglev.model.errors import ForbiddenError
from maglev.model.text import printable

if TYPE_CHECKING:
    from twisted.web.server import Request

    from maglev.web.address import WebAddress
    from maglev.web.sessions import WebSession, WebSessions

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""The names of this machine to itself."""

MAX_COOKIES: Final = 4096
"""Bytes of the header; other programs on the same host may have cookies as well."""

FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
"""Headers that proxies add."""

OWN_SITES: Final = {None, "same-origin", "none"}
"""``Sec-Fetch-Site`` of our own page, of what was typed, and of programs that are no browsers."""


class NoSessionError(ForbiddenError):
    """A request has no session, and needs one."""

    def __init__(self) -> None:
        super().__init__("no session: type web login in the console or in maglevc, and open what it prints")


class Gate:
    """The checks of one listener."""

    def __init__(self, sessions: WebSessions, address: WebAddress) -> None:
        """Prepare.

        Args:
            sessions: The sessions.
            address: Where the page is.
        """
        self._sessions = sessions
        self.local = address.is_socket or address.host == "localhost" or _is_loopback(address.host)
        self._names = LOOPBACK | {name.lower() for name in (address.host, *address.names) if name}
        # Cookies do not tell ports apart, and there may be several maglevd on one machine.
        self._cookie = f"maglev-{address.port}"

    def fault(self, request: Request) -> str:
        """Return why a request is refused to everybody; empty if it is not."""
        host = _host_of(request.getHeader("host") or "")
        if host not in self._names and (self.local or not _is_address(host)):
            return f"unknown host {printable(host)}: see --web-name"
        if request.getHeader("sec-fetch-site") not in OWN_SITES:
            return "asked for by another site"
        if request.method == b"POST":
            return self._fault_of_change(request)
        return ""

    @staticmethod
    def _fault_of_change(request: Request) -> str:
        try:
            origin = urlsplit(request.getHeader("origin") or "")
        except ValueError:
            return "asked for by another site"
        if origin.scheme not in {"http", "https"} or origin.netloc.lower() != (request.getHeader("host") or "").lower():
            return "asked for by another site"
        if (request.getHeader("content-type") or "").partition(";")[0].strip() != "application/json":
            return "expected application/json"
        return ""

    def session(self, request: Request) -> WebSession | None:
        """Return the session of a request; None if it has none."""
        secret = self.secret(request)
        return self._sessions.find(secret) if secret else None

    def require_session(self, request: Request) -> WebSession:
        """Return the session of a request, and note that it is used.

        Raises:
            NoSessionError: It has none.
        """
        session = self.session(request)
        if session is None:
            raise NoSessionError
        session.touch()
        return session

    def may_look(self, request: Request) -> bool:
        """Return whether a request may be answered with what there is to see."""
        forwarded = any(request.getHeader(name) is not None for name in FORWARDED)
        return (self.local and not forwarded) or self.session(request) is not None

    def secret(self, request: Request) -> str:
        """Return the secret in the cookie of a request; empty if there is none."""
        header = request.getHeader("cookie") or ""
        for part in header[:MAX_COOKIES].split(";"):
            name, _, value = part.strip().partition("=")
            if name == self._cookie:
                return value
        return ""

    def cookie(self, request: Request, secret: str, seconds: int) -> bytes:
        """Return the header that gives a browser a secret for some time, or takes it back (0)."""
        forwarded = (request.getHeader("x-forwarded-proto") or "").lower() == "https"
        secure = "; Secure" if request.isSecure() or forwarded else ""
        return f"{self._cookie}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}".encode()


def _host_of(header: str) -> str:
    """Return the host of a Host header, without the port and brackets."""
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return _is_address(host) and ip_address(host).is_loopback
