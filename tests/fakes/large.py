"""A configuration of any size, with backends on loopback: 127.16.0.0/12, some 250 in each /24."""

from __future__ import annotations

SETTINGS = """maglev:
  vpp:
    lb:
      ipv4-src-address: 192.0.2.254
      ipv6-src-address: 2001:db8::fe
      sticky-buckets-per-core: 1024
      startup-min-delay: 0s
      startup-max-delay: 5s
  healthchecks:
    check: {check}
  backends:
"""
CHECK = "{type: http, port: 80, interval: 2s, timeout: 1s}"
IN_A_FRONTEND = 10


def large_config(backends, check=CHECK):
    """Return the text of a configuration with so many backends, ten in each frontend."""
    lines = [SETTINGS.format(check=check)]
    for index in range(backends):
        address = f"127.{16 + index // 62500}.{index // 250 % 250}.{index % 250 + 1}"
        lines.append(f"    b{index}: {{address: {address}, healthcheck: check}}\n")
    lines.append("  frontends:\n")
    for index in range(backends // IN_A_FRONTEND):
        members = ", ".join(f"b{index * IN_A_FRONTEND + each}: {{}}" for each in range(IN_A_FRONTEND))
        address = f"10.1.{index // 250}.{index % 250 + 1}"
        pools = f"[{{name: only, backends: {{{members}}}}}]"
        lines.append(f"    f{index}: {{address: {address}, protocol: tcp, port: 80, pools: {pools}}}\n")
    return "".join(lines)
