"""Probe specifications, sent to a worker once for all backends that are probed alike. No I/O."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import attrs

from maglev.healthcheck.workers.codec import CodecError
from maglev.model.config import CheckType, Healthcheck, HttpParams, TlsParams


class Spec(NamedTuple):
    """How some backends are probed.

    Attributes:
        healthcheck: The parameters of the probe.
        netns: Name of the network namespace; None is the daemon's own.
    """

    healthcheck: Healthcheck
    netns: str | None


def describe(spec: Spec) -> bytes:
    """Return a spec as JSON; the longest healthcheck that the configuration allows takes 24 KiB."""
    return json.dumps([attrs.asdict(spec.healthcheck), spec.netns]).encode("ascii")


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
    http, tls = fields["http"], fields["tls"]
    if http is not None:
        http = HttpParams(**{**http, "response_codes": tuple((low, high) for low, high in http["response_codes"])})
    if tls is not None:
        tls = TlsParams(**tls)
    return Healthcheck(**{**fields, "type": CheckType(fields["type"]), "http": http, "tls": tls})
