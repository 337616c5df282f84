"""The logger that the program uses: named events with fields, which any log observer of Twisted can render."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

if TYPE_CHECKING:
    from constantly import NamedConstant

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class EventLogger(Logger):
    """A logger for calls of the form ``log.info("backend-transition", backend=name, code=code)``.

    The name is kept as the field ``log_event``. The format that Twisted's own observers use (those of ``twistd`` and
    ``twist``) is made from the name and the fields, so that they show everything too.
    """

    def emit(self, level: NamedConstant, format: str | None = None, **fields: Any) -> None:  # noqa: A002
        """Emit an event.

        Args:
            level: A `twisted.logger.LogLevel`.
            format: Name of the event in kebab-case; anything else is an ordinary format string of Twisted.
            fields: Fields of the event.
        """
        if format is not None and _NAME.fullmatch(format):
            fields["log_event"] = format
            shown = (f" {name}={{{name}}}" for name in fields if not name.startswith("log_"))
            format = format + "".join(shown)  # noqa: A001
        super().emit(level, format, **fields)
