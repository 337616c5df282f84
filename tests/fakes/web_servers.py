"""nginx, Apache and HAProxy as backends that say which request they got, over HTTP/1.1 and HTTP/2, plain and over TLS.

The answer to any request has ``X-Health: ready`` and ``X-Said``: the method and the length of what was sent. HAProxy's
has ``X-Body``, too.
"""

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

_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"

_NGINX = """
{user} daemon off; pid {folder}/pid; error_log {folder}/error.log info; worker_processes 1;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{plain2} http2;
    listen 127.0.0.1:{secure} ssl http2;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    root {folder}/www;
    add_header X-Health ready always; add_header X-Said "$request_method $content_length" always;
    location / {{ return 200 "all is well\\n"; }}
    location /broken {{ return 503; }}
    location /large.html {{ }}
  }}
}}
"""

_APACHE = """
ServerRoot {folder}
ServerName backend.test
PidFile {folder}/pid
Listen 127.0.0.1:{plain}
Listen 127.0.0.1:{plain2}
Listen 127.0.0.1:{secure}
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule headers_module {modules}/mod_headers.so
LoadModule http2_module {modules}/mod_http2.so
LoadModule alias_module {modules}/mod_alias.so
LoadModule dir_module {modules}/mod_dir.so
LoadModule socache_shmcb_module {modules}/mod_socache_shmcb.so
LoadModule ssl_module {modules}/mod_ssl.so
ErrorLog {folder}/error.log
DocumentRoot {folder}/www
Protocols h2 h2c http/1.1
Header always set X-Health ready
Header always set X-Said "expr=%{{REQUEST_METHOD}} %{{HTTP:Content-Length}}"
Redirect 503 /broken
<VirtualHost 127.0.0.1:{secure}>
  SSLEngine on
  SSLCertificateFile {certificate}
  SSLCertificateKeyFile {key}
  Redirect 503 /broken
</VirtualHost>
"""

_HAPROXY = """
defaults
  mode http
  timeout client 60s
  timeout connect 60s
  timeout server 60s
frontend web
  bind 127.0.0.1:{plain}
  bind 127.0.0.1:{plain2} proto h2
  bind 127.0.0.1:{secure} ssl crt {folder}/both.pem alpn h2,http/1.1
  option http-buffer-request
  http-request return status 503 hdr X-Health ready if {{ path /broken }}
  http-request return status 200 content-type text/plain file {folder}/www/index.html if {{ path /large.html }}
  http-request return status 200 content-type text/plain lf-string "all is well" hdr X-Health ready \
hdr X-Said "%[method] %[req.hdr(content-length)]" hdr X-Body "%[req.body]"
"""

LARGE = "all is well, said at length\n" * 20_000


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=_PATH)


class WebServer:
    """A running server; use it as a context manager.

    Attributes:
        plain: Its port for HTTP/1.1.
        plain2: Its port for HTTP/2 with prior knowledge.
        secure: Its port for TLS, with both.
    """

    def __init__(self, name: str, folder: Path, certificate: tuple[Path, Path]) -> None:
        self.plain, self.plain2, self.secure = free_port(), free_port(), free_port()
        folder.chmod(0o755)
        (folder / "www").mkdir()
        (folder / "www" / "index.html").write_text("all is well\n")
        (folder / "www" / "large.html").write_text(LARGE)
        (folder / "both.pem").write_text(certificate[0].read_text() + certificate[1].read_text())
        root = os.geteuid() == 0
        user = {"nginx": "user root;", "apache2": "User www-data\nGroup www-data"}.get(name, "") if root else ""
        text = {"nginx": _NGINX, "apache2": _APACHE, "haproxy": _HAPROXY}[name].format(
            folder=folder,
            certificate=certificate[0],
            key=certificate[1],
            plain=self.plain,
            plain2=self.plain2,
            secure=self.secure,
            user=user,
            modules="/usr/lib/apache2/modules",
        )
        file = folder / "configuration"
        file.write_text(text)
        arguments = {
            "nginx": ["-p", str(folder), "-c", str(file), "-e", f"{folder}/error.log"],
            "apache2": ["-X", "-f", str(file)],
            "haproxy": ["-db", "-f", str(file)],
        }
        self._command = [_program(name) or name, *arguments[name]]
        self._output = folder / "output"

    def __enter__(self) -> Self:
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(self._command, stderr=output, stdout=output)
        deadline = time.monotonic() + 60
        for port in (self.plain, self.plain2, self.secure):
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if self._process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError(self._output.read_text()) from None
                    time.sleep(0.02)
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._process.terminate()
        self._process.wait(60)


WEB_SERVERS = ("nginx", "apache2", "haproxy")


def why_not(name: str) -> str:
    """Return why a server can't be run; empty if it can."""
    return "" if _program(name) else f"{name} is not installed"
