"""Real nginx servers, one process for each loopback address, to be stopped, killed and started one by one."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.fakes.nginx import find_nginx
from tests.fakes.ports import free_port

_CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log crit;
events {{ worker_connections 256; }}
http {{
  access_log off; default_type text/plain;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{ listen {address}:{port}; location / {{ return 200 "ok\\n"; }} }}
}}
"""


class Fleet:
    """nginx on some addresses of 127.0.0.0/8, all on one port; a context manager."""

    def __init__(self, folder: Path, addresses) -> None:
        self._folder = folder
        self._processes = {}
        self._addresses = list(addresses)
        self.port = free_port(*self._addresses)

    def __enter__(self):
        for address in self._addresses:
            self.start(address)
        return self

    def __exit__(self, *_exc_info):
        for address in list(self._processes):
            self.kill(address)

    def start(self, address):
        """Start the server of one address."""
        folder = self._folder / address
        folder.mkdir(exist_ok=True)
        path = folder / "nginx.conf"
        path.write_text(_CONFIGURATION.format(folder=folder, address=address, port=self.port))
        command = [find_nginx(), "-p", str(folder), "-c", str(path), "-e", str(folder / "error.log")]
        self._processes[address] = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            try:
                return socket.create_connection((address, self.port), 1).close()
            except OSError:
                assert time.monotonic() < deadline, f"no nginx on {address}"
                time.sleep(0.02)

    def kill(self, address):
        """Kill the server of one address: it refuses connections."""
        process = self._processes.pop(address)
        process.kill()
        process.wait(60)

    def freeze(self, address):
        """Stop the server of one address: it accepts connections, by its kernel, and never answers."""
        self._processes[address].send_signal(signal.SIGSTOP)

    def thaw(self, address):
        """Let it go on."""
        self._processes[address].send_signal(signal.SIGCONT)
