"""The daemon under load: ``python -m tests.bench.daemon_load [BACKENDS [SECONDS]]``.

So many HTTP backends at an interval of one second, all answered by one nginx on this machine, with the simulator as
VPP. Tells whether a healthy backend was ever called down, how late the reactor ran, and what a probe cost.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fakes.daemon import MaglevDaemon
from tests.fakes.large import large_config
from tests.fakes.nginx import find_nginx
from tests.fakes.vpp_instance import private_vpp

NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log crit; worker_processes 1;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{ listen {port} backlog=8192; location / {{ return 200 "ok\\n"; }} }}
}}
"""
PORT = 18480
START = 10.0
"""Seconds that do not count: every backend is new, and VPP is filled."""


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sum_of(samples: dict[str, float], pattern: str) -> float:
    return sum(value for name, value in samples.items() if re.match(pattern, name))


def quantile(before: dict[str, float], after: dict[str, float], share: float) -> str:
    """Return the upper bound of the bucket that holds this share of the samples in between."""
    buckets = [name for name in after if name.startswith("maglev_reactor_lag_seconds_bucket")]
    counts = [after[name] - before[name] for name in buckets]
    bound = next(name for name, count in zip(buckets, counts, strict=True) if count >= share * counts[-1])
    return re.search(r'le="([^"]+)"', bound)[1]


def main() -> None:
    backends = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 30.0
    if find_nginx() is None:
        sys.exit("nginx is not installed")
    with tempfile.TemporaryDirectory() as name, private_vpp("process") as vpp:
        folder = Path(name)
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=PORT))
        nginx = subprocess.Popen([find_nginx(), "-p", name, "-c", f"{name}/nginx.conf", "-e", f"{name}/error.log"])
        daemon = MaglevDaemon(folder, "--vpp-api-addr", vpp.api_socket, "--vpp-stats-addr", vpp.stats_socket)
        check = f"{{type: http, port: {PORT}, interval: 1s, timeout: 900ms}}"
        daemon.config.write_text(large_config(backends, check))
        try:
            with daemon:
                time.sleep(START)
                before, cpu, start = daemon.metrics(), cpu_seconds(daemon.pid), time.monotonic()
                time.sleep(seconds)
                cpu, elapsed, after = cpu_seconds(daemon.pid) - cpu, time.monotonic() - start, daemon.metrics()
                memory = daemon.memory()
                if nginx.poll() is not None:
                    sys.exit("nginx did not run")
        finally:
            nginx.terminate()
            nginx.wait()
    probes = sum_of(after, "maglev_probe_total") - sum_of(before, "maglev_probe_total")
    downs = sum_of(after, r'maglev_backend_transitions_total\{.*to="down"')
    discarded = sum_of(after, "maglev_probe_discarded_total")
    sys.stdout.write(
        f"{backends} backends, {elapsed:.0f} s: {probes / elapsed:.0f} probes/s, "
        f"{1e6 * cpu / probes:.0f} us of CPU each, "
        f"{100 * cpu / elapsed:.0f} % of a core\n"
        f"called down: {downs:.0f}, discarded: {discarded:.0f}\n"
        f"reactor lag: p50 <= {quantile(before, after, 0.5)} s, p99 <= {quantile(before, after, 0.99)} s\n"
        f"memory: {memory / 1e6:.0f} MB\n"
    )


if __name__ == "__main__":
    main()
