"""Bad files: parameters of probes that talk."""

from __future__ import annotations

from tests.fakes.file_parts import HEADER_NAME, HEADER_VALUE, LB, PARSE, SEMANTIC, check, params

PARAMS = "maglev.healthchecks.web.params"
STEP_KINDS = "send, send-hex, expect, expect-hex, expect-regexp"
ESCAPES = r"with the escapes \r \n \t \0 \\ \xHH"


def tcp(text: str) -> str:
    return params(text, "tcp, port: 25")


AGENT = "{type: agent, port: 9999, interval: 2s, timeout: 1s}"
TCP = "{type: tcp, port: 80, interval: 2s, timeout: 1s}"


def agents(text: str, check: str = AGENT) -> str:
    return (
        f"{LB}  healthchecks:\n    load: {check}\n    web: {TCP}\n  backends:\n    a: {{address: 10.0.0.1, {text}}}\n"
    )


def program(text: str, allowed: str = "true") -> str:
    checks = f"  healthchecks: {{web: {{type: exec, interval: 2s, timeout: 1s{text}}}}}\n"
    return f"{LB}  healthchecker: {{exec: {{allow: {allowed}}}}}\n{checks}"


LISTED = '"(not shown)" stands in a listing for a secret value: write the value itself'

BAD_PROBES = {
    "listed-header": (SEMANTIC, f"{PARAMS}.headers.X-Key", LISTED, params("headers: {X-Key: §(not shown)}")),
    "listed-body": (SEMANTIC, f"{PARAMS}.body", LISTED, params("method: POST, body: §(not shown)")),
    "listed-step": (SEMANTIC, f"{PARAMS}.steps[0].send", LISTED, tcp("steps: [{send: §(not shown)}, {expect: z}]")),
    "service-with-a-space": (
        SEMANTIC,
        f"{PARAMS}.service",
        '"a b": expected visible ASCII characters without spaces',
        params("service: §a b", "grpc, port: 1"),
    ),
    "service-of-http": (
        SEMANTIC,
        f"{PARAMS}.service",
        "does not apply to type http, only to grpc",
        params("§service: a"),
    ),
    "grpc-with-a-path": (
        SEMANTIC,
        f"{PARAMS}.path",
        "does not apply to type grpc, only to http, https",
        params("§path: /", "grpc, port: 1"),
    ),
    "exec-not-allowed": (
        SEMANTIC,
        "maglev.healthchecks.web.type",
        "exec is not allowed: expected maglev.healthchecker.exec.allow: true, in the main file",
        program(", params: {command: [/bin/true]}", "false").replace("type: exec", "type: §exec"),
    ),
    "exec-without-command": (
        SEMANTIC,
        f"{PARAMS}.command",
        "is required for type exec",
        program(", §params: {}"),
    ),
    "exec-in-a-shell": (
        PARSE,
        f"{PARAMS}.command",
        (
            "must be a list (the path of a program and its arguments, at most 32 of 1024 characters), not sh: "
            "write [/path, argument]"
        ),
        program(", params: {command: §sh}"),
    ),
    "exec-at-once": (
        SEMANTIC,
        "maglev.healthchecker.exec.at-once",
        "must be 1..256, not 0",
        program(", params: {command: [/bin/true]}", "true, at-once: §0"),
    ),
    "method-unknown": (
        SEMANTIC,
        f"{PARAMS}.method",
        "must be GET, HEAD, OPTIONS or POST, not get; did you mean 'GET'?",
        params("method: §get"),
    ),
    "method-of-tcp": (
        SEMANTIC,
        f"{PARAMS}.method",
        "does not apply to type tcp, only to http, https",
        tcp("§method: GET"),
    ),
    "body-of-get": (SEMANTIC, f"{PARAMS}.body", "needs method: POST; GET sends no body", params("§body: x")),
    "body-long": (
        SEMANTIC,
        f"{PARAMS}.body",
        f'must have at most 4096 bytes, {ESCAPES}, not 4097: "{"x" * 37}..."',
        params(f"method: POST, body: §{'x' * 4097}"),
    ),
    "head-and-a-pattern": (
        SEMANTIC,
        f"{PARAMS}.response-regexp",
        "is about the body, and an answer to HEAD has none: expected another method",
        params("method: HEAD, §response-regexp: ok"),
    ),
    "expected-header-text": (
        PARSE,
        f"{PARAMS}.expect-header",
        "must be a map of header names to values (at most 8), not X-A",
        params("expect-header: §X-A"),
    ),
    "expected-headers-many": (
        SEMANTIC,
        f"{PARAMS}.expect-header",
        "must be at most 8 headers, not 9",
        params(f"expect-header: §{{{', '.join(f'X-{number}: 1' for number in range(9))}}}"),
    ),
    "expected-header-name": (
        SEMANTIC,
        f"{PARAMS}.expect-header.X A",
        f'invalid header name "X A": {HEADER_NAME}',
        params("expect-header: {§X A: 1}"),
    ),
    "expected-header-twice": (
        SEMANTIC,
        f"{PARAMS}.expect-header-regexp.HOST",
        "HOST is the same header as Host: expected each once",
        params("expect-header-regexp: {Host: a, §HOST: a}"),
    ),
    "expected-header-with-a-line-end": (
        SEMANTIC,
        f"{PARAMS}.expect-header.X-A",
        HEADER_VALUE,
        params('expect-header: {X-A: §"a\\r\\nX-B: b"}'),
    ),
    "expected-header-pattern": (
        SEMANTIC,
        f"{PARAMS}.expect-header-regexp.X-A",
        'invalid regular expression "(ok": missing ): (ok (expected RE2, at most 1024 characters)',
        params('expect-header-regexp: {X-A: §"(ok"}'),
    ),
    "expected-header-null": (
        PARSE,
        f"{PARAMS}.expect-header-regexp.X-A",
        'must be a regular expression (RE2, at most 1024 characters), not ""',
        params("expect-header-regexp: {X-A: §}"),
    ),
    "expected-header-empty-pattern": (
        SEMANTIC,
        f"{PARAMS}.expect-header-regexp.X-A",
        "must not be empty: write .* for a header that may have any value",
        params("expect-header-regexp: {X-A: §''}"),
    ),
    "agent-as-healthcheck": (
        SEMANTIC,
        "maglev.backends.a.healthcheck",
        "load is of type agent, which says nothing of health: expected it as agent-check",
        agents("healthcheck: §[web, load]"),
    ),
    "agent-check-of-another-type": (
        SEMANTIC,
        "maglev.backends.a.agent-check",
        "web is of type tcp: expected a healthcheck of type agent",
        agents("agent-check: §web"),
    ),
    "agent-check-missing": (
        SEMANTIC,
        "maglev.backends.a.agent-check",
        "no such healthcheck: lod; did you mean 'load'?",
        agents("agent-check: §lod"),
    ),
    "agent-check-list": (
        PARSE,
        "maglev.backends.a.agent-check",
        "must be a healthcheck (a name under maglev.healthchecks), not a list",
        agents("agent-check: §[load]"),
    ),
    "agent-check-of-unknown-type": (
        SEMANTIC,
        "maglev.healthchecks.load.type",
        "must be icmp, tcp, http, https, udp, dns, grpc, agent or exec, not agnt; did you mean 'agent'?",
        agents("healthcheck: load, agent-check: load", AGENT.replace("agent", "§agnt")),
    ),
    "agent-rise": (
        SEMANTIC,
        "maglev.healthchecks.load.rise",
        "does not apply to type agent, only to icmp, tcp, http, https, udp, dns, grpc, exec",
        agents("healthcheck: web", AGENT.replace("}", ", §rise: 2}")),
    ),
    "agent-without-port": (
        SEMANTIC,
        "maglev.healthchecks.load.port",
        "is required for type agent",
        agents("healthcheck: web", "{type: agent, interval: 2s, timeout: 1s}").replace("load:", "§load:"),
    ),
    "agent-address": (
        SEMANTIC,
        "maglev.healthchecks.load.params.address",
        'invalid IP address "agent.example": expected a literal address, names are not resolved',
        agents("healthcheck: web", AGENT.replace("}", ", params: {address: §agent.example}}")),
    ),
    "agent-hold": (
        SEMANTIC,
        "maglev.healthchecks.load.params.hold",
        "must be more than 0s, at most 24h, not 0s",
        agents("healthcheck: web", AGENT.replace("}", ", params: {hold: §0s}}")),
    ),
    "hold-of-tcp": (
        SEMANTIC,
        "maglev.healthchecks.web.params.hold",
        "does not apply to type tcp, only to agent",
        tcp("§hold: 1s"),
    ),
    "preset-unknown": (
        SEMANTIC,
        f"{PARAMS}.preset",
        "must be smtp, imap, pop3, redis, mysql, postgresql or ssh, not postgres; did you mean 'postgresql'?",
        tcp("preset: §postgres"),
    ),
    "preset-of-http": (
        SEMANTIC,
        f"{PARAMS}.preset",
        "does not apply to type http, only to tcp",
        params("§preset: smtp"),
    ),
    "preset-and-steps": (
        SEMANTIC,
        f"{PARAMS}.preset",
        "excludes steps: expected one of the two",
        tcp("preset: §smtp, steps: [{expect: '220'}]"),
    ),
    "user-with-space": (
        SEMANTIC,
        f"{PARAMS}.user",
        '"a b": expected visible ASCII characters without spaces',
        tcp("preset: mysql, user: §a b"),
    ),
    "steps-text": (
        PARSE,
        f"{PARAMS}.steps",
        "must be a list of steps (at most 32, such as {send: 'PING\\r\\n'} or {expect: +PONG}), not PING",
        tcp("steps: §PING"),
    ),
    "steps-many": (
        SEMANTIC,
        f"{PARAMS}.steps",
        "must be at most 32 steps, not 33",
        tcp(f"steps: §[{', '.join(['{expect: x}'] * 33)}]"),
    ),
    "steps-without-expectation": (
        SEMANTIC,
        f"{PARAMS}.steps",
        "must have a step that expects something: else nothing is checked but the connection",
        tcp("steps: §[{send: x}]"),
    ),
    "step-text": (
        PARSE,
        f"{PARAMS}.steps[1]",
        f"must be a step (a map with {STEP_KINDS}), not PING",
        tcp("steps: [{expect: x}, §PING]"),
    ),
    "step-unknown-key": (
        PARSE,
        f"{PARAMS}.steps[0].expct",
        "unknown key; did you mean 'expect'?",
        tcp("steps: [{§expct: x}]"),
    ),
    "step-empty": (
        SEMANTIC,
        f"{PARAMS}.steps[0]",
        f"must have one of {STEP_KINDS}, and has none",
        tcp("steps: [§{}]"),
    ),
    "step-of-two-kinds": (
        SEMANTIC,
        f"{PARAMS}.steps[0]",
        f"must have one of {STEP_KINDS}, not send and expect",
        tcp("steps: [§{send: x, expect: y}]"),
    ),
    "step-without-value": (
        SEMANTIC,
        f"{PARAMS}.steps[0].expect",
        "must not be empty: expected text",
        tcp("steps: [{§expect: }]"),
    ),
    "step-with-empty-value": (
        SEMANTIC,
        f"{PARAMS}.steps[0].expect",
        "must not be empty: expected text",
        tcp("steps: [{§expect: ''}]"),
    ),
    "step-reject-of-send": (
        SEMANTIC,
        f"{PARAMS}.steps[0].reject-regexp",
        "needs an answer to wait for",
        tcp("steps: [§{send: x, reject-regexp: y}, {expect: z}]"),
    ),
    "step-bad-pattern": (
        SEMANTIC,
        f"{PARAMS}.steps[0].expect-regexp",
        'invalid regular expression "(ok": missing ): (ok (expected RE2, at most 1024 characters)',
        tcp('steps: [{expect-regexp: §"(ok"}]'),
    ),
    "step-list": (
        PARSE,
        f"{PARAMS}.steps[0].send",
        f"must be a text (at most 4096 bytes, {ESCAPES}), not a list",
        tcp("steps: [{send: §[x]}]"),
    ),
    "step-bad-escape": (
        SEMANTIC,
        f"{PARAMS}.steps[0].send",
        rf'invalid escape \q in "a\q": expected at most 4096 bytes, {ESCAPES}',
        tcp(r"steps: [{send: §'a\q'}]"),
    ),
    "step-escape-at-the-end": (
        SEMANTIC,
        f"{PARAMS}.steps[0].send",
        rf'invalid escape \ in "a\": expected at most 4096 bytes, {ESCAPES}',
        tcp("steps: [{send: §'a\\'}]"),
    ),
    "step-half-an-escape": (
        SEMANTIC,
        f"{PARAMS}.steps[0].send",
        rf'invalid escape \x in "\x1": expected at most 4096 bytes, {ESCAPES}',
        tcp(r"steps: [{send: §'\x1'}]"),
    ),
    "step-long": (
        SEMANTIC,
        f"{PARAMS}.steps[0].expect",
        f'must have at most 1024 bytes, {ESCAPES}, not 1025: "{"a" * 37}..."',
        tcp(f"steps: [{{expect: §{'a' * 1025}}}]"),
    ),
    "step-bad-hex": (
        SEMANTIC,
        f"{PARAMS}.steps[0].expect-hex",
        'invalid hexadecimal text "0d0": expected pairs of digits, such as 0d0a, at most 1024 bytes',
        tcp("steps: [{expect-hex: §0d0}]"),
    ),
    "step-long-hex": (
        SEMANTIC,
        f"{PARAMS}.steps[0].send-hex",
        f'must have pairs of digits, such as 0d0a, at most 4096 bytes, not 4097: "{"a" * 37}..."',
        tcp(f"steps: [{{send-hex: §{'aa' * 4097}}}]"),
    ),
    "udp-by-vip-without-expectation": (
        SEMANTIC,
        "maglev.healthchecks.web.via",
        "needs an expectation (expect, expect-hex or expect-regexp): silence would pass",
        check("interval: 2s, timeout: 1s, §via: vip", "udp, port: 161", "send: a"),
    ),
    "icmp-by-vip": (
        SEMANTIC,
        "maglev.healthchecks.web.via",
        "does not apply to type icmp, only to tcp, http, https, grpc, udp, dns",
        check("interval: 2s, timeout: 1s, §via: vip", "icmp"),
    ),
    "udp-two-payloads": (
        SEMANTIC,
        f"{PARAMS}.send-hex",
        "excludes send: expected one of the two",
        params("send: a, §send-hex: ff", "udp, port: 161"),
    ),
    "udp-two-expectations": (
        SEMANTIC,
        f"{PARAMS}.expect-regexp",
        "excludes expect: expected one of the two",
        params("expect: a, §expect-regexp: b", "udp, port: 161"),
    ),
    "dns-without-name": (
        SEMANTIC,
        f"{PARAMS}.name",
        "is required for type dns",
        check("interval: 2s, timeout: 1s", "dns, port: 53").replace("1s}", "1s, §params: {rcode: REFUSED}}"),
    ),
    "dns-bad-name": (
        SEMANTIC,
        f"{PARAMS}.name",
        "a..b: expected a domain name: labels of 1 to 63 letters, digits, '-' or '_', with dots between them",
        params("name: §a..b", "dns, port: 53"),
    ),
    "dns-unknown-rcode": (
        SEMANTIC,
        f"{PARAMS}.rcode",
        "must be NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP or REFUSED, not NXDOMIAN; did you mean 'NXDOMAIN'?",
        params("name: a.b, rcode: §NXDOMIAN", "dns, port: 53"),
    ),
    "dns-bad-record": (
        SEMANTIC,
        f"{PARAMS}.answer",
        '"2001:db8::1" is not a record of type A: Text input is malformed.; expected one as in a zone file',
        params('name: a.b, answer: §"2001:db8::1"', "dns, port: 53"),
    ),
    "dns-two-answers": (
        SEMANTIC,
        f"{PARAMS}.answer-regexp",
        "excludes answer: expected one of the two",
        params("name: a.b, answer: 192.0.2.1, §answer-regexp: x", "dns, port: 53"),
    ),
    "dns-answer-of-an-error": (
        SEMANTIC,
        f"{PARAMS}.answer",
        "needs rcode NOERROR: an answer with REFUSED has no such record",
        params("name: a.b, rcode: REFUSED, §answer: 192.0.2.1", "dns, port: 53"),
    ),
}
