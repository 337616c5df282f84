"""The summary as JSON: the shape is in docs/maglevt.rst."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from maglev.model.moments import moment

if TYPE_CHECKING:
    from maglev.maglevt.measure.outages import Outage
    from maglev.maglevt.measure.vip_statistics import VipStatistics
    from maglev.maglevt.render.summary import ReportedTest

STATUS_WORDS: Final = ("kept", "broken", "could not test")


def json_report(test: ReportedTest) -> str:
    """Return the report as one line."""
    report = {
        "begun": moment(test.begun + test.wall_offset),
        "seconds": round(test.now - test.begun, 3),
        "verdict": STATUS_WORDS[test.status],
        "promises": [
            {"vip": each.vip, "promise": each.promise, "verdict": each.verdict.value, "text": each.text}
            for each in test.judgements
        ],
        "untested": [{"vip": name, "text": why} for name, why in test.untested.items()],
        "vips": [_vip(test, figures) for figures in test.figures],
        "timeline": [
            {
                "at": moment(entry.at + test.wall_offset),
                "source": entry.source,
                "vip": entry.vip or None,
                "text": entry.text,
            }
            for entry in test.timeline
        ],
        "timeline_dropped": test.timeline.dropped,
    }
    return json.dumps(report)


def _vip(test: ReportedTest, figures: VipStatistics) -> dict[str, Any]:
    latencies = figures.latencies
    shares = figures.shares.test()
    longest = figures.outages.longest
    quantiles = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {
        "name": figures.name,
        "address": test.where.get(figures.name),
        "requests": figures.total,
        "good": figures.good,
        "failed": figures.failed,
        "failures": dict(figures.failures),
        "unjudged": dict(figures.unjudged),
        "rate": round(figures.achieved_rate, 3),
        "latency": {name: _rounded(latencies.quantile(share)) for name, share in quantiles.items()}
        | {"max": _rounded(latencies.largest if latencies.count else None)},
        "lateness": _rounded(figures.lateness),
        "outages": figures.outages.count,
        "longest_outage": None if longest is None else _outage(test, longest),
        "outage_at_least": _rounded(figures.bounds.at_least),
        "outage_at_most": _rounded(figures.bounds.at_most),
        "answers": {name: count for name, count in figures.answers.items() if name},
        "answers_untold": figures.answers[""],
        "shares": {
            "follow": shares.follows,
            "text": shares.text,
            "chi_square": _rounded(shares.chi_square),
            "degrees": shares.degrees,
            "p": shares.p_value,
            "answers": shares.answers,
        },
    }


def _outage(test: ReportedTest, outage: Outage) -> dict[str, Any]:
    return {
        "start": moment(outage.start + test.wall_offset),
        "seconds": _rounded(outage.seconds),
        "failed": outage.failed,
        "code": outage.code,
        "over": outage.end is not None,
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
