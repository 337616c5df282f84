"""Writes ``docs/monitoring/dashboard.json``, for Grafana 10 and later: ``python -m tests.tools.dashboard``.

The model that Grafana keeps is long and says most things over and over. Here is what makes this dashboard this one; the
rest is filled in.
"""

from __future__ import annotations

import json
from pathlib import Path

from maglev.model.announce import Announcing
from maglev.model.health import State

FILE = Path(__file__).parents[2] / "docs/monitoring/dashboard.json"

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
HERE = 'instance=~"$instance"'
FRONTEND = f'{HERE},frontend=~"$frontend"'

GREEN, YELLOW, RED, BLUE, GREY = "green", "yellow", "red", "blue", "text"

STATES = (
    (State.UNKNOWN, GREY),
    (State.UP, GREEN),
    (State.DOWN, RED),
    (State.DRAINING, "purple"),
    (State.PAUSED, YELLOW),
    (State.DISABLED, BLUE),
)
"""What a timeline of states shows: the position of a state here is its number there."""


ANNOUNCING = ((Announcing.UNDECIDED, GREY), (Announcing.ANNOUNCED, GREEN), (Announcing.WITHDRAWN, RED))


def number_of_state(family, labels, states):
    """Return an expression for the number of the state that something is in."""
    terms = [f'{position} * {family}{{{labels},state="{state}"}}' for position, state in enumerate(states) if position]
    return " + ignoring (state) ".join(terms)


def target(expr, legend="", **more):
    """Return one query."""
    return {"datasource": SOURCE, "expr": expr, "legendFormat": legend or "__auto", "range": True, **more}


def panel(kind, title, about, targets, unit="short", size=(12, 8), options=None, **defaults):
    """Return a panel without its place."""
    given = []
    for letter, each in zip("ABCDEFGH", targets, strict=False):
        expr, legend = each if isinstance(each, tuple) else (each, "")
        instant = {"instant": True, "range": False} if kind in {"stat", "table"} else {}
        given.append(target(expr, legend, refId=letter, **instant))
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "gridPos": {"w": size[0], "h": size[1]},
        "fieldConfig": {"defaults": {"unit": unit, **defaults}, "overrides": []},
        "options": options or {},
        "targets": given,
    }


def stat(title, about, expr, unit="short", steps=((GREEN, None),), **defaults):
    """Return a panel with one number, in the colour of the step that it has reached."""
    options = {
        "colorMode": "value",
        "graphMode": "none",
        "textMode": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    thresholds = {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in steps]}
    return panel("stat", title, about, [expr], unit, (4, 4), options, thresholds=thresholds, **defaults)


def series(title, about, *targets, unit="short", stacked=False, **defaults):
    """Return a panel with lines over time."""
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    custom = {"lineWidth": 1, "fillOpacity": 30 if stacked else 0, "showPoints": "never"}
    custom["stacking"] = {"mode": "normal" if stacked else "none", "group": "A"}
    return panel("timeseries", title, about, targets, unit, options=options, custom=custom, min=0, **defaults)


def timeline(title, about, expr, legend, names):
    """Return a panel that shows in which state things were."""
    values = {str(index): {"text": text, "color": color, "index": index} for index, (text, color) in enumerate(names)}
    options = {"showValue": "never", "rowHeight": 0.8, "mergeValues": True, "legend": {"showLegend": True}}
    mappings = [{"type": "value", "options": values}]
    return panel("state-timeline", title, about, [(expr, legend)], options=options, mappings=mappings)


def yes_no(yes, no, bad):
    """Return the mappings of a number that is 1 or 0."""
    words = {"1": (yes, GREEN if bad == "0" else RED), "0": (no, RED if bad == "0" else GREEN)}
    options = {key: {"text": text, "color": color, "index": int(key)} for key, (text, color) in words.items()}
    return [{"type": "value", "options": options}]


def rate(selector, *by, function="rate"):
    """Return an expression for how fast counters grow together, by instance and these labels."""
    return f"sum by ({', '.join(('instance', *by))}) ({function}({selector}[$__rate_interval]))"


def quantile(share, selector, *by):
    """Return an expression for a quantile of a histogram, by instance and these labels."""
    return f"histogram_quantile({share}, {rate(selector, *by, 'le')})"


def total(selector, *by):
    """Return an expression for the sum of gauges, by instance and these labels."""
    return f"sum by ({', '.join(('instance', *by))}) ({selector})"


VIP_PACKETS = "maglev_vpp_vip_packets_total"
LAG = f"maglev_reactor_lag_seconds_bucket{{{HERE}}}"
WORKER_LAG = f"maglev_probe_worker_lag_seconds_bucket{{{HERE}}}"
EFFECTIVE = f"maglev_frontend_pool_backend_effective_weight{{{FRONTEND}}}"
DURATION = f"maglev_probe_duration_seconds_bucket{{{HERE}}}"
SENT_ON = f"maglev_vpp_backend_route_packets_total{{{HERE}}}"
WRITES = f"maglev_vpp_lbsync_total{{{HERE}}}"
DRIFT = f"maglev_vpp_lbsync_drift_total{{{HERE}}}"
REFUSED = f"maglev_vpp_lbsync_failures_total{{{HERE}}}"
FAILED = f'maglev_probe_total{{{HERE},result="fail"}}'
PROBES = f'maglev_probe_total{{{HERE},type!="static"}}'
SENT = f'maglev_vpp_api_total{{{HERE},direction="send"}}'

FRONTEND_NUMBER = number_of_state("maglev_frontend_state", FRONTEND, ("unknown", "up", "down"))
BACKEND_NUMBER = number_of_state("maglev_backend_state", HERE, [state for state, _ in STATES])

AT_A_GLANCE = (
    stat(
        "VPP",
        "Whether maglevd is connected to VPP.",
        f"min(maglev_vpp_connected{{{HERE}}})",
        mappings=yes_no("connected", "not connected", "0"),
    ),
    stat(
        "Frontends down",
        "No backend of theirs has a weight.",
        f'sum(maglev_frontend_state{{{FRONTEND},state="down"}})',
        steps=((GREEN, None), (RED, 1)),
    ),
    stat(
        "On a fallback pool",
        "Frontends of which no backend of the first pool is up.",
        f"count(maglev_frontend_active_pool{{{FRONTEND}}} > 0) or vector(0)",
        steps=((GREEN, None), (YELLOW, 1)),
    ),
    stat(
        "Backends down",
        "By their probes.",
        f'sum(maglev_backend_state{{{HERE},state="down"}})',
        steps=((GREEN, None), (RED, 1)),
    ),
    stat(
        "Taken out",
        "Backends that somebody has drained, paused or disabled.",
        f'sum(maglev_backend_state{{{HERE},state=~"draining|paused|disabled"}})',
        steps=((GREEN, None), (BLUE, 1)),
    ),
    stat(
        "Configuration",
        "Whether the last reload was taken.",
        f"max(maglev_config_reload_refused{{{HERE}}})",
        mappings=yes_no("refused", "in force", "1"),
    ),
    stat(
        "Held in service",
        "Backends that are down and serve, since nothing else would: see the guard.",
        f"sum(maglev_frontend_held_backends{{{FRONTEND}}})",
        steps=((GREEN, None), (RED, 1)),
    ),
    stat(
        "In doubt",
        "Backends that are down and count as up, since too many went down together.",
        f"sum(maglev_backends_doubted{{{HERE}}})",
        steps=((GREEN, None), (RED, 1)),
    ),
    stat(
        "Without results",
        "Backends that are probed and have had no result for too long.",
        f"sum(maglev_backends_without_evidence{{{HERE}}})",
        steps=((GREEN, None), (RED, 1)),
    ),
    stat(
        "Addresses withdrawn",
        "Announced addresses that this site withholds.",
        f'sum(maglev_announcement_state{{{HERE},state="withdrawn"}}) or vector(0)',
        steps=((GREEN, None), (RED, 1)),
    ),
    stat(
        "Overrides",
        "Orders of operators that differ from the file.",
        f"sum(maglev_overrides_active{{{HERE}}})",
        steps=((GREEN, None), (BLUE, 1)),
    ),
    stat(
        "Versions",
        "How many versions of maglevd run: more than one during an upgrade.",
        f"count(count by (version) (maglev_build_info{{{HERE}}}))",
        steps=((GREEN, None), (YELLOW, 2)),
    ),
)

FRONTENDS = (
    timeline("State of frontends", "Down: no backend has a weight.", FRONTEND_NUMBER, "{{frontend}}", STATES[:3]),
    series(
        "Pool in service",
        "0 is the first pool; anything else is a fallback.",
        (f"maglev_frontend_active_pool{{{FRONTEND}}}", "{{frontend}}"),
        decimals=0,
    ),
    series(
        "Effective weights",
        "What VPP should have now, by frontend and backend.",
        (total(EFFECTIVE, "frontend", "backend"), "{{frontend}} {{backend}}"),
        stacked=True,
    ),
    series(
        "New sessions",
        "First packets of sessions, by VIP.",
        (
            rate(f'{VIP_PACKETS}{{{HERE},kind="first"}}', "prefix", "protocol", "port"),
            "{{prefix}} {{protocol}} {{port}}",
        ),
        unit="cps",
    ),
)

BACKENDS = (
    timeline("State of backends", "By probes and by people.", BACKEND_NUMBER, "{{backend}}", STATES),
    series(
        "Failed probes",
        "By backend and code. docs/probes.rst says what the codes mean.",
        (f"{rate(FAILED, 'backend', 'code')} > 0", "{{backend}} {{code}}"),
        unit="ops",
    ),
    series(
        "Time of a probe, 95th percentile",
        "From its start to its result, with connecting and TLS.",
        (quantile(0.95, DURATION, "backend"), "{{backend}}"),
        unit="s",
    ),
    series(
        "Packets to backends",
        "As VPP sends them on, for all VIPs together.",
        (rate(SENT_ON, "backend", "address"), "{{backend}} {{address}}"),
        unit="pps",
    ),
)

OPERATORS = (
    series(
        "Orders of operators",
        "Overrides in force, by kind.",
        (f"{total(f'maglev_overrides_active{{{HERE}}}', 'kind')} > 0", "{{kind}}"),
        decimals=0,
    ),
    series(
        "Age of the oldest order",
        "What is to stay belongs into the file.",
        (f"maglev_override_oldest_seconds{{{HERE}}}", "{{instance}}"),
        unit="s",
    ),
    series(
        "Drains: flows left",
        "Of backends whose drain has a goal.",
        (f"maglev_backend_drain_flows{{{HERE}}}", "{{backend}}"),
        decimals=0,
    ),
    series(
        "Drains ended",
        "By how they ended; ended means: by another order.",
        (rate(f"maglev_drains_total{{{HERE}}}", "result", function="increase"), "{{result}}"),
    ),
)

SAFEGUARDS = (
    series(
        "Guard",
        "Backends that are down and kept in service, and servers that have left the file and still serve.",
        (f"maglev_frontend_held_backends{{{FRONTEND}}}", "{{frontend}}, held"),
        (f"maglev_frontend_departing_servers{{{FRONTEND}}}", "{{frontend}}, departing"),
        decimals=0,
    ),
    series(
        "Blindness",
        "Checks, paths, or all of it, that are in doubt, and the backends that count as up for that reason.",
        (f"maglev_checks_doubted{{{HERE}}}", "{{scope}}"),
        (f"maglev_backends_doubted{{{HERE}}}", "backends"),
        decimals=0,
    ),
    series(
        "Evidence",
        "The oldest last result of a probed backend.",
        (f"maglev_oldest_evidence_seconds{{{HERE}}}", "{{instance}}"),
        unit="s",
    ),
    series(
        "Kept and taken",
        "1 while overrides are written to their file; reloads of the configuration by result.",
        (f"maglev_overrides_kept{{{HERE}}}", "overrides kept"),
        (rate(f"maglev_config_reloads_total{{{HERE}}}", "result", function="increase"), "reloads {{result}}"),
    ),
)

ANNOUNCED = (
    timeline(
        "State of announced addresses",
        "Withdrawn: this site gets no traffic for it.",
        number_of_state("maglev_announcement_state", HERE, [state for state, _ in ANNOUNCING]),
        "{{address}}",
        ANNOUNCING,
    ),
    series(
        "Receivers",
        "Those who are told; 1 under problem if one cannot be reached or refuses.",
        (f"maglev_announce_sink_readers{{{HERE}}}", "{{sink}}, readers"),
        (f"maglev_announce_sink_problem{{{HERE}}}", "{{sink}}, problem"),
        (rate(f"maglev_announce_sink_dropped_total{{{HERE}}}", "sink"), "{{sink}}, missed events per second"),
    ),
)

VPP = (
    series(
        "Packets of VIPs by kind",
        "There should be no packets with no-server, and next to none untracked.",
        (rate(f"{VIP_PACKETS}{{{HERE}}}", "kind"), "{{kind}}"),
        unit="pps",
    ),
    series(
        "Traffic to VIPs",
        "Of the address of the VIP, whatever the port.",
        (f"8 * {rate(f'maglev_vpp_vip_route_bytes_total{{{HERE}}}', 'prefix')}", "{{prefix}}"),
        unit="bps",
    ),
    series(
        "Writes to VPP",
        "vip: one change led to it; all: a sync of everything.",
        (f"{rate(WRITES, 'scope', 'kind', function='increase')} > 0", "{{scope}} {{kind}}"),
        (f"{rate(DRIFT, function='increase')} > 0", "drift repaired"),
        (f"{rate(REFUSED, function='increase')} > 0", "refused"),
    ),
    series(
        "Messages of VPP's API",
        "By name; a sync reads everything back.",
        (f"{rate(SENT, 'msg')} > 0", "{{msg}}"),
        unit="ops",
    ),
)

CHECKER = (
    series(
        "Probes",
        "By result; discarded ones are no evidence, for a reason of this machine.",
        (rate(PROBES, "result"), "{{result}}"),
        (f"{rate(f'maglev_probe_discarded_total{{{HERE}}}', 'reason')} > 0", "discarded: {{reason}}"),
        unit="ops",
    ),
    series(
        "Lateness",
        "How late maglevd and its workers do what is due, and how late the most overdue probe is.",
        (quantile(0.5, LAG), "reactor, median"),
        (quantile(0.99, LAG), "reactor, 99 %"),
        (quantile(0.99, WORKER_LAG, "worker"), "worker {{worker}}, 99 %"),
        (f"maglev_probe_overdue_seconds{{{HERE}}}", "most overdue probe"),
        unit="s",
    ),
    series(
        "CPU",
        "Of one core each.",
        (f'rate(process_cpu_seconds_total{{job="maglevd",{HERE}}}[$__rate_interval])', "{{instance}}"),
        (rate(f"maglev_probe_worker_cpu_seconds_total{{{HERE}}}", "worker"), "worker {{worker}}"),
        unit="percentunit",
    ),
    series(
        "Probe workers",
        "Probes that wait for their turn in a worker, those under way, and those for which there is no worker.",
        (f"maglev_probe_worker_queued{{{HERE}}}", "waiting, worker {{worker}}"),
        (f"maglev_probe_worker_in_flight{{{HERE}}}", "asked for, worker {{worker}}"),
        (f"maglev_probe_worker_waiting{{{HERE}}}", "without a worker"),
    ),
    series(
        "Who asks",
        "Sessions over SSH, open live pages, clients over Perspective Broker, and their calls.",
        (f"maglev_ssh_sessions{{{HERE}}}", "SSH sessions"),
        (f"maglev_web_pages{{{HERE}}}", "live pages"),
        (f"maglev_pb_clients{{{HERE}}}", "PB clients"),
        (rate(f"maglev_pb_calls_total{{{HERE}}}"), "PB calls per second"),
    ),
)

CERTIFICATES = (
    panel(
        "table",
        "Certificates",
        "When those that backends have shown expire; the next one first.",
        [f"sort(maglev_certificate_expiry_timestamp_seconds{{{HERE}}} - time())"],
        "s",
        (24, 6),
        {"showHeader": True, "sortBy": [{"displayName": "Value", "desc": False}]},
    ),
)

ROWS = {
    "At a glance": AT_A_GLANCE,
    "Frontends": FRONTENDS,
    "Backends": BACKENDS,
    "Operators": OPERATORS,
    "Safeguards": SAFEGUARDS,
    "Announcements": ANNOUNCED,
    "VPP": VPP,
    "Checker": CHECKER,
    "Certificates": CERTIFICATES,
}


def placed(rows):
    """Yield all panels, each in its place in a grid of 24 columns."""
    number, top = 0, 0
    for title, panels in rows.items():
        number += 1
        place = {"x": 0, "y": top, "w": 24, "h": 1}
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}
        top += 1
        left, height = 0, 0
        for each in panels:
            size = each["gridPos"]
            if left + size["w"] > 24:
                left, top, height = 0, top + height, 0
            number += 1
            yield {"id": number, **each, "gridPos": {"x": left, "y": top, **size}}
            left, height = left + size["w"], max(height, size["h"])
        top += height


def variable(name, label, expr):
    """Return a variable whose values Prometheus knows."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "definition": expr,
        "query": {"query": expr, "refId": f"variable-{name}", "qryType": 1},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "current": {"text": ["All"], "value": ["$__all"], "selected": True},
        "options": [],
    }


def dashboard():
    """Return the model."""
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "options": []}
    return {
        "title": "maglevd",
        "uid": "maglevd",
        "description": "Frontends, backends, VPP and the checker itself.",
        "tags": ["maglev", "vpp"],
        "schemaVersion": 38,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "30s",
        "timezone": "browser",
        "annotations": {"list": []},
        "templating": {
            "list": [
                source,
                variable("instance", "Instance", "label_values(maglev_vpp_connected, instance)"),
                variable("frontend", "Frontend", f"label_values(maglev_frontend_state{{{HERE}}}, frontend)"),
            ]
        },
        "panels": list(placed(ROWS)),
    }


def text():
    """Return the file."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
