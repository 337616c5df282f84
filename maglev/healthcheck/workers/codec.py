"""Encodes and decodes the messages between the daemon and its probe workers. No I/O.

Both sides send frames: a length, a kind, and a payload. All numbers are little-endian and of fixed size. Messages for
single probes are small (a request of 15 bytes; a result of 18, and its detail). A probe specification, sent once for
all backends that are probed alike, is JSON; one with certificates may take several frames.

The daemon trusts a worker as little as possible, because a worker reads what backends send: every length, number, code
and character is checked, and the first invalid one raises `CodecError`. The layout limits a frame to 64 KiB.
"""

from __future__ import annotations

import enum
import json
import math
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs

from maglev.model.check_params import (
    AgentParams,
    AnswerPattern,
    DnsParams,
    ExecParams,
    GrpcParams,
    HttpMethod,
    Preset,
    ProbeStep,
    Rcode,
    RecordType,
    TalkParams,
    UdpParams,
    Via,
    VipPath,
)
from maglev.model.config import CheckType, Healthcheck, HttpParams, PemFile, TlsParams
from maglev.model.result import Code, LocalFault, Result
from maglev.model.text import DETAIL_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maglev.model.result import Outcome


class MessageKind(enum.IntEnum):
    """The kind of a frame."""

    # To the daemon
    HELLO = 1
    RESULTS = 2
    EXPIRY = 3
    STATUS = 4
    # To the worker
    SPEC = 16
    FORGET_SPEC = 17
    BACKEND = 18
    FORGET_BACKEND = 19
    PROBE = 20
    CANCEL = 21
    SPEC_PART = 22


REASONS: Final = tuple(
    "lag descriptors internal memory netns network permission ports tunnel unsupported".split()  # noqa: SIM905
)
"""The reasons of a `LocalFault` that a worker may give: those of `maglev.model.result.LocalFault`, and its own lag."""

BATCH: Final = 256
"""Maximum number of results in a frame: with details of full length they take 55 KiB, and a frame has room for 64."""

PAYLOAD_LIMIT: Final = 0xFFFF

_HEADER: Final = struct.Struct("<HB")
_ONE: Final = struct.Struct("<I")
_TWO: Final = struct.Struct("<II")
_PROBE: Final = struct.Struct("<IQ")
_PROBE_FRAME: Final = struct.Struct("<HBIQ")
_COUNT: Final = struct.Struct("<H")
_RESULT: Final = struct.Struct("<QBBd")
_EXPIRY: Final = struct.Struct("<Id")
_STATUS: Final = struct.Struct("<IIdd")

_CODES: Final = tuple(code for code in Code if code is not Code.STATIC)
_FAULTS: Final = 128
"""The first code that stands for the reason of a fault."""

_CODE_BYTES: Final[Mapping[Code, int]] = {code: index for index, code in enumerate(_CODES)}
_FAULT_BYTES: Final = {reason: _FAULTS + index for index, reason in enumerate(REASONS)}

LONGEST: Final = 1e6
"""Longest duration of a probe, in seconds, that is accepted; the longest timeout is a day."""

COUNTS: Final = 64
"""Maximum number of counts in a status: several times the number of buckets of the lag histogram."""


_PAIRS: Final = ("response_codes", "headers", "expect_header", "expect_header_regexp")
_FILES: Final = ("ca_file", "client_certificate", "client_key")


class CodecError(Exception):
    """The other side sent an invalid message."""


class WorkerStatus(NamedTuple):
    """The load of a worker.

    Attributes:
        queued: Requested probes that it could not begin yet.
        open: Probes under way.
        cpu: Seconds of CPU that it has used.
        lag_total: Sum of all samples of its lag, seconds.
        lag_counts: Samples per bucket, as in `maglev.healthcheck.lag.LagMonitor`.
    """

    queued: int
    open: int
    cpu: float
    lag_total: float
    lag_counts: tuple[int, ...]


class FrameBuffer:
    """Reassembles frames from a stream of bytes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the kind and payload of each frame that these bytes complete."""
        if self._rest:
            data = self._rest + data
        frames = []
        start, end = 0, len(data)
        while end - start >= _HEADER.size:
            length, kind = _HEADER.unpack_from(data, start)
            after = start + _HEADER.size + length
            if after > end:
                break
            frames.append((kind, data[start + _HEADER.size : after]))
            start = after
        self._rest = data[start:]
        return frames


def frame(kind: MessageKind, payload: bytes) -> bytes:
    """Return a frame.

    Raises:
        CodecError: The payload is longer than a frame can be.
    """
    if len(payload) > PAYLOAD_LIMIT:
        message = f"a payload of {len(payload)} bytes"
        raise CodecError(message)
    return _HEADER.pack(len(payload), kind) + payload


# Frames of numbers only: FORGET_SPEC (spec), FORGET_BACKEND (slot), CANCEL (slot), and PROBE (slot, probe)


def one_frame(kind: MessageKind, number: int) -> bytes:
    """Return a frame with one number."""
    return _HEADER.pack(_ONE.size, kind) + _ONE.pack(number)


def read_one(payload: bytes) -> int:
    """Return the number in a frame made by `one_frame`."""
    number: int = _whole(_ONE, payload)[0]
    return number


def probe_frame(slot: int, probe: int) -> bytes:
    """Return the request for one probe of the backend in a slot."""
    return _PROBE_FRAME.pack(_PROBE.size, MessageKind.PROBE, slot, probe)


def read_probe(payload: bytes) -> tuple[int, int]:
    """Return the slot and the number of the probe."""
    slot, probe = _whole(_PROBE, payload)
    return slot, probe


# Sent once: SPEC and, before it, SPEC_PART (its number, then bytes), BACKEND (slot, spec, address), HELLO (the version)


def spec_frames(spec: int, described: bytes) -> bytes:
    """Return the frames that assign a number to a spec (`describe`): usually one, else parts, and the last of them."""
    room = PAYLOAD_LIMIT - _ONE.size
    parts = [described[start : start + room] for start in range(0, len(described), room)] or [b""]
    kinds = [MessageKind.SPEC_PART] * (len(parts) - 1) + [MessageKind.SPEC]
    return b"".join(frame(kind, _ONE.pack(spec) + part) for kind, part in zip(kinds, parts, strict=True))


def read_spec(payload: bytes) -> tuple[int, bytes]:
    """Return the number of a spec and its description, or the part of it in this frame."""
    return read_one(payload[: _ONE.size]), payload[_ONE.size :]


def backend_frame(slot: int, spec: int, address: str) -> bytes:
    """Return a frame that assigns a backend to a slot."""
    return frame(MessageKind.BACKEND, _TWO.pack(slot, spec) + address.encode("ascii"))


def read_backend(payload: bytes) -> tuple[int, int, str]:
    """Return the slot, the number of the spec, and the address."""
    slot, spec = _whole(_TWO, payload[: _TWO.size])
    return slot, spec, _text(payload[_TWO.size :])


def hello_frame(version: str) -> bytes:
    """Return the first frame of a worker: the version of the program that it runs."""
    return frame(MessageKind.HELLO, version.encode("ascii"))


def read_hello(payload: bytes) -> str:
    """Return the version."""
    return _text(payload)


# Results of a worker


def results_frame(results: Sequence[tuple[int, Outcome]]) -> bytes:
    """Return a frame with the outcomes of at most `BATCH` probes, by their numbers."""
    details = []
    parts = [_COUNT.pack(len(results))]
    for probe, outcome in results:
        detail = outcome.detail.encode("ascii")
        details.append(detail)
        if isinstance(outcome, LocalFault):
            parts.append(_RESULT.pack(probe, _FAULT_BYTES[outcome.reason], len(detail), 0.0))
        else:
            parts.append(_RESULT.pack(probe, _CODE_BYTES[outcome.code], len(detail), outcome.duration))
    return frame(MessageKind.RESULTS, b"".join(parts + details))


def read_results(payload: bytes) -> list[tuple[int, Outcome]]:
    """Return the outcomes of some probes by their numbers."""
    count = _whole(_COUNT, payload[: _COUNT.size])[0]
    position = _COUNT.size + count * _RESULT.size
    if position > len(payload):
        message = f"{count} results in {len(payload)} bytes"
        raise CodecError(message)
    results: list[tuple[int, Outcome]] = []
    for probe, code, length, duration in _RESULT.iter_unpack(payload[_COUNT.size : position]):
        detail = _detail(payload, position, length) if length else ""
        position += length
        results.append((probe, _outcome(code, detail, duration)))
    if position != len(payload):
        message = "results of another length than their details"
        raise CodecError(message)
    return results


def _outcome(code: int, detail: str, duration: float) -> Outcome:
    if code < len(_CODES) and 0.0 <= duration <= LONGEST:
        return Result(_CODES[code], detail, duration)
    if _FAULTS <= code < _FAULTS + len(REASONS) and duration == 0.0:
        return LocalFault(REASONS[code - _FAULTS], detail)
    message = f"a result with code {code} and duration {duration}"
    raise CodecError(message)


def _detail(payload: bytes, start: int, length: int) -> str:
    if length > DETAIL_LIMIT:
        message = f"a detail of {length} bytes"
        raise CodecError(message)
    return _text(payload[start : start + length])


def expiry_frame(slot: int, expiry: float | None) -> bytes:
    """Return a frame that says when the certificate of the backend in a slot expires."""
    return frame(MessageKind.EXPIRY, _EXPIRY.pack(slot, math.nan if expiry is None else expiry))


def read_expiry(payload: bytes) -> tuple[int, float | None]:
    """Return the slot, and when the certificate expires."""
    slot, expiry = _whole(_EXPIRY, payload)
    return slot, expiry if math.isfinite(expiry) else None


def status_frame(status: WorkerStatus) -> bytes:
    """Return a frame with the status of a worker."""
    counts = struct.pack(f"<{len(status.lag_counts)}Q", *status.lag_counts)
    return frame(MessageKind.STATUS, _STATUS.pack(*status[:4]) + counts)


def read_status(payload: bytes) -> WorkerStatus:
    """Return the status."""
    queued, under_way, cpu, lag_total = _whole(_STATUS, payload[: _STATUS.size])
    count = (len(payload) - _STATUS.size) // 8
    if count > COUNTS or not (math.isfinite(cpu) and math.isfinite(lag_total)):
        message = f"a status with {count} counts, cpu {cpu} and lag {lag_total}"
        raise CodecError(message)
    counts = _whole(struct.Struct(f"<{count}Q"), payload[_STATUS.size :])
    return WorkerStatus(queued, under_way, cpu, lag_total, counts)


def _whole(layout: struct.Struct, payload: bytes) -> tuple[Any, ...]:
    if len(payload) != layout.size:
        message = f"{len(payload)} bytes in place of {layout.size}"
        raise CodecError(message)
    return layout.unpack(payload)


def _text(data: bytes) -> str:
    """Return text that is checked to be printable ASCII, because it may get into a log."""
    text = data.decode("ascii", "replace")
    if not (text.isascii() and text.isprintable()):
        message = "text that is not printable ASCII"
        raise CodecError(message)
    return text


class Spec(NamedTuple):
    """How some backends are probed.

    Attributes:
        healthcheck: The parameters of the probe.
        netns: Name of the network namespace; None is the daemon's own.
    """

    healthcheck: Healthcheck
    netns: str | None


def describe(spec: Spec) -> bytes:
    """Return a spec as JSON; the longest healthcheck takes 150 KiB, and its certificates 1.5 MiB."""
    return json.dumps([attrs.asdict(spec.healthcheck), spec.netns], default=bytes.hex).encode("ascii")


def read_description(described: bytes) -> Spec:
    """Return the spec that `describe` encoded.

    Raises:
        CodecError: It is invalid.
    """
    try:
        fields, netns = json.loads(described)
        return Spec(_healthcheck(fields), netns)
    except (ValueError, TypeError, KeyError) as error:
        message = f"invalid probe specification: {error!r}"
        raise CodecError(message) from error


def _healthcheck(fields: dict[str, Any]) -> Healthcheck:
    tls = fields["tls"]
    http = _http(fields["http"])
    if tls is not None:
        files = {key: PemFile(**tls[key]) for key in _FILES if tls[key] is not None}
        tls = TlsParams(**{**tls, **files})
    made = {"type": CheckType(fields["type"]), "http": http, "tls": tls, "talk": _talk(fields["talk"])}
    made |= {"udp": _udp(fields["udp"]), "dns": _dns(fields["dns"]), "agent": _agent(fields["agent"])}
    made["grpc"] = None if fields["grpc"] is None else GrpcParams(**fields["grpc"])
    made["exec"] = None if fields["exec"] is None else ExecParams(tuple(fields["exec"]["command"]))
    made |= {"via": Via(fields["via"]), "path": fields["path"] and VipPath(**fields["path"])}
    return Healthcheck(**{**fields, **made})


def _http(fields: dict[str, Any] | None) -> HttpParams | None:
    if fields is None:
        return None
    pairs = {key: tuple((one, other) for one, other in fields[key]) for key in _PAIRS}
    words = {"method": HttpMethod(fields["method"]), "body": bytes.fromhex(fields["body"])}
    return HttpParams(**{**fields, **pairs, **words})


def _talk(fields: dict[str, Any] | None) -> TalkParams | None:
    if fields is None:
        return None
    steps = tuple(ProbeStep(_bytes(each["send"]), _pattern(each["expect"]), each["reject"]) for each in fields["steps"])
    preset = fields["preset"]
    return TalkParams(steps, None if preset is None else Preset(preset), fields["user"])


def _udp(fields: dict[str, Any] | None) -> UdpParams | None:
    if fields is None:
        return None
    return UdpParams(bytes.fromhex(fields["payload"]), _pattern(fields["expect"]))


def _dns(fields: dict[str, Any] | None) -> DnsParams | None:
    if fields is None:
        return None
    words = {"record_type": RecordType(fields["record_type"]), "rcode": Rcode(fields["rcode"])}
    return DnsParams(**{**fields, **words})


def _agent(fields: dict[str, Any] | None) -> AgentParams | None:
    return None if fields is None else AgentParams(**{**fields, "request": bytes.fromhex(fields["request"])})


def _pattern(fields: dict[str, Any] | None) -> AnswerPattern | None:
    return None if fields is None else AnswerPattern(_bytes(fields["text"]), fields["regexp"])


def _bytes(encoded: str | None) -> bytes | None:
    return None if encoded is None else bytes.fromhex(encoded)
