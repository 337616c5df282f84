"""What there is to say of a family of metrics."""

from __future__ import annotations

from typing import Literal

import attrs

Type = Literal["counter", "gauge", "histogram"]


@attrs.frozen
class Family:
    """The metrics of one name.

    Attributes:
        name: Without the ``_bucket``, ``_count`` and ``_sum`` of a histogram.
        type: As Prometheus has it.
        help: Its meaning, in a few words without a full stop: for Prometheus and for the reference.
        labels: The names of the labels that every sample has.
        notes: Further sentences for the reference: values of labels, and such.
        absent: When there are no samples; empty if there always are some, for the objects that exist.
    """

    name: str
    type: Type
    help: str
    labels: tuple[str, ...] = ()
    notes: str = ""
    absent: str = ""
