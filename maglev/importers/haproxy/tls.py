"""From HAProxy's TLS to servers to that of our checks (its configuration manual, chapters 3 and 5.2)."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

import attrs

from maglev.importers.draft.values import fits
from maglev.importers.haproxy.words import is_known
from maglev.model.addresses import is_address, without_port
from maglev.model.config import PemFile, TlsParams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maglev.importers.haproxy.rules import CheckRules
    from maglev.importers.haproxy.server import ServerOptions

_SYSTEM: Final = "@system-ca"


@attrs.define
class GlobalTls:
    """What the section ``global`` says about TLS to servers.

    Attributes:
        verify: Whether certificates are verified if the server does not say.
        ca_base: Folder of relative paths of ``ca-file``.
        crt_base: Folder of relative paths of ``crt``.
    """

    verify: bool = True
    ca_base: str = ""
    crt_base: str = ""

    def take(self, words: Sequence[str]) -> bool:
        """Read a line; return whether it is about this."""
        if words[:2] == ("ssl-server-verify", "none"):
            self.verify = False
        elif words[0] in {"ca-base", "crt-base"} and len(words) == 2:
            setattr(self, words[0].replace("-", "_"), words[1])
        else:
            return False
        return True


def tls_of(rules: CheckRules, options: ServerOptions, defaults: GlobalTls) -> tuple[TlsParams | None, list[str]]:
    """Return the TLS of the checks of a server, if they use it, and what could not be kept."""
    if rules.option == "ssl-hello-chk":
        return TlsParams(None, verify=False), []
    if not (rules.tls or (rules.uses_server and options.is_checked_over_tls())):
        return None, []
    verify = defaults.verify if options.verify is None else options.verify
    name, texts = _server_name(rules, options, verify=verify)
    curves = options.curves
    if curves is not None and not fits("curves", curves):
        texts.append(f"no equivalent for: curves {curves}")
        curves = None
    authorities = None if not verify or options.ca_file == _SYSTEM else options.ca_file
    files = []
    for key, path, base in (("ca-file", authorities, defaults.ca_base), ("crt", options.crt, defaults.crt_base)):
        found = None if path is None else _file(path, base)
        if path is not None and found is None:
            texts.append(f"expected an absolute path: {key} {path}")
        files.append(found)
    return TlsParams(name, verify=verify, curves=curves, ca_file=files[0], client_certificate=files[1]), texts


def _server_name(rules: CheckRules, options: ServerOptions, *, verify: bool) -> tuple[str | None, list[str]]:
    """Return the name to send and to verify, and in what that differs from HAProxy.

    HAProxy verifies the name that it sends, else that of ``verifyhost``, else none.
    """
    sent = rules.sni or (options.check_sni if rules.uses_server else None)
    name = sent or (options.verifyhost if verify else None)
    texts = []
    if name is not None and not fits("server-name", name):
        texts.append(f"invalid server name: {name}")
        name = sent = None
    if verify and name is None:
        texts.append("the name in the certificate is verified, too, not only its issuer (see insecure-skip-verify)")
    by_host = without_port(rules.host) if name is None and rules.option == "httpchk" and rules.host else None
    ours = name or by_host
    if sent is None and ours is not None and not is_address(ours):
        if options.check_sni_auto is False or by_host is None:
            texts.append(f"SNI {ours} is sent; HAProxy sends none in this check")
        elif options.check_sni_auto is None:
            texts.append(f"SNI {ours} is sent; HAProxy sends it since 3.3, and none before without check-sni")
    return name, texts


def _file(path: str, base: str) -> PemFile | None:
    """Return a file by its path, not read; None if the path is not usable."""
    whole = posixpath.join(base, path)
    return PemFile(whole) if is_known(whole) and fits("ca-file", whole) else None
