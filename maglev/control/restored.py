"""The overrides of the last run, read from their file at a start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from maglev.runtime.files import read_bounded, set_aside
from maglev.runtime.logs.logger import EventLogger
from maglev.state.override_file import SIZE_LIMIT, DamagedError, decode
from maglev.state.overrides import Dropped, fit, orders, resumed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.model.config import Config
    from maglev.model.override import Override


@attrs.frozen
class Restored:
    """The overrides of the last run, for the configuration of this one.

    Attributes:
        path: The file; empty without one.
        config: The configuration with the weights of the overrides.
        kept: The overrides that hold.
        dropped: Those that do not, or have ended meanwhile.
        damage: What is wrong with the file, and where it is now; empty if nothing is.
    """

    path: str
    config: Config
    kept: tuple[Override, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    damage: str = ""

    @property
    def orders(self) -> Mapping[str, Override]:
        """The overrides of backends, by name."""
        return orders(self.kept)

    @property
    def out(self) -> list[str]:
        """The frontends that are out of service as a whole."""
        return [each.target.frontend for each in self.kept if each.target.is_frontend]


_log = EventLogger()


def restore(path: str, config: Config, now: float) -> Restored:
    """Read the overrides of the last run; a file that can't be used is set aside.

    It waits for the disk, so it is called before the reactor runs.

    Args:
        path: The file; empty for none.
        config: The configuration from the configuration file.
        now: The wall-clock time.
    """
    if not path:
        return Restored(path, config)
    try:
        content = read_bounded(path, SIZE_LIMIT)
        overrides = () if content is None else decode(content)
    except (OSError, DamagedError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        place = set_aside(path, now)
        _log.error("overrides-damaged", path=path, reason=reason, set_aside=place)
        return Restored(path, config, damage=f"{path}: {reason}; it is now {place}" if place else f"{path}: {reason}")
    going, ended = resumed(overrides, now)
    fitted = fit(config, going)
    return Restored(path, fitted.config, fitted.kept, (*ended, *fitted.dropped))
