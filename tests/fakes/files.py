"""Small configuration files."""

from __future__ import annotations


def config_text(backends="a", port=80, extra=""):
    """Return the text of a valid file: static backends, one letter each, in one pool of one frontend."""
    lines = [
        "maglev:",
        "  vpp: {lb: {ipv4-src-address: 192.0.2.254, ipv6-src-address: '2001:db8::fe'}}",
        *([extra] if extra else []),
        "  backends:",
        *(f"    {name}: {{address: 10.0.0.{index}}}" for index, name in enumerate(backends, 1)),
        "  frontends:",
        "    web:",
        "      address: 192.0.2.1",
        "      protocol: tcp",
        f"      port: {port}",
        f"      pools: [{{name: only, backends: {{{', '.join(f'{name}: {{}}' for name in backends)}}}}}]",
    ]
    return "\n".join(lines) + "\n"
