"""The small world that the fake control interface tells of: its views, and how to make more of their kind."""

from __future__ import annotations


def backend_view(name, address, state="up", **more):
    """Return a view as `IControl.backend` does."""
    return {
        "name": name,
        "address": address,
        "state": state,
        "enabled": state != "disabled",
        "healthcheck": "http-check",
        "health": {"value": 4 if state == "up" else 0, "rise": 2, "fall": 3},
        "last_result": {
            "ok": True,
            "layer": "L7",
            "code": "L7OK",
            "detail": "HTTP 200",
            "duration": 0.00125,
            "age": 0.4,
        },
        "checks": [],
        "agent": None,
        "transitions": [
            {
                "from": "unknown",
                "to": "up",
                "at": "2026-10-12T08:00:01.250Z",
                "age": 192.4,
                "code": "L7OK",
                "detail": "HTTP 200",
                "healthcheck": "",
            },
            {
                "from": "unknown",
                "to": "unknown",
                "at": "2026-10-12T08:00:00.000Z",
                "age": 193.6,
                "code": "start",
                "detail": "",
                "healthcheck": "",
            },
        ],
        "frontends": ["web"],
        "override": None,
        "drain": None,
        **more,
    }


def drain_view(phase="drained", flows=0, **more):
    """Return a view as `IControl.drain_progress` does."""
    goal = {"goal": 0, "times_out_in": None, "then": None, "detail": ""}
    return {"backend": "www1", "phase": phase, "flows": flows, **goal, **more}


def member_view(name, address, state="up", weight=100, effective=None):
    """Return a backend of a pool, as in a view of a frontend."""
    return {
        "name": name,
        "address": address,
        "state": state,
        "enabled": state != "disabled",
        "weight": weight,
        "file_weight": weight,
        "effective_weight": weight if effective is None else effective,
        "programmed_weight": weight if effective is None else effective,
        "vpp_weight": weight if effective is None else effective,
        "vpp_buckets": None,
        "reason": state if state != "up" else "active" if effective is None else "standby",
    }


def pool_view(name, active, members, **more):
    return {
        "name": name,
        "active": active,
        "min_up": "1",
        "in_service": sum(member["state"] == "up" for member in members),
        "eligible_for": 7.5 if active else None,
        "fails_back_in": None,
        "backends": members,
        **more,
    }


def frontend_view(name, address, pools, **more):
    """Return a view as `IControl.frontend` does, given name, activity and members of each pool."""
    return {
        "name": name,
        "address": address,
        "protocol": "tcp",
        "port": 80,
        "description": "",
        "state": "up",
        "src_ip_sticky": False,
        "flush_on_down": True,
        "weights": "as-written",
        "when_none_eligible": "down",
        "failback_delay": 0.0,
        "held": 0,
        "pools": [pool_view(*pool) for pool in pools],
        "departing": [],
        "enabled": True,
        "override": None,
        **more,
    }


def healthcheck_view(name, **more):
    """Return a view as `IControl.healthcheck` does."""
    return {
        "name": name,
        "type": "http",
        "port": 80,
        "interval": 2.0,
        "fast_interval": 0.5,
        "down_interval": 90.0,
        "timeout": 1.0,
        "rise": 2,
        "fall": 3,
        "probe_ipv4_src": None,
        "probe_ipv6_src": None,
        "via": "direct",
        "params": {
            "method": "GET",
            "path": "/healthz",
            "host": None,
            "response_code": ["200-299", "401"],
            "response_regexp": None,
            "response_regexp_not": None,
            "http2": False,
            "disable_on_404": False,
            "headers": [],
        },
        "backends": 3,
        **more,
    }


def vip_view(prefix, servers, **more):
    """Return a VIP as in a page of `IControl.vpp_lb_state`, given address, weight and buckets of each server."""
    return {
        "frontend": None,
        "prefix": prefix,
        "protocol": "tcp",
        "port": 80,
        "encap": "gre4",
        "src_ip_sticky": False,
        "new_flows_table_length": 1024,
        "application_servers": [
            {"address": address, "weight": weight, "buckets": buckets, "leaves_in": None}
            for address, weight, buckets in servers
        ],
        **more,
    }


def change_view(prefix, action, *operations, **more):
    """Return a VIP as in a page of `IControl.vpp_lb_plan`."""
    return {
        "frontend": None,
        "prefix": prefix,
        "protocol": "tcp",
        "port": 80,
        "action": action,
        "reasons": [],
        "moved": None,
        "operation_count": len(operations),
        "operations": list(operations),
        **more,
    }


def difference_view(kind, name, change, *details, vips=()):
    """Return a row as in a page of `IControl.config_diff`."""
    return {"kind": kind, "name": name, "change": change, "details": list(details), "vips": list(vips)}


WWW1 = member_view("www1", "198.51.100.11")
WWW2 = member_view("www2", "198.51.100.12", "disabled", 50, 0)
SPARE = member_view("spare", "198.51.100.21", "up", 100, 0)
FRONTENDS = (
    frontend_view(
        "web",
        "203.0.113.80",
        [("primary", True, [WWW1, WWW2]), ("fallback", False, [SPARE])],
        description="The public site",
    ),
    frontend_view(
        "everything",
        "2001:db8::80",
        [("only", True, [member_view("v6", "2001:db8:1::1", "down", 100, 0)])],
        protocol="any",
        port=0,
        state="down",
    ),
)
BACKENDS = (
    backend_view("www1", "198.51.100.11"),
    backend_view("www2", "198.51.100.12", "disabled"),
    backend_view(
        "spare", "198.51.100.21", healthcheck=None, health={"value": 1, "rise": 1, "fall": 1}, last_result=None
    ),
    backend_view("v6", "2001:db8:1::1", "down", transitions=[], frontends=["everything"]),
)
HEALTHCHECKS = (
    healthcheck_view("http-check"),
    healthcheck_view("ping", type="icmp", port=None, probe_ipv4_src="192.0.2.1", params={}, backends=0),
)
VIPS = (
    vip_view(
        "203.0.113.80/32",
        [("198.51.100.11", 100, 1024), ("198.51.100.12", 0, 0), ("198.51.100.21", 0, 0)],
        frontend="web",
    ),
    vip_view(
        "2001:db8::80/128",
        [],
        protocol="any",
        port=0,
        encap="gre6",
        src_ip_sticky=None,
        new_flows_table_length=0,
    ),
)
CHANGES = (
    change_view(
        "203.0.113.80/32",
        "change",
        "set weight of 198.51.100.12 in tcp://203.0.113.80:80 from 100 to 50",
        frontend="web",
        moved=0.2509765625,
    ),
    change_view(
        "2001:db8::80/128",
        "recreate",
        "delete VIP 2001:db8::80",
        "add VIP 2001:db8::80 (gre6, 1024 buckets)",
        frontend="everything",
        protocol="any",
        port=0,
        reasons=["src-ip-sticky false -> true"],
        operation_count=3,
    ),
    change_view("192.0.2.99/32", "remove", "delete VIP tcp://192.0.2.99:80", moved=1.0),
)
CONFIG_LINES = tuple(
    {"change": "", "text": text}
    for text in (
        "maglev:",
        "  backends:",
        "    www1: {address: 198.51.100.11, healthcheck: web}",
        "  frontends:",
    )
)
COMPARED_LINES = (
    {"change": "", "text": "@@ backend www1"},
    {"change": "-", "text": "    www1: {address: 198.51.100.11, healthcheck: web}"},
    {"change": "+", "text": "    www1: {address: 198.51.100.21, healthcheck: web}"},
)
DIFFERENCES = (
    difference_view("setting", "vpp.lb", "changed", "sync-interval: 30.0 -> 10.0"),
    difference_view("backend", "spare", "removed"),
    difference_view("frontend", "web", "changed", "pool fallback removed", vips=[CHANGES[0]]),
    difference_view("frontend", "everything", "affected", vips=[CHANGES[1]]),
)
VIP_COUNTERS = (
    {
        "frontend": "web",
        "prefix": "203.0.113.80/32",
        "protocol": "tcp",
        "port": 80,
        "first": 120,
        "next": 48_000,
        "untracked": 0,
        "no_server": 3,
        "fib_packets": 48_123,
        "fib_bytes": 5_100_000,
    },
    {
        "frontend": None,
        "prefix": "2001:db8::80/128",
        "protocol": "any",
        "port": 0,
        "first": 0,
        "next": 0,
        "untracked": 0,
        "no_server": 0,
        "fib_packets": None,
        "fib_bytes": None,
    },
)
BACKEND_COUNTERS = (
    {"backend": "www1", "address": "198.51.100.11", "fib_packets": 48_120, "fib_bytes": 6_200_000},
    {"backend": None, "address": "198.51.100.99", "fib_packets": 0, "fib_bytes": 0},
)
CONF = {
    "ipv4_src_address": "192.0.2.1",
    "ipv6_src_address": "2001:db8::1",
    "sticky_buckets_per_core": 65536,
    "flow_timeout": 40,
}
UNTIL = "2026-11-21T10:00:00.000Z"
"""When an override ends that was made for some time."""


def override_view(backend, value="disable", file="enable", **more):
    """Return an override as in a page of `IControl.overrides`."""
    return {
        "backend": backend,
        "frontend": None,
        "pool": None,
        "address": None,
        "value": value,
        "file": file,
        "who": "ada",
        "origin": "ssh 192.0.2.7:50222",
        "reason": "",
        "since": "2026-11-21T08:00:00.000Z",
        "age": 600.0,
        "until": None,
        "ends_in": None,
        **more,
    }


OVERRIDES = (
    override_view("www2", reason="disk swap", until=UNTIL, ends_in=6600.0),
    override_view("www1", "25", "100", frontend="web", pool="primary", who="bob", age=90_000.0),
)


def announcement_view(address, state="announced", **more):
    """Return an address as in a page of `IControl.announcements`."""
    return {
        "address": address,
        "prefix": f"{address}/32",
        "state": state,
        "why": "frontend web has 2 backends in service",
        "since": "2026-11-21T08:00:00.000Z",
        "age": 4000.0,
        "changes_in": None,
        "frontends": ["web"],
        "needed": "any",
        "min_up": 1,
        "after": 0.0,
        "when_held": True,
        **more,
    }


ANNOUNCEMENTS = (
    announcement_view("203.0.113.80"),
    announcement_view(
        "203.0.113.81",
        "withdrawn",
        why="frontend mail has 1 backend in service, but not yet for 5 s",
        changes_in=3.4,
        frontends=["mail", "submit"],
        needed="all",
        after=5.0,
        when_held=False,
    ),
)
SINKS = (
    {"sink": "bird", "target": "/run/bird/bird.ctl", "connected": 1, "problem": ""},
    {"sink": "hook pager", "target": "/usr/bin/page", "connected": 0, "problem": "it ended with status 1"},
)
CHECKER = {
    "backends": 3,
    "probes": 1234,
    "discarded": {"lag": 2},
    "overdue": 0.0,
    "without_evidence": 0,
    "oldest_evidence": 1.5,
    "lag": {"worst": 0.0, "p50": 0.001, "p99": 0.005},
    "waiting": 0,
    "workers": [{"worker": 0, "state": "up", "pid": 4712, "in_flight": 1, "queued": 0, "restarts": 0}],
    "blind": [],
}
"""How the checker does, as `maglev.control.checker_view` tells it."""
STEPS = [
    {"step": "results", "text": "the last one passed, L7OK: status 200"},
    {"step": "health", "text": "up since 2026-11-21T07:00:00.000Z; the counter is 4 of 0..4, and up from 2 on"},
]
EXPLAINED = {
    "frontend": "web",
    "backend": "www1",
    "reason": "active",
    "effective_weight": 100,
    "programmed_weight": 1,
    "vpp_weight": 1,
    "steps": [{"step": "eligible", "text": "yes: it is up"}],
    "changed": {
        "at": "2026-11-21T07:00:00.000Z",
        "from": 0,
        "to": 100,
        "step": "health",
        "text": "its own health changed: before, it is down; now, it is up, in the active pool",
    },
}
ANNOUNCED = {
    "address": "203.0.113.80",
    "state": "announced",
    "since": "2026-11-21T08:00:00.000Z",
    "changes_in": None,
    "steps": [{"step": "needed", "text": "any frontend of the address with at least 1 in service (min-up)"}],
}
_BY = {"who": "ada", "origin": "ssh 192.0.2.7:50222"}
LOGGED = [
    {
        **_BY,
        "type": "audit",
        "at": "2026-10-12T08:00:02.000Z",
        "role": "operator",
        "action": "disable-backend",
        "object": "www2",
        "result": "up -> disabled",
        "reason": "disk swap",
    },
    {
        **_BY,
        "type": "drain",
        "seq": 12,
        "at": "2026-10-12T08:00:03.000Z",
        "backend": "www1",
        "phase": "draining",
        "flows": 7,
        "detail": "",
    },
]
WEB_LOGIN = {"url": "http://127.0.0.1:9092/login#QkFTRTY0", "expires_in": 60.0}


# Other balancers


def served_server(address="198.51.100.11", name="www1", state="up", weight=100, effective=None):
    """Return a server of a VIP, as balancers tell each other."""
    effective = weight if effective is None else effective
    return {
        "address": address,
        "name": name,
        "state": state,
        "weight": weight,
        "effective_weight": effective,
        "programmed_weight": effective,
        "vpp_weight": effective,
    }


def served_vip(*servers, frontend="web", configuration="0123456789abcdef", state="up", port=80):
    """Return a VIP, as balancers tell each other."""
    return {
        "prefix": "203.0.113.80/32",
        "protocol": "tcp",
        "port": port,
        "frontend": frontend,
        "state": state,
        "configuration": configuration,
        "servers": list(servers or [served_server()]),
    }


def peer_side(peer, vip):
    """Return what a balancer has for a VIP."""
    return {"peer": peer, **{key: vip[key] for key in ("frontend", "state", "configuration", "servers")}}


def peer_view(name, state, why="", age=0.4, shared=1, differences=0):
    """Return another balancer."""
    known = (
        {"host": name, "version": "1.2.3", "vpp": "connected"}
        if age is not None
        else dict.fromkeys(("host", "version", "vpp"), "")
    )
    return {
        "name": name,
        "address": f"tls:{name}:2223",
        "state": state,
        "why": why,
        **known,
        "age": age,
        "shared": shared,
        "differences": differences,
    }


SERVED = [served_vip()]

PEERS = [
    peer_view("lb2", "differs", differences=1),
    peer_view("lb3", "cannot-confirm", "it does not answer", age=None, shared=0),
]

DNS_NAMES = [
    {
        "name": "www",
        "dns_name": "www.example.org",
        "family": "ipv4",
        "most": 2,
        "state": "failing",
        "problem": "SERVFAIL (192.0.2.53)",
        "failures": 3,
        "age": 312.4,
        "next_in": 17.6,
        "addresses": [
            {"backend": "www-1", "address": "198.51.100.11", "missing": 0},
            {"backend": "www-3", "address": "198.51.100.13", "missing": 2},
        ],
        "refused": ["127.0.0.1 is a loopback address"],
        "waiting": ["198.51.100.14"],
    },
    {
        "name": "api",
        "dns_name": "api.example.org",
        "family": "ipv6",
        "most": 8,
        "state": "unresolved",
        "problem": "no answer in time (192.0.2.53)",
        "failures": 1,
        "age": None,
        "next_in": None,
        "addresses": [],
        "refused": [],
        "waiting": [],
    },
]

PEER_VIPS = [
    {
        **{key: SERVED[0][key] for key in ("prefix", "protocol", "port", "frontend")},
        "differences": ["www1: configured weight 100 here, 50 at lb2"],
        "sides": [peer_side("", served_vip()), peer_side("lb2", served_vip(served_server(weight=50)))],
    }
]
