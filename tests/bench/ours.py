"""maglevd for a measurement: alone on its core, its configuration as large as wanted."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.bench.backends import FULL_TLS_PORT, PATH, PORT, SERVER_NAME, TLS_PORT
from tests.bench.figures import bucket_quantile
from tests.bench.place import CHECKER_CORE, on_core
from tests.fakes.daemon import MaglevDaemon
from tests.fakes.large import large_config

LAG = "maglev_reactor_lag_seconds_bucket"


def check(kind: str, interval: float, timeout: float, port: int | None = None) -> str:
    """Return a healthcheck: ``tcp``, ``http``, ``https``, ``https-full`` or ``icmp``, as the peers are told it."""
    pace = f"interval: {interval * 1e3:.0f}ms, fast-interval: {interval * 1e3:.0f}ms, timeout: {timeout * 1e3:.0f}ms"
    if kind == "icmp":
        return f"{{type: icmp, {pace}}}"
    http = f"path: {PATH}, host: {SERVER_NAME}"
    if kind.startswith("https"):
        port = port or (FULL_TLS_PORT if kind == "https-full" else TLS_PORT)
        return f"{{type: https, port: {port}, {pace}, params: {{{http}, server-name: {SERVER_NAME}}}}}"
    params = f", params: {{{http}}}" if kind == "http" else ""
    return f"{{type: {kind}, port: {port or PORT}, {pace}{params}}}"


class Ours(MaglevDaemon):
    """A running maglevd without VPP, unless its sockets are among the arguments."""

    def __init__(
        self, folder: Path, backends: int, healthcheck: str, *arguments: str, core: int | None = CHECKER_CORE
    ) -> None:
        super().__init__(folder, *(arguments or ("--vpp-api-addr", "")))
        self._core = core
        self.config.write_text(large_config(backends, healthcheck))

    def __enter__(self) -> Self:
        return super().__enter__()

    def start(self) -> None:
        """Start it on its core, on all of them if it has none, with an empty log."""
        self._log.unlink(missing_ok=True)
        with contextlib.nullcontext() if self._core is None else on_core(self._core):
            super().start()


def total(samples: Mapping[str, float], name: str, *labels: str) -> float:
    """Return the sum of the samples of a metric that have these labels (``to="down"``)."""
    return sum(
        value
        for each, value in samples.items()
        if each.partition("{")[0] == name and all(label in each for label in labels)
    )


def lag_quantile(before: Mapping[str, float], after: Mapping[str, float], share: float) -> float:
    """Return the upper bound, in seconds, of the bucket of the reactor's lag between two scrapes."""
    names = [name for name in after if name.startswith(LAG)]
    bounds = [float(name.split('le="')[1].split('"')[0]) for name in names]
    sums = [after[name] - before.get(name, 0.0) for name in names]
    return bucket_quantile(bounds, [high - low for high, low in zip(sums, [0.0, *sums], strict=False)], share)
