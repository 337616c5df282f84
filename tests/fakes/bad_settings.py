"""Bad files: the settings of the health checker, of VPP, of the load balancer and of pools."""

from __future__ import annotations

from tests.fakes.file_parts import ADDRESS, LB, PARSE, SEMANTIC, WEB, frontend, lb, lb_key

BAD_SETTINGS = {
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
    "tunnel-device": (
        SEMANTIC,
        "maglev.healthchecker.tunnel-device",
        "4: expected the beginning of a device's name: a letter, then letters, digits, '_', '.' or '-'",
        f"{LB}  healthchecker: {{tunnel-device: §4}}\n",
    ),
    "tunnel-mark": (
        SEMANTIC,
        "maglev.healthchecker.tunnel-mark",
        "must be 1..4294967040, not 0",
        f"{LB}  healthchecker: {{tunnel-mark: §0}}\n",
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
}
