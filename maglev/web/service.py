"""The live page as a service."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError

from maglev.model.caller import Caller, Role
from maglev.model.errors import StartError
from maglev.runtime.listening import listening
from maglev.runtime.logs.logger import EventLogger
from maglev.web.feed import PageFeed
from maglev.web.gate import Gate
from maglev.web.sessions import WebSessions
from maglev.web.site import Page, page_site
from maglev.web.streams import MAX_PAGES, Streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.application.service import IService

    from maglev.interfaces import IControl
    from maglev.runtime.admission import Descriptors
    from maglev.runtime.cooperator import WorkQueue
    from maglev.web.address import WebAddress
    from maglev.web.sessions import WebSessionRegister

CONNECTIONS: Final = 2 * MAX_PAGES
"""Connections: one for each open page, and one for what it asks besides."""

ANYBODY: Final = Caller("anybody", Role.VIEWER, "web")
"""Who looks without a session."""


class IWebLinks(Protocol):
    """The links that open sessions (`maglev.control.web_links.WebLinks`)."""

    page: str
    """Address of the page; empty while there is none."""

    def redeem(self, secret: str) -> Caller | None:
        """Return whom a secret stands for, once."""


class WebService(Service):
    """The live page."""

    _log = EventLogger()

    def __init__(
        self,
        reactor: Any,
        work: WorkQueue,
        address: WebAddress,
        control_for: Callable[[Caller], IControl],
        register: WebSessionRegister,
        links: IWebLinks,
        wall: Callable[[], float],
        descriptors: Descriptors,
        *,
        host_name: str,
    ) -> None:
        """Create it; nothing happens before it starts.

        Args:
            reactor: The reactor, whose clock must be monotonic.
            work: The queue in which requests are answered, and rows are read.
            address: Where the page is.
            control_for: Returns the verbs bound to a caller.
            register: The register of sessions.
            links: The links that open sessions.
            wall: Returns the wall-clock time, in seconds since the epoch.
            descriptors: The descriptors of the process.
            host_name: Name of this machine.
        """
        self._reactor = reactor
        self._address = address
        self._links = links
        self.sessions = WebSessions(work.clock, links.redeem, control_for, register)
        viewer = control_for(ANYBODY)
        self._feed = PageFeed(work, viewer, wall, secrets.token_hex(4), {"host": host_name})
        self.streams = Streams(self._feed)
        gate = Gate(self.sessions, address)
        page = Page(gate, self.sessions, viewer)
        share = descriptors.share(CONNECTIONS)
        self._site = page_site(work, share.get_size, gate, page, self.streams)
        self._listener: IService | None = None

    def startService(self) -> None:
        """Start listening.

        Raises:
            StartError: The address is taken, or the socket can't be made.
        """
        listener = listening(self._reactor, self._address.description, self._site)
        try:
            listener.privilegedStartService()
        except CannotListenError as error:
            message = f"the live page can't listen: {error}"
            raise StartError(message) from error
        listener.startService()
        self._listener = listener
        self._links.page = self._address.url
        self._feed.start()
        Service.startService(self)
        self._log.info("web-start", address=self._address.description)

    def stopService(self) -> Deferred[Any] | None:
        """Stop listening, and end all streams and sessions."""
        Service.stopService(self)
        self._links.page = ""
        self.streams.end()
        self._feed.stop()
        self.sessions.close()
        listener, self._listener = self._listener, None
        return None if listener is None else maybeDeferred(listener.stopService)
