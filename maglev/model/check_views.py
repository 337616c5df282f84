"""The shape of the parameters of a healthcheck, as they are shown."""

from __future__ import annotations

from typing import Annotated, TypedDict


class CheckParamsView(TypedDict, total=False):
    """The parameters of a healthcheck; which of them are there depends on its type."""

    path: Annotated[str, "Path of the request (``http``, ``https``)."]
    host: Annotated[str | None, "The Host header; None for the address (``http``, ``https``, ``grpc``)."]
    response_code: Annotated[list[str], "Accepted status codes and ranges, such as ``200-299`` (``http``, ``https``)."]
    response_regexp: Annotated[str | None, "Expression that the body must match; None for any (``http``, ``https``)."]
    response_regexp_not: Annotated[str | None, "Expression that it must not match (``http``, ``https``)."]
    disable_on_404: Annotated[bool, "Whether the status 404 drains a backend that is up (``http``, ``https``)."]
    method: Annotated[str, "Method of the request (``http``, ``https``)."]
    body: Annotated[str, "How long the body of the request is; it may be secret (``http``, ``https`` with ``POST``)."]
    expect_header: Annotated[list[str], "Headers that the answer must have: ``Name: value`` (``http``, ``https``)."]
    expect_header_regexp: Annotated[list[str], "The same with patterns for the values (``http``, ``https``)."]
    headers: Annotated[list[str], "Names of further header lines; values may be secrets (``http``, ``https``)."]
    http2: Annotated[bool, "Whether it speaks HTTP/2 (``http``, ``https``)."]
    service: Annotated[str, "The service that is asked for; empty for the whole server (``grpc``)."]
    server_name: Annotated[str | None, "Server name for SNI and for the certificate (TLS)."]
    insecure_skip_verify: Annotated[bool, "Whether any certificate is accepted (TLS)."]
    tls_resumption: Annotated[bool, "Whether TLS sessions are resumed (TLS)."]
    curves: Annotated[str | None, "Groups of the key exchange; None: the default (TLS)."]
    ca_file: Annotated[str | None, "Authorities to trust; None for the system's (TLS)."]
    client_certificate: Annotated[str | None, "Our own certificate, if any (TLS)."]
    client_key: Annotated[str | None, "The file with its key (TLS)."]
    ssl: Annotated[bool, "Whether the probe does a TLS handshake (``tcp``, ``grpc``)."]
    preset: Annotated[str, "The conversation, if it is a known one (``tcp`` with ``preset``)."]
    user: Annotated[str, "Whose login it begins (``preset`` ``mysql``, ``postgresql``)."]
    send: Annotated[str, "How long the datagram or request is; its content may be secret (``udp``, ``agent``)."]
    expect: Annotated[str | None, "What the answer must have; None if none is expected (``udp``)."]
    name: Annotated[str, "The name that is asked for (``dns``)."]
    record_type: Annotated[str, "The type of its records (``dns``)."]
    transport: Annotated[str, "``udp`` or ``tcp`` (``dns``)."]
    rcode: Annotated[str, "The response code that passes (``dns``)."]
    answer: Annotated[str | None, "A record that the answer must have; None for any (``dns``)."]
    answer_regexp: Annotated[str | None, "Expression that a record must match; None for any (``dns``)."]
    recursion: Annotated[bool, "Whether the server is asked to ask others (``dns``)."]
    command: Annotated[list[str], "The program and its arguments (``exec``)."]
    address: Annotated[str | None, "Where the agent is; None for the address of the backend (``agent``)."]
    hold: Annotated[float, "Seconds for which the last word of a silent agent holds (``agent``)."]
    steps: Annotated[list[str], "The conversation; of what is sent, only the length (``tcp`` with ``steps``)."]
