"""Parts of configurations for a test of one rule: a file around what is tested, and texts of several errors."""

from __future__ import annotations

from maglev.model.problem import ProblemKind

PARSE, SEMANTIC = ProblemKind.PARSE, ProblemKind.SEMANTIC

LB = """\
maglev:
  vpp: {lb: {ipv4-src-address: 192.0.2.1, ipv6-src-address: 2001:db8::1}}
"""

WEB = """\
  healthchecks: {web: {type: http, port: 80, interval: 2s, timeout: 1s}}
  backends:
    a: {address: 10.0.0.1, healthcheck: web}
    b: {address: 10.0.0.2, healthcheck: web}
    six: {address: "2001:db8::6", healthcheck: web}
"""


def lb(text: str) -> str:
    return f"maglev:\n  vpp:\n    lb:\n      ipv4-src-address: 192.0.2.1\n      ipv6-src-address: 2001:db8::1\n{text}"


def lb_key(text: str) -> str:
    return lb(f"      {text}\n")


def check(keys: str, kind: str = "http, port: 80", params: str = "") -> str:
    """A file with one healthcheck."""
    params = f", params: {{{params}}}" if params else ""
    return f"{LB}  healthchecks:\n    web: {{type: {kind}, {keys}{params}}}\n"


def params(text: str, kind: str = "http, port: 80") -> str:
    return check("interval: 2s, timeout: 1s", kind, text)


def backend(text: str) -> str:
    return f"{LB}  backends:\n    a: {text}\n"


def frontend(text: str, pools: str = "[{name: p, backends: {a: }}]") -> str:
    """A file with one frontend."""
    return f"{LB}{WEB}  frontends:\n    www: {{{text}, pools: {pools}}}\n"


def frontends(*texts: str) -> str:
    """A file with frontends on one address."""
    lines = "".join(f"    {text}\n" for text in texts)
    return f"{LB}{WEB}  frontends:\n{lines}"


def vip(name: str, text: str, backends: str = "a: ", mark: str = "") -> str:
    return f"{mark}{name}: {{address: 192.0.2.80{text}, pools: [{{name: p, backends: {{{backends}}}}}]}}"


ADDRESS = "address: 192.0.2.80"
HTTP = "protocol: tcp, port: 80"
NAME_RULE = "invalid name: expected 1 to 63 letters, digits, '.', '_' or '-', starting with a letter or digit"
HOST_HEADER = "expected a name of at most 253 characters or an IP address, optionally with a port, :1..65535"
DURATION = "expected a number with a unit, such as 500ms, 2s or 1m30s (units: ns, us, ms, s, m, h)"
CURVES = "invalid list of curves: expected names of OpenSSL, with colons between them, such as X25519:P-256"
HEADERS = "at most 32, 4096 characters in all"
HEADER_NAME = "expected 1 to 128 letters, digits, '-' or others of !#$%&'*+.^_`|~"
HEADER_VALUE = "invalid header value: expected visible ASCII characters, spaces and tabs between them"
TOO_COMPLEX = "is too complex: compiles to 26005 instructions, at most 8000 are allowed"

ITSELF = (
    "is the address of maglev.frontends.www (line 9), so VPP would send the packets to itself: "
    "expected the address of a server"
)
