"""The metrics of the SSH console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.metrics.families import header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.ssh.logins import Logins


class SshCollector:
    """Sessions and logins, as `maglev.metrics.exposition.ICollector`."""

    def __init__(self, logins: Logins) -> None:
        self._logins = logins

    def scrape(self) -> Iterator[str]:
        """Yield the families."""
        yield header("maglev_ssh_sessions")
        yield f"maglev_ssh_sessions {self._logins.sessions}\n"
        yield header("maglev_ssh_logins_total")
        for (role, result), count in sorted(self._logins.counts.items()):
            yield f'maglev_ssh_logins_total{{role="{role}",result="{result}"}} {count}\n'
