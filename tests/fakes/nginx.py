"""A real nginx as a backend, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from tests.fakes.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

_CONFIGURATION = """
{user} daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{
    listen 127.0.0.1:{plain};
    {secure}
    root {folder}/www;
    location /status {{ return 200 "all is well\\n"; }}
    location /broken {{ return 503; }}
    location /resumed {{ if ($ssl_session_reused = r) {{ return 204; }} return 200 "not resumed\n"; }}
    location /moved {{ return 301 /status; }}
    location /chunked {{ ssi on; default_type text/html; }}
  }}
}}
"""


def find_nginx() -> str | None:
    """Return the path of the program, if it is installed."""
    usual = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
    return shutil.which("nginx") or shutil.which("nginx", path=usual)


class Nginx:
    """A running nginx; use it as a context manager.

    Attributes:
        port: Where it listens for HTTP, on 127.0.0.1.
        tls_port: Where it listens for HTTPS, if it was given a certificate.
    """

    def __init__(self, folder: Path, certificate: tuple[Path, Path] | None = None) -> None:
        self.port, self.tls_port = free_port(), free_port()
        (folder / "www" / "chunked").mkdir(parents=True)
        # Server-side includes make nginx answer without a length: it has to use chunks.
        (folder / "www" / "chunked" / "page.html").write_text('<!--#echo var="uri" --> is well\n')
        secure = ""
        if certificate is not None:
            secure = f"listen 127.0.0.1:{self.tls_port} ssl; ssl_certificate {certificate[0]};"
            secure += f" ssl_certificate_key {certificate[1]};"
        user = "user root;" if os.geteuid() == 0 else ""  # the workers must read it, no matter who owns the folder
        self._configuration = folder / "nginx.conf"
        self._configuration.write_text(_CONFIGURATION.format(folder=folder, user=user, plain=self.port, secure=secure))
        self._folder = folder

    def __enter__(self) -> Self:
        program = find_nginx()
        assert program is not None
        arguments = [
            program,
            "-p",
            str(self._folder),
            "-c",
            str(self._configuration),
            "-e",
            f"{self._folder}/error.log",
        ]
        self._process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
        _wait_for(self.port)
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._process.terminate()
        self._process.wait(60)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
