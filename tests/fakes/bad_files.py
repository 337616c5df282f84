"""One bad file for each rule, and what must be reported of it: exactly one error. A `§` marks its place."""

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

CASES = {
    # YAML
    "yaml-syntax": (
        PARSE,
        "",
        "did not find expected ',' or ']', while parsing a flow sequence that starts at line 1, column 9",
        "maglev: [1, 2\n§",
    ),
    "yaml-syntax-without-context": (
        PARSE,
        "",
        "mapping values are not allowed in this context",
        "maglev: a§: b",
    ),
    "yaml-tab": (
        PARSE,
        "",
        (
            "found character that cannot start any token, while scanning for the next token"
            " (a tab? YAML is indented with spaces)"
        ),
        "maglev:\n§\tvpp:\n",
    ),
    "yaml-control-character": (PARSE, "", "the character \\x07 is not allowed in YAML", "maglev:\n  vpp: §\x07\n"),
    "yaml-surrogate": (PARSE, "", "the character \\ud800 is not allowed in YAML", "maglev: §\ud800\n"),
    "yaml-two-documents": (PARSE, "", "only one document (---) is allowed in the file", f"{LB}§---\na: 1\n"),
    "yaml-depth": (PARSE, "", "nested deeper than 32 levels", "[" * 32 + "§[" + "]" * 33),
    "yaml-custom-tag": (
        PARSE,
        "maglev.vpp.lb.sync-interval",
        "tag !python/name:os.system is not supported here",
        lb_key("sync-interval: §!python/name:os.system x"),
    ),
    "yaml-tag-on-map": (
        PARSE,
        "maglev.backends",
        "tag !!set is not supported here",
        f"{LB}  backends: §!!set {{a}}",
    ),
    "yaml-tag-on-list": (
        PARSE,
        "maglev.backends",
        "tag !!omap is not supported here",
        f"{LB}  backends: §!!omap []",
    ),
    "yaml-no-anchor": (
        PARSE,
        "maglev.vpp.lb.sync-interval",
        "unknown anchor &base (an anchor must precede its aliases)",
        lb_key("sync-interval: §*base"),
    ),
    "yaml-anchor-near-miss": (
        PARSE,
        "maglev.vpp.lb.sync-interval",
        "unknown anchor &perod (an anchor must precede its aliases); did you mean 'period'?",
        lb("      flow-timeout: &period 40s\n      sync-interval: §*perod\n"),
    ),
    "yaml-anchor-in-itself": (
        PARSE,
        "maglev.backends.a",
        "alias *x is used inside its own anchor",
        f"{LB}  backends: &x {{a: §*x}}",
    ),
    "yaml-anchor-in-list-of-codes": (
        PARSE,
        "maglev.healthchecks.web.params.response-code[1]",
        "unknown anchor &c (an anchor must precede its aliases)",
        params("response-code: [200, §*c]"),
    ),
    "yaml-alias-in-a-map-of-values": (
        PARSE,
        "maglev.healthchecks.web.params.headers.X-B",
        "unknown anchor &c (an anchor must precede its aliases)",
        params("headers: {X-A: 1, X-B: §*c}"),
    ),
    "yaml-duplicate-key": (
        PARSE,
        "maglev.vpp.lb.flow-timeout",
        "duplicate key, already defined at line 6",
        lb("      flow-timeout: 40s\n      §flow-timeout: 40s\n"),
    ),
    "yaml-duplicate-key-at-the-top": (PARSE, "maglev", "duplicate key, already defined at line 1", f"{LB}§maglev: \n"),
    "yaml-duplicate-merge": (
        PARSE,
        "maglev.backends.b.<<",
        "duplicate key, already defined at line 5",
        f"{LB}  backends:\n    a: &a {{address: 10.0.0.1}}\n    b: {{<<: *a, §<<: *a}}\n",
    ),
    "yaml-map-as-key": (
        PARSE,
        "maglev.backends",
        "a key must be a word, not a map (text that starts with { or [ needs quotes)",
        f"{LB}  backends:\n    ? §{{x: y}}\n    : {{address: 10.0.0.1}}\n",
    ),
    "yaml-merge-of-a-word": (
        PARSE,
        "maglev.backends.a.<<",
        "a merge key needs a map or a list of maps, not a single value",
        backend("{<<: §x, address: 10.0.0.1}"),
    ),
    # The shape of the file
    "root-is-a-list": (PARSE, "", "must be a map (file), not a list", "§- maglev\n"),
    "nothing": (SEMANTIC, "maglev", "is required", "§"),
    "unknown-key-at-the-top": (PARSE, "extra", "unknown key", f"{LB}§extra: 1\n"),
    "misspelt-top": (PARSE, "magelv", "unknown key; did you mean 'maglev'?", "§magelv:\n"),
    "unknown-key": (PARSE, "maglev.backends.a.colour", "unknown key", backend("{address: 10.0.0.1, §colour: red}")),
    "misspelt-key": (
        PARSE,
        "maglev.backends.a.helthcheck",
        "unknown key; did you mean 'healthcheck'?",
        backend("{address: 10.0.0.1, §helthcheck: x}"),
    ),
    "misspelt-required-key": (
        PARSE,
        "maglev.backends.a.Address",
        "unknown key; did you mean 'address'?",
        backend("{§Address: 10.0.0.1}"),
    ),
    "misspelt-section": (
        PARSE,
        "maglev.healthcheks",
        "unknown key; did you mean 'healthchecks'?",
        f"{LB}  §healthcheks: {{web: }}\n  backends: {{a: {{address: 10.0.0.1, healthcheck: web}}}}\n",
    ),
    "key-twice-in-two-spellings": (
        PARSE,
        "maglev.backends.a.adress",
        "unknown key; did you mean 'address'?",
        backend("{address: 10.0.0.1, §adress: 10.0.0.2}"),
    ),
    "unprintable-key": (PARSE, "\\x1b[31m", "unknown key", LB + '§"\\e[31m": 1\n'),
    "section-is-a-word": (PARSE, "maglev.vpp", "must be a map (vpp), not 1", "maglev:\n  vpp: §1\n"),
    "table-is-a-list": (PARSE, "maglev.backends", "must be a map (backends), not a list", f"{LB}  backends: §[a]\n"),
    "named-section-is-a-word": (
        PARSE,
        "maglev.backends.a",
        "must be a map (backend), not 10.0.0.1; did you mean {address: 10.0.0.1}?",
        backend("§10.0.0.1"),
    ),
    "bad-name": (SEMANTIC, "maglev.backends.a b", NAME_RULE, f"{LB}  backends:\n    §a b: {{address: 10.0.0.1}}\n"),
    "long-name": (
        SEMANTIC,
        f"maglev.backends.{'x' * 64}",
        NAME_RULE,
        f"{LB}  backends: {{§{'x' * 64}: {{address: 10.0.0.1}}}}",
    ),
    "name-with-line-break": (
        SEMANTIC,
        "maglev.backends.a\\x0a",
        NAME_RULE,
        f'{LB}  backends:\n    §"a\\n": {{address: 10.0.0.1}}\n',
    ),
    # Kinds
    "integer-word": (
        PARSE,
        "maglev.healthchecks.web.rise",
        "must be a decimal integer (1..1000), not two",
        check("interval: 2s, timeout: 1s, rise: §two"),
    ),
    "integer-quoted": (
        PARSE,
        "maglev.healthchecks.web.rise",
        'must be a decimal integer (1..1000), not "2", which is text: remove the quotes',
        check('interval: 2s, timeout: 1s, rise: §"2"'),
    ),
    "integer-list": (
        PARSE,
        "maglev.healthchecks.web.rise",
        "must be a decimal integer (1..1000), not a list",
        check("interval: 2s, timeout: 1s, rise: §[2]"),
    ),
    "integer-hexadecimal": (
        PARSE,
        "maglev.healthchecks.web.rise",
        "must be a decimal integer (1..1000), not 0x2",
        check("interval: 2s, timeout: 1s, rise: §0x2"),
    ),
    "integer-octal": (
        PARSE,
        "maglev.healthchecks.web.rise",
        "must be a decimal integer (1..1000), not 010",
        check("interval: 2s, timeout: 1s, rise: §010"),
    ),
    "integer-fraction": (
        PARSE,
        "maglev.healthchecks.web.rise",
        "must be a decimal integer (1..1000), not 2.0",
        check("interval: 2s, timeout: 1s, rise: §2.0"),
    ),
    "boolean-word": (
        PARSE,
        "maglev.backends.a.enabled",
        "must be a boolean (true or false), not maybe",
        backend("{address: 10.0.0.1, enabled: §maybe}"),
    ),
    "boolean-quoted": (
        PARSE,
        "maglev.backends.a.enabled",
        'must be a boolean (true or false), not "true", which is text: remove the quotes',
        backend('{address: 10.0.0.1, enabled: §"true"}'),
    ),
    "duration-bare": (
        PARSE,
        "maglev.healthchecks.web.interval",
        "5 has no unit: write 5s or 5ms; must be 10ms..24h",
        check("interval: §5, timeout: 1s"),
    ),
    "duration-word": (
        PARSE,
        "maglev.healthchecks.web.interval",
        f'invalid duration "soon": {DURATION}; must be 10ms..24h',
        check("interval: §soon, timeout: 1s"),
    ),
    "duration-map": (
        PARSE,
        "maglev.healthchecks.web.interval",
        "must be a duration (10ms..24h), not a map",
        check("interval: §{s: 5}, timeout: 1s"),
    ),
    "text-list": (
        PARSE,
        "maglev.frontends.www.description",
        "must be a string (at most 1024 characters), not a list",
        frontend(f"{ADDRESS}, description: §[x]"),
    ),
    "choice-map": (
        PARSE,
        "maglev.vpp.lb.foreign-vips",
        "must be a word (remove or keep), not a map",
        lb_key("foreign-vips: §{keep: true}"),
    ),
    "reference-list": (
        PARSE,
        "maglev.backends.a.healthcheck",
        "must be a healthcheck (a name under maglev.healthchecks), not a list",
        backend("{address: 10.0.0.1, healthcheck: §[web]}"),
    ),
    "address-list": (
        PARSE,
        "maglev.backends.a.address",
        "must be an IP address (literal, of one machine on any link), not a list",
        backend("{address: §[10.0.0.1]}"),
    ),
    "regexp-map": (
        PARSE,
        "maglev.healthchecks.web.params.response-regexp",
        "must be a regular expression (RE2, at most 1024 characters), not a map",
        params("response-regexp: §{a: b}"),
    ),
    "codes-map": (
        PARSE,
        "maglev.healthchecks.web.params.response-code",
        "must be a status code, range or list (100..599), not a map",
        params("response-code: §{a: b}"),
    ),
    "code-map": (
        PARSE,
        "maglev.healthchecks.web.params.response-code[1]",
        "must be a status code or range (100..599), not a map",
        params("response-code: [200, §{a: b}]"),
    ),
    # healthchecker
    "history-zero": (
        SEMANTIC,
        "maglev.healthchecker.transition-history",
        "must be 1..1000, not 0",
        f"{LB}  healthchecker: {{transition-history: §0}}\n",
    ),
    "netns-path": (
        SEMANTIC,
        "maglev.healthchecker.netns",
        "/run/netns/x: expected the name of a network namespace, without spaces or '/'",
        f"{LB}  healthchecker: {{netns: §/run/netns/x}}\n",
    ),
    "netns-dots": (
        SEMANTIC,
        "maglev.healthchecker.netns",
        "..: expected the name of a network namespace, without spaces or '/'",
        f"{LB}  healthchecker: {{netns: §..}}\n",
    ),
    "netns-length": (
        SEMANTIC,
        "maglev.healthchecker.netns",
        'must have at most 255 characters, not 256: "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn..."',
        f"{LB}  healthchecker: {{netns: §{'n' * 256}}}\n",
    ),
    # vpp.lb
    "lb-source-missing": (
        SEMANTIC,
        "maglev.vpp.lb.ipv6-src-address",
        "is required",
        "maglev:\n  vpp:\n    §lb: {ipv4-src-address: 192.0.2.1}\n",
    ),
    "lb-source-empty": (
        SEMANTIC,
        "maglev.vpp.lb.ipv6-src-address",
        "is required",
        "maglev:\n  vpp:\n    lb: {ipv4-src-address: 192.0.2.1, §ipv6-src-address: }\n",
    ),
    "lb-source-family": (
        SEMANTIC,
        "maglev.vpp.lb.ipv4-src-address",
        'must be an IPv4 address, not "2001:db8::1"',
        'maglev:\n  vpp:\n    lb: {ipv4-src-address: §"2001:db8::1", ipv6-src-address: "2001:db8::1"}\n',
    ),
    "sync-interval-zero": (
        SEMANTIC,
        "maglev.vpp.lb.sync-interval",
        "must be more than 0s, at most 24h, not 0s",
        lb_key("sync-interval: §0s"),
    ),
    "sync-interval-long": (
        SEMANTIC,
        "maglev.vpp.lb.sync-interval",
        "must be more than 0s, at most 24h, not 25h",
        lb_key("sync-interval: §25h"),
    ),
    "buckets-not-a-power": (
        SEMANTIC,
        "maglev.vpp.lb.sticky-buckets-per-core",
        "must be a power of two, 1..16777216, not 1000",
        lb_key("sticky-buckets-per-core: §1000"),
    ),
    "buckets-zero": (
        SEMANTIC,
        "maglev.vpp.lb.sticky-buckets-per-core",
        "must be a power of two, 1..16777216, not 0",
        lb_key("sticky-buckets-per-core: §0"),
    ),
    "flow-timeout-long": (
        SEMANTIC,
        "maglev.vpp.lb.flow-timeout",
        "must be whole seconds, 1s..2m, not 121s",
        lb_key("flow-timeout: §121s"),
    ),
    "flow-timeout-fraction": (
        SEMANTIC,
        "maglev.vpp.lb.flow-timeout",
        "must be whole seconds, 1s..2m, not 1.5s",
        lb_key("flow-timeout: §1.5s"),
    ),
    "delay-negative": (
        SEMANTIC,
        "maglev.vpp.lb.startup-min-delay",
        "must be 0s..24h, not -1s",
        lb_key("startup-min-delay: §-1s"),
    ),
    "delays-crossed": (
        SEMANTIC,
        "maglev.vpp.lb.startup-min-delay",
        "startup-min-delay (9s) is longer than startup-max-delay (8s)",
        lb("      startup-min-delay: §9s\n      startup-max-delay: 8s\n"),
    ),
    "delays-crossed-by-default": (
        SEMANTIC,
        "maglev.vpp.lb.startup-max-delay",
        "startup-min-delay (5s, the default) is longer than startup-max-delay (2s)",
        lb_key("startup-max-delay: §2s"),
    ),
    "foreign-vips": (
        SEMANTIC,
        "maglev.vpp.lb.foreign-vips",
        "must be remove or keep, not kep; did you mean 'keep'?",
        lb_key("foreign-vips: §kep"),
    ),
    "table-length-word": (
        PARSE,
        "maglev.vpp.lb.new-flows-table-length",
        "must be a decimal integer (a power of two, 1..65536, or auto), not automatic",
        lb_key("new-flows-table-length: §automatic"),
    ),
    "tolerance-without-sign": (
        PARSE,
        "maglev.vpp.lb.weight-tolerance",
        "must be a percentage (0%..50%, such as 2% or 0.5%), not 2",
        lb_key("weight-tolerance: §2"),
    ),
    "tolerance-too-large": (
        SEMANTIC,
        "maglev.vpp.lb.weight-tolerance",
        "must be 0%..50%, not 60%",
        lb_key("weight-tolerance: §60%"),
    ),
    "table-length-zero": (
        SEMANTIC,
        "maglev.vpp.lb.new-flows-table-length",
        "must be a power of two, 1..65536, or auto, not 0",
        lb_key("new-flows-table-length: §0"),
    ),
    "canary-unknown": (
        SEMANTIC,
        "maglev.healthchecker.blindness.canary",
        "no such backend: nobody",
        f"{LB}{WEB}  healthchecker: {{blindness: {{share: 50%, canary: §nobody}}}}\n",
    ),
    "blindness-share-without-sign": (
        PARSE,
        "maglev.healthchecker.blindness.share",
        "must be a percentage (0%..100%, such as 2% or 0.5%), not 50",
        f"{LB}{WEB}  healthchecker: {{blindness: {{share: §50, canary: a}}}}\n",
    ),
    "blindness-broken": (
        PARSE,
        "maglev.healthchecker.blindness",
        "must be a map (blindness), not often",
        f"{LB}{WEB}  healthchecker: {{blindness: §often}}\n",
    ),
    "min-up-zero": (
        SEMANTIC,
        "maglev.frontends.www.pools[0].min-up",
        "must be 1..65536, or more than 0%, at most 100%, not 0",
        frontend(ADDRESS, "[{name: p, min-up: §0, backends: {a: }}]"),
    ),
    "min-up-nothing": (
        SEMANTIC,
        "maglev.frontends.www.pools[0].min-up",
        "must be 1..65536, or more than 0%, at most 100%, not 0%",
        frontend(ADDRESS, "[{name: p, min-up: §0%, backends: {a: }}]"),
    ),
    "min-up-more-than-all": (
        SEMANTIC,
        "maglev.frontends.www.pools[0].min-up",
        "must be 1..65536, or more than 0%, at most 100%, not 101%",
        frontend(ADDRESS, "[{name: p, min-up: §101%, backends: {a: }}]"),
    ),
    "min-up-word": (
        PARSE,
        "maglev.frontends.www.pools[0].min-up",
        "must be a number of backends or percentage (1..65536, or more than 0%, at most 100%), not most",
        frontend(ADDRESS, "[{name: p, min-up: §most, backends: {a: }}]"),
    ),
    "when-none-eligible-word": (
        SEMANTIC,
        "maglev.frontends.www.when-none-eligible",
        "must be down or hold, not up",
        frontend(f"{ADDRESS}, when-none-eligible: §up"),
    ),
    # Healthchecks
    "type-missing": (
        SEMANTIC,
        "maglev.healthchecks.web.type",
        "is required",
        f"{LB}  healthchecks:\n    §web: {{port: 80, interval: 2s, timeout: 1s, params: {{ssl: true}}}}\n",
    ),
    "type-unknown": (
        SEMANTIC,
        "maglev.healthchecks.web.type",
        "must be icmp, tcp, http or https, not HTTP; did you mean 'http'?",
        check("interval: 2s, timeout: 1s", "§HTTP"),
    ),
    "type-empty": (
        SEMANTIC,
        "maglev.healthchecks.web.type",
        "is required",
        f"{LB}  healthchecks:\n    web: {{§type: '', port: 80, interval: 2s, timeout: 1s}}\n",
    ),
    "port-missing": (
        SEMANTIC,
        "maglev.healthchecks.web.port",
        "is required for type tcp",
        f"{LB}  healthchecks:\n    §web: {{type: tcp, interval: 2s, timeout: 1s}}\n",
    ),
    "port-of-icmp": (
        SEMANTIC,
        "maglev.healthchecks.web.port",
        "does not apply to type icmp, only to tcp, http, https",
        check("interval: 2s, timeout: 1s", "icmp, §port: 80"),
    ),
    "port-zero": (
        SEMANTIC,
        "maglev.healthchecks.web.port",
        "must be 1..65535, not 0",
        check("interval: 2s, timeout: 1s", "tcp, port: §0"),
    ),
    "interval-missing": (
        SEMANTIC,
        "maglev.healthchecks.web.interval",
        "is required",
        f"{LB}  healthchecks:\n    §web: {{type: icmp, timeout: 1s}}\n",
    ),
    "interval-short": (
        SEMANTIC,
        "maglev.healthchecks.web.interval",
        "must be 10ms..24h, not 9.999999ms",
        check("interval: §9.999999ms, timeout: 1s"),
    ),
    "fast-interval-short": (
        SEMANTIC,
        "maglev.healthchecks.web.fast-interval",
        "must be 10ms..24h, not 100us",
        check("interval: 2s, timeout: 1s, fast-interval: §100us"),
    ),
    "down-interval-long": (
        SEMANTIC,
        "maglev.healthchecks.web.down-interval",
        "must be 10ms..24h, not 1000h",
        check("interval: 2s, timeout: 1s, down-interval: §1000h"),
    ),
    "timeout-zero": (
        SEMANTIC,
        "maglev.healthchecks.web.timeout",
        "must be 1ms..24h, not 0",
        check("interval: 2s, timeout: §0"),
    ),
    "fall-zero": (
        SEMANTIC,
        "maglev.healthchecks.web.fall",
        "must be 1..1000, not 0",
        check("interval: 2s, timeout: 1s, fall: §0"),
    ),
    "probe-source-family": (
        SEMANTIC,
        "maglev.healthchecks.web.probe-ipv6-src",
        "must be an IPv6 address, not 192.0.2.1",
        check("interval: 2s, timeout: 1s, probe-ipv6-src: §192.0.2.1"),
    ),
    "path-relative": (
        SEMANTIC,
        "maglev.healthchecks.web.params.path",
        "health: a path must start with '/'",
        params("path: §health"),
    ),
    "path-with-space": (
        SEMANTIC,
        "maglev.healthchecks.web.params.path",
        '"/a b": spaces, control and non-ASCII characters are not allowed in a path: write them as %XX',
        params("path: §/a b"),
    ),
    "path-with-line-break": (
        SEMANTIC,
        "maglev.healthchecks.web.params.path",
        '"/\\x0d\\x0aX": spaces, control and non-ASCII characters are not allowed in a path: write them as %XX',
        params('path: §"/\\r\\nX"'),
    ),
    "path-with-fragment": (
        SEMANTIC,
        "maglev.healthchecks.web.params.path",
        "\"/#top\": '#' is not allowed in a path: write it as %23",
        params('path: §"/#top"'),
    ),
    "host-with-line-break": (
        SEMANTIC,
        "maglev.healthchecks.web.params.host",
        f'invalid host "a\\x0d\\x0aX: y": {HOST_HEADER}',
        params('host: §"a\\r\\nX: y"'),
    ),
    "host-with-final-line-break": (
        SEMANTIC,
        "maglev.healthchecks.web.params.host",
        f'invalid host "a\\x0a": {HOST_HEADER}',
        params('host: §"a\\n"'),
    ),
    "host-long": (
        SEMANTIC,
        "maglev.healthchecks.web.params.host",
        f'invalid host "{"h" * 37}...": {HOST_HEADER}',
        params(f"host: §{'h' * 254}"),
    ),
    "host-bare-ipv6": (
        SEMANTIC,
        "maglev.healthchecks.web.params.host",
        f'invalid host "2001:db8::1": {HOST_HEADER}; IPv6 addresses need brackets',
        params('host: §"2001:db8::1"'),
    ),
    "host-not-ipv6": (
        SEMANTIC,
        "maglev.healthchecks.web.params.host",
        f'invalid host "[192.0.2.1]": {HOST_HEADER}',
        params('host: §"[192.0.2.1]"'),
    ),
    "host-port": (
        SEMANTIC,
        "maglev.healthchecks.web.params.host",
        f'invalid host "a:65536": {HOST_HEADER}',
        params('host: §"a:65536"'),
    ),
    "server-name-with-port": (
        SEMANTIC,
        "maglev.healthchecks.web.params.server-name",
        'invalid host "a:443": expected a name of at most 253 characters or an IP address',
        params("server-name: §a:443", "https, port: 443"),
    ),
    "server-name-non-ascii": (
        SEMANTIC,
        "maglev.healthchecks.web.params.server-name",
        'invalid host "b\\xfccher.example": expected a name of at most 253 characters or an IP address',
        params("server-name: §bücher.example", "https, port: 443"),
    ),
    "code-word": (
        SEMANTIC,
        "maglev.healthchecks.web.params.response-code",
        'invalid status code "ok": expected a code (200) or range (200-299) within 100..599',
        params("response-code: §ok"),
    ),
    "code-600": (
        SEMANTIC,
        "maglev.healthchecks.web.params.response-code",
        'invalid status code "600": expected a code (200) or range (200-299) within 100..599',
        params("response-code: §600"),
    ),
    "code-backwards": (
        SEMANTIC,
        "maglev.healthchecks.web.params.response-code[1]",
        'invalid status code "299-200": expected a code (200) or range (200-299) within 100..599',
        params("response-code: [404, §299-200]"),
    ),
    "codes-none": (
        SEMANTIC,
        "maglev.healthchecks.web.params.response-code",
        "must be 1..100 codes or ranges, not 0",
        params("response-code: §[]"),
    ),
    "regexp-invalid": (
        SEMANTIC,
        "maglev.healthchecks.web.params.response-regexp",
        'invalid regular expression "(ok": missing ): (ok (expected RE2, at most 1024 characters)',
        params('response-regexp: §"(ok"'),
    ),
    "regexp-too-complex": (
        SEMANTIC,
        "maglev.healthchecks.web.params.response-regexp",
        f'regular expression "(.|a|b|..){{1000}}z" {TOO_COMPLEX}',
        params('response-regexp: §"(.|a|b|..){1000}z"'),
    ),
    "regexp-look-ahead": (
        SEMANTIC,
        "maglev.healthchecks.web.params.response-regexp",
        'invalid regular expression "(?=ok)": invalid perl operator: (?= (expected RE2, at most 1024 characters)',
        params('response-regexp: §"(?=ok)"'),
    ),
    "regexp-long": (
        SEMANTIC,
        "maglev.healthchecks.web.params.response-regexp",
        'must have at most 1024 characters, not 1025: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..."',
        params(f"response-regexp: §{'a' * 1025}"),
    ),
    "regexp-not-invalid": (
        SEMANTIC,
        "maglev.healthchecks.web.params.response-regexp-not",
        'invalid regular expression "(ok": missing ): (ok (expected RE2, at most 1024 characters)',
        params('response-regexp-not: §"(ok"'),
    ),
    "headers-text": (
        PARSE,
        "maglev.healthchecks.web.params.headers",
        f"must be a map of header names to values ({HEADERS}), not X-A",
        params("headers: §X-A"),
    ),
    "headers-list": (
        PARSE,
        "maglev.healthchecks.web.params.headers",
        f"must be a map of header names to values ({HEADERS}), not a list",
        params("headers: §[{X-A: 1}]"),
    ),
    "headers-many": (
        SEMANTIC,
        "maglev.healthchecks.web.params.headers",
        "must be at most 32 headers, not 33",
        params(f"headers: §{{{', '.join(f'X-{number}: 1' for number in range(33))}}}"),
    ),
    "headers-long": (
        SEMANTIC,
        "maglev.healthchecks.web.params.headers",
        "must have at most 4096 characters in all, not 4097",
        params(f"headers: §{{X-A: {'a' * 2000}, X-B: {'b' * 2091}}}"),
    ),
    "header-name": (
        SEMANTIC,
        "maglev.healthchecks.web.params.headers.X A",
        f'invalid header name "X A": {HEADER_NAME}',
        params("headers: {§X A: 1}"),
    ),
    "header-name-long": (
        SEMANTIC,
        f"maglev.healthchecks.web.params.headers.{'x' * 37}...",
        f'invalid header name "{"x" * 37}...": {HEADER_NAME}',
        params(f"headers: {{§{'x' * 129}: 1}}"),
    ),
    "header-name-with-a-colon": (
        SEMANTIC,
        "maglev.healthchecks.web.params.headers.X-A:",
        f'invalid header name "X-A:": {HEADER_NAME}',
        params('headers: {§"X-A:": 1}'),
    ),
    "header-host": (
        SEMANTIC,
        "maglev.healthchecks.web.params.headers.host",
        "host is not set here: set params.host",
        params("headers: {X-A: 1, §host: www.example.com}"),
    ),
    "header-connection": (
        SEMANTIC,
        "maglev.healthchecks.web.params.headers.Connection",
        "Connection is the probe's own: it sends no body, and closes after one answer",
        params("headers: {§Connection: keep-alive}"),
    ),
    "header-length": (
        SEMANTIC,
        "maglev.healthchecks.web.params.headers.Content-Length",
        "Content-Length is the probe's own: it sends no body, and closes after one answer",
        params("headers: {§Content-Length: 3}"),
    ),
    "header-twice": (
        SEMANTIC,
        "maglev.healthchecks.web.params.headers.x-a",
        "x-a is the same header as X-A: expected each once",
        params("headers: {X-A: 1, §x-a: 2}"),
    ),
    "header-without-a-value": (
        PARSE,
        "maglev.healthchecks.web.params.headers.X-A",
        'must be a text (visible ASCII characters, spaces and tabs between them), not ""',
        params("headers: {X-A: §}"),
    ),
    "header-value-list": (
        PARSE,
        "maglev.healthchecks.web.params.headers.X-A",
        "must be a text (visible ASCII characters, spaces and tabs between them), not a list",
        params("headers: {X-A: §[1]}"),
    ),
    "header-value-with-a-line-end": (
        SEMANTIC,
        "maglev.healthchecks.web.params.headers.X-A",
        HEADER_VALUE,
        params('headers: {X-A: §"a\\r\\nX-B: b"}'),
    ),
    "header-value-with-a-blank-at-its-end": (
        SEMANTIC,
        "maglev.healthchecks.web.params.headers.X-A",
        HEADER_VALUE,
        params('headers: {X-A: §"a "}'),
    ),
    "header-value-beyond-ascii": (
        SEMANTIC,
        "maglev.healthchecks.web.params.headers.X-A",
        HEADER_VALUE,
        params("headers: {X-A: §caf\u00e9}"),
    ),
    "curves-separated-by-commas": (
        SEMANTIC,
        "maglev.healthchecks.web.params.curves",
        f'"X25519,P-256": {CURVES}',
        params('curves: §"X25519,P-256"', "https, port: 443"),
    ),
    "curve-unknown": (
        SEMANTIC,
        "maglev.healthchecks.web.params.curves",
        'OpenSSL knows no curve "X25518"; expected names such as X25519:P-256:X448:P-384:P-521:ffdhe2048:ffdhe3072',
        params("curves: §P-256:X25518", "https, port: 443"),
    ),
    "file-with-a-relative-path": (
        SEMANTIC,
        "maglev.healthchecks.web.params.ca-file",
        "ca.pem: the path of a file must start with '/'",
        params("ca-file: §ca.pem", "https, port: 443"),
    ),
    "file-with-a-control-character": (
        SEMANTIC,
        "maglev.healthchecks.web.params.ca-file",
        '"/ca\\x00": control characters are not allowed in the path of a file',
        params('ca-file: §"/ca\\0"', "https, port: 443"),
    ),
    "file-that-is-not-there": (
        SEMANTIC,
        "maglev.healthchecks.web.params.ca-file",
        "/no/such/file can't be read: No such file or directory",
        params("ca-file: §/no/such/file", "https, port: 443"),
    ),
    "file-that-is-a-directory": (
        SEMANTIC,
        "maglev.healthchecks.web.params.client-certificate",
        "/ can't be read: it is a directory",
        params("client-certificate: §/, ssl: true", "tcp, port: 443"),
    ),
    "key-without-a-certificate": (
        SEMANTIC,
        "maglev.healthchecks.web.params.client-key",
        "needs client-certificate",
        params("client-key: §/no/such/file", "https, port: 443"),
    ),
    "param-of-another-type": (
        SEMANTIC,
        "maglev.healthchecks.web.params.ssl",
        "does not apply to type http, only to tcp",
        params("§ssl: true"),
    ),
    "param-of-icmp": (
        SEMANTIC,
        "maglev.healthchecks.web.params.path",
        "does not apply to type icmp, only to http, https",
        params("§path: /", "icmp"),
    ),
    # Backends
    "backend-address-missing": (SEMANTIC, "maglev.backends.a.address", "is required", f"{LB}  backends:\n    §a:\n"),
    "backend-name": (
        SEMANTIC,
        "maglev.backends.a.address",
        'invalid IP address "www.example.com": expected a literal address, names are not resolved',
        backend("{address: §www.example.com}"),
    ),
    "backend-prefix": (
        SEMANTIC,
        "maglev.backends.a.address",
        'invalid IP address "192.0.2.0/24": expected an address without a prefix length',
        backend("{address: §192.0.2.0/24}"),
    ),
    "backend-zone": (
        SEMANTIC,
        "maglev.backends.a.address",
        'invalid IP address "fe80::1%eth0": expected an address without a zone',
        backend('{address: §"fe80::1%eth0"}'),
    ),
    "backend-nul": (
        SEMANTIC,
        "maglev.backends.a.address",
        'invalid IP address "10.0.0.1\\x00": expected a literal address, names are not resolved',
        backend('{address: §"10.0.0.1\\0"}'),
    ),
    "backend-unspecified": (
        SEMANTIC,
        "maglev.backends.a.address",
        '"::" is the unspecified address; expected the address of one machine, on any link',
        backend('{address: §"::"}'),
    ),
    "backend-multicast": (
        SEMANTIC,
        "maglev.backends.a.address",
        "224.0.0.1 is a multicast address; expected the address of one machine, on any link",
        backend("{address: §224.0.0.1}"),
    ),
    "backend-multicast-ipv6": (
        SEMANTIC,
        "maglev.backends.a.address",
        '"ff02::1" is a multicast address; expected the address of one machine, on any link',
        backend('{address: §"ff02::1"}'),
    ),
    "backend-broadcast": (
        SEMANTIC,
        "maglev.backends.a.address",
        "255.255.255.255 is the broadcast address; expected the address of one machine, on any link",
        backend("{address: §255.255.255.255}"),
    ),
    "backend-mapped": (
        SEMANTIC,
        "maglev.backends.a.address",
        '"::ffff:192.0.2.1" is an IPv4 address in IPv6 form: write 192.0.2.1',
        backend('{address: §"::ffff:192.0.2.1"}'),
    ),
    "backend-healthcheck": (
        SEMANTIC,
        "maglev.backends.c.healthcheck",
        "no such healthcheck: wbe; did you mean 'web'?",
        f"{LB}{WEB}    c: {{address: 10.0.0.3, healthcheck: §wbe}}\n",
    ),
    "backend-loopback-ipv6": (
        SEMANTIC,
        "maglev.backends.a.address",
        '"::1" is a loopback address; expected the address of one machine, on any link',
        backend('{address: §"::1"}'),
    ),
    "backend-link-local": (
        SEMANTIC,
        "maglev.backends.a.address",
        "169.254.7.1 is a link-local address (169.254.0.0/16); expected the address of one machine, on any link",
        backend("{address: §169.254.7.1}"),
    ),
    "backend-link-local-ipv6": (
        SEMANTIC,
        "maglev.backends.a.address",
        '"febf::1" is a link-local address (fe80::/10); expected the address of one machine, on any link',
        backend('{address: §"febf::1"}'),
    ),
    "backend-no-host": (
        SEMANTIC,
        "maglev.backends.a.address",
        "0.0.0.1 is an address of no host (0.0.0.0/8); expected the address of one machine, on any link",
        backend("{address: §0.0.0.1}"),
    ),
    "backend-reserved": (
        SEMANTIC,
        "maglev.backends.a.address",
        "240.0.0.1 is a reserved address (240.0.0.0/4); expected the address of one machine, on any link",
        backend("{address: §240.0.0.1}"),
    ),
    "backend-of-ipv4": (
        SEMANTIC,
        "maglev.backends.a.address",
        '"::192.0.2.9" is in ::/96, which VPP takes for IPv4; expected the address of one machine, on any link',
        backend('{address: §"::192.0.2.9"}'),
    ),
    "frontend-of-ipv4": (
        SEMANTIC,
        "maglev.frontends.www.address",
        '"::192.0.2.9" is in ::/96, which VPP takes for IPv4; expected the address of one machine, on any link',
        frontend('address: §"::192.0.2.9"'),
    ),
    "frontend-loopback": (
        SEMANTIC,
        "maglev.frontends.www.address",
        "127.0.0.1 is a loopback address; expected the address of one machine, on any link",
        frontend("address: §127.0.0.1"),
    ),
    "frontend-link-local": (
        SEMANTIC,
        "maglev.frontends.www.address",
        '"fe80::1" is a link-local address (fe80::/10); expected the address of one machine, on any link',
        frontend('address: §"fe80::1"'),
    ),
    "source-loopback": (
        SEMANTIC,
        "maglev.vpp.lb.ipv4-src-address",
        "127.0.0.1 is a loopback address; expected the address of one machine, on any link",
        "maglev:\n  vpp: {lb: {ipv4-src-address: §127.0.0.1, ipv6-src-address: 2001:db8::1}}\n",
    ),
    "source-multicast": (
        SEMANTIC,
        "maglev.vpp.lb.ipv6-src-address",
        "ff02::1 is a multicast address; expected the address of one machine, on any link",
        "maglev:\n  vpp: {lb: {ipv4-src-address: 192.0.2.1, ipv6-src-address: §ff02::1}}\n",
    ),
    "probe-source-link-local": (
        SEMANTIC,
        "maglev.healthchecks.web.probe-ipv6-src",
        '"fe80::1" is a link-local address (fe80::/10); expected the address of one machine, on any link',
        check('interval: 2s, timeout: 1s, probe-ipv6-src: §"fe80::1"'),
    ),
    "timeout-of-a-nanosecond": (
        SEMANTIC,
        "maglev.healthchecks.web.timeout",
        "must be 1ms..24h, not 1ns",
        check("interval: 2s, timeout: §1ns"),
    ),
    # Pairs
    "backend-is-its-frontend": (
        SEMANTIC,
        "maglev.backends.a.address",
        f"10.0.0.1 {ITSELF}",
        frontend("address: 10.0.0.1").replace("{address: 10.0.0.1, healthcheck", "{address: §10.0.0.1, healthcheck"),
    ),
    "backend-is-a-frontend-of-others": (
        SEMANTIC,
        "maglev.backends.six.address",
        f"2001:db8::6 {ITSELF}",
        frontend('address: "2001:DB8:0::6", protocol: tcp, port: 80').replace('six: {address: "', 'six: {address: §"'),
    ),
    "backend-is-a-source": (
        SEMANTIC,
        "maglev.backends.a.address",
        "2001:db8::1 is maglev.vpp.lb.ipv6-src-address: expected the address of a server",
        backend('{address: §"2001:db8:0::1"}'),
    ),
    "frontend-is-a-source": (
        SEMANTIC,
        "maglev.frontends.www.address",
        "192.0.2.1 is maglev.vpp.lb.ipv4-src-address: expected an address for this frontend alone",
        frontend("address: §192.0.2.1"),
    ),
    # Frontends
    "frontend-address-missing": (
        SEMANTIC,
        "maglev.frontends.www.address",
        "is required",
        f"{LB}{WEB}  frontends:\n    §www: {{pools: [{{name: p, backends: {{a: }}}}]}}\n",
    ),
    "frontend-mapped": (
        SEMANTIC,
        "maglev.frontends.www.address",
        '"::ffff:192.0.2.1" is an IPv4 address in IPv6 form: write 192.0.2.1',
        frontend('address: §"::ffff:192.0.2.1"'),
    ),
    "protocol": (
        SEMANTIC,
        "maglev.frontends.www.protocol",
        "must be tcp or udp, not sctp",
        frontend(f"{ADDRESS}, protocol: §sctp, port: 80"),
    ),
    "port-without-protocol": (
        SEMANTIC,
        "maglev.frontends.www.protocol",
        "port 80 needs a protocol (tcp or udp)",
        frontend(f"{ADDRESS}, port: §80"),
    ),
    "protocol-without-port": (
        SEMANTIC,
        "maglev.frontends.www.port",
        "protocol udp needs a port (omit both to serve all ports)",
        frontend(f"{ADDRESS}, protocol: §udp, port: 0"),
    ),
    "port-high": (
        SEMANTIC,
        "maglev.frontends.www.port",
        "must be 0..65535, not 65536",
        frontend(f"{ADDRESS}, protocol: tcp, port: §65536"),
    ),
    "description-control": (
        SEMANTIC,
        "maglev.frontends.www.description",
        '"a\\x1b[2J": control characters are not allowed',
        frontend(ADDRESS + ', description: §"a\\e[2J"'),
    ),
    "description-long": (
        SEMANTIC,
        "maglev.frontends.www.description",
        'must have at most 1024 characters, not 1025: "ddddddddddddddddddddddddddddddddddddd..."',
        frontend(f"{ADDRESS}, description: §{'d' * 1025}"),
    ),
    "frontend-table-length": (
        SEMANTIC,
        "maglev.frontends.www.new-flows-table-length",
        "must be a power of two, 1..65536, or auto, not 131072",
        frontend(f"{ADDRESS}, new-flows-table-length: §131072"),
    ),
    "pools-missing": (
        SEMANTIC,
        "maglev.frontends.www.pools",
        "at least one is required",
        f"{LB}{WEB}  frontends:\n    §www: {{{ADDRESS}}}\n",
    ),
    "pools-null": (
        SEMANTIC,
        "maglev.frontends.www.pools",
        "at least one is required",
        f"{LB}{WEB}  frontends:\n    www: {{{ADDRESS}, §pools: }}\n",
    ),
    "pools-empty": (SEMANTIC, "maglev.frontends.www.pools", "at least one is required", frontend(ADDRESS, "§[]")),
    "pools-map": (
        PARSE,
        "maglev.frontends.www.pools",
        "must be a list, not a map",
        frontend(ADDRESS, "§{p: {backends: {a: }}}"),
    ),
    "pools-broken": (
        PARSE,
        "maglev.frontends.www.pools",
        "unknown anchor &p (an anchor must precede its aliases)",
        frontend(ADDRESS, "§*p"),
    ),
    "pool-word": (
        PARSE,
        "maglev.frontends.www.pools[0]",
        "must be a map (pool), not a; did you mean {name: a}?",
        frontend(ADDRESS, "[§a]"),
    ),
    "pool-name-missing": (
        SEMANTIC,
        "maglev.frontends.www.pools[0].name",
        "is required",
        frontend(ADDRESS, "[§{backends: {a: }}]"),
    ),
    "pool-name-empty": (
        SEMANTIC,
        "maglev.frontends.www.pools[0].name",
        "is required",
        frontend(ADDRESS, '[{§name: "", backends: {a: }}]'),
    ),
    "pool-name-bad": (
        SEMANTIC,
        "maglev.frontends.www.pools[0].name",
        f'"p 1": {NAME_RULE}',
        frontend(ADDRESS, "[{name: §p 1, backends: {a: }}]"),
    ),
    "pool-name-twice": (
        SEMANTIC,
        "maglev.frontends.www.pools[1].name",
        "duplicate name p, already used by maglev.frontends.www.pools[0]",
        frontend(ADDRESS, "[{name: p, backends: {a: }}, {name: §p, backends: {b: }}]"),
    ),
    "pool-backends-list": (
        PARSE,
        "maglev.frontends.www.pools[0].backends",
        "must be a map (backends), not a list",
        frontend(ADDRESS, "[{name: p, backends: §[a]}]"),
    ),
    "weight-high": (
        SEMANTIC,
        "maglev.frontends.www.pools[0].backends.a.weight",
        "must be 0..100, not 101",
        frontend(ADDRESS, "[{name: p, backends: {a: {weight: §101}}}]"),
    ),
    "weight-short-form": (
        PARSE,
        "maglev.frontends.www.pools[0].backends.a",
        "must be a map (pool backend), not 50; did you mean {weight: 50}?",
        frontend(ADDRESS, "[{name: p, backends: {a: §50}}]"),
    ),
    "no-such-backend": (
        SEMANTIC,
        "maglev.frontends.www.pools[0].backends.sx",
        "no such backend: sx; did you mean 'six'?",
        frontend(ADDRESS, "[{name: p, backends: {§sx: }}]"),
    ),
    "no-such-backend-at-all": (
        SEMANTIC,
        "maglev.frontends.www.pools[0].backends.nothing-like-it",
        "no such backend: nothing-like-it",
        frontend(ADDRESS, "[{name: p, backends: {a: , §nothing-like-it: }}]"),
    ),
    "two-families": (
        SEMANTIC,
        "maglev.frontends.www.pools[1].backends.six",
        "is IPv6, but a is IPv4: all backends of a frontend must have the same family",
        frontend(ADDRESS, "[{name: p, backends: {a: }}, {name: q, backends: {§six: }}]"),
    ),
    "same-vip": (
        SEMANTIC,
        "maglev.frontends.y",
        "has the same address, protocol and port as maglev.frontends.x (line 9)",
        frontends(vip("x", f", {HTTP}"), vip("y", f", {HTTP}", mark="§")),
    ),
    "same-vip-all-ports": (
        SEMANTIC,
        "maglev.frontends.y",
        "has the same address, protocol and port as maglev.frontends.x (line 9)",
        frontends(vip("x", ""), vip("y", "", mark="§")),
    ),
    "all-ports-not-alone": (
        SEMANTIC,
        "maglev.frontends.x",
        "shares its address with maglev.frontends.y (line 10), which serves all ports",
        frontends(vip("x", f", {HTTP}", mark="§"), vip("y", "")),
    ),
    "two-encapsulations": (
        SEMANTIC,
        "maglev.frontends.y",
        (
            "its backends are IPv6, those of maglev.frontends.x on the same address are IPv4: "
            "VPP supports only one encapsulation per address"
        ),
        frontends(vip("x", f", {HTTP}"), vip("y", ", protocol: tcp, port: 443", "six: ", mark="§")),
    ),
}
