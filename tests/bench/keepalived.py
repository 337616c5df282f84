"""keepalived as a checker, by ``TCP_CHECK`` and ``HTTP_GET``.

It checks nothing unless the kernel has IPVS. Where it has not, a stand-in of twenty lines (``ipvs.c``) is compiled and
preloaded: it takes every change of a virtual server and does nothing, so that what is left is the checks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Self

from tests.bench.backends import PATH, PORT, SERVER_NAME, NotThereError, address_of
from tests.bench.place import CHECKER_CORE, find_program, on_core

NAME = "keepalived"
SOURCE = Path(__file__).with_name("ipvs.c")
IPVS = Path("/proc/net/ip_vs")

_GLOBAL = """global_defs {{
  router_id bench
}}
virtual_server 192.0.2.1 80 {{
  delay_loop {interval:g}
  lb_algo rr
  lb_kind NAT
  protocol TCP
"""
_TCP = "TCP_CHECK {{ connect_timeout {timeout:g} }}"
_HTTP = f"""HTTP_GET {{{{
      http_protocol 1.1
      connect_timeout {{timeout:g}}
      url {{{{
        path {PATH}
        virtualhost {SERVER_NAME}
        status_code 200
      }}}}
    }}}}"""
_SERVER = """  real_server {address} {port} {{
    {check}
  }}
"""


def configuration(kind: str, servers: int, interval: float, timeout: float) -> str:
    """Return a configuration with so many servers, checked by ``tcp`` or ``http``; see `haproxy.configuration`."""
    check = (_TCP if kind == "tcp" else _HTTP).format(timeout=timeout)
    text = _GLOBAL.format(interval=interval)
    return text + "".join(_SERVER.format(address=address_of(n), port=PORT, check=check) for n in range(servers)) + "}\n"


class Keepalived:
    """A running keepalived; use it as a context manager."""

    def __init__(self, folder: Path, text: str) -> None:
        self._folder = folder
        self._path = folder / "keepalived.conf"
        self._path.write_text(text)
        self._path.chmod(0o600)  # it refuses to run scripts otherwise, and says so

    def __enter__(self) -> Self:
        program = find_program("keepalived")
        if program is None:
            raise NotThereError("keepalived is not installed")
        environment = os.environ | ({} if IPVS.exists() else {"LD_PRELOAD": str(stand_in(self._folder))})
        command = [program, "--dont-fork", "--log-console", "--check", "--use-file", str(self._path)]
        for option, name in (("--pid", "ka"), ("--checkers_pid", "kac"), ("--vrrp_pid", "kav")):
            command += [option, str(self._folder / f"{name}.pid")]
        with on_core(CHECKER_CORE), (self._folder / "keepalived.log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.process.terminate()
        self.process.wait(20)

    @property
    def pid(self) -> int:
        """The process id of the one that checks: a child of the one that was started."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else pid

    def output(self) -> str:
        """Return what it wrote."""
        return (self._folder / "keepalived.log").read_text(errors="replace")


def stand_in(folder: Path) -> Path:
    """Compile the stand-in for IPVS, unless that was done already; return its path."""
    path = folder / "ipvs.so"
    if not path.exists():
        compiler = shutil.which("cc")
        if compiler is None:
            raise NotThereError("the kernel has no IPVS, and there is no C compiler to make a stand-in")
        done = subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(path), str(SOURCE)], check=False)
        if done.returncode:
            raise NotThereError("the kernel has no IPVS, and the stand-in did not compile")
    return path
