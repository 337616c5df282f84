"""Reads what healthchecks name for TLS: files, and curves. A record gets the content in the place of each path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.config.credentials import CredentialError, CredentialReader, check_curves, check_pair, why_outdated
from maglev.config.reader import BROKEN
from maglev.model.config import PemFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from maglev.config.findings import Findings
    from maglev.config.reader import Broken, Record


def read_credentials(params: Iterable[Record], findings: Findings) -> None:
    """Read and check what is named in the parameters of these healthchecks (`maglev.config.rules.with_credentials`)."""
    reader = CredentialReader()
    for each in params:
        _Credentials(each, reader, findings).read()


class _Credentials:
    """Those of one healthcheck."""

    def __init__(self, params: Record, reader: CredentialReader, findings: Findings) -> None:
        self._params = params
        self._reader = reader
        self._findings = findings

    def read(self) -> None:
        """Put the content of each file into the record."""
        params = self._params
        if isinstance(params["curves"], str):
            self._attempt("curves", lambda: check_curves(params["curves"]))
        self._take("ca-file", params["ca-file"], self._reader.authorities)
        self._warn("ca-file", "no certificate in it is valid now: the last one", first_only=False)
        certificate, key = params["client-certificate"], params["client-key"]
        self._take("client-certificate", certificate, self._reader.chain)
        self._warn("client-certificate", "the certificate", first_only=True)
        if not isinstance(certificate, str) or not params.sound("client-certificate" if key is None else "client-key"):
            return
        # As in HAProxy's crt, the key may be in the file of the certificate.
        key_name = "client-certificate" if key is None else "client-key"
        self._take("client-key", key or certificate, self._reader.key, place=key_name)
        if params.sound("client-certificate", "client-key"):
            self._attempt(key_name, lambda: check_pair(params["client-certificate"], params["client-key"]))

    def _take(self, name: str, path: object, read: Callable[[str], PemFile], place: str = "") -> None:
        if isinstance(path, str):
            self._params.values[name] = self._attempt(place or name, lambda: read(path))

    def _warn(self, name: str, what: str, *, first_only: bool) -> None:
        """Warn of certificates that are not valid now: backends, or the probes, are going to refuse them."""
        file = self._params[name]
        reason = why_outdated(file, first_only=first_only) if isinstance(file, PemFile) else ""
        if reason:
            self._findings.warning(f"{self._params.path}.{name}", f"{what} {reason}", self._params.place_of(name))

    def _attempt(self, name: str, use: Callable[[], PemFile | None]) -> PemFile | Broken | None:
        try:
            return use()
        except CredentialError as error:
            self._findings.semantic(f"{self._params.path}.{name}", str(error), self._params.place_of(name))
            return BROKEN
