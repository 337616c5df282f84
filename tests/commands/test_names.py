"""DNS names in the console."""

from __future__ import annotations

import json

from maglev.commands.render.events import event_line
from tests.fakes.control import FakeControl
from tests.fakes.environment import shown
from tests.fakes.world import DNS_NAMES


def test_a_line_for_each_name_and_below_its_addresses_and_what_is_wrong():
    assert shown("show dns-names").splitlines() == [
        "www www.example.org ipv4 failing age 5m12s next-in 18s backends 2 of 2",
        "  failed SERVFAIL (192.0.2.53) (3 times)",
        "  www-1 address 198.51.100.11",
        "  www-3 address 198.51.100.13 missing from 2 answers",
        "  refused 127.0.0.1 is a loopback address",
        "  waiting 198.51.100.14 has no room: raise dns-max",
        "api api.example.org ipv6 unresolved age - next-in - backends 0 of 8",
        "  failed no answer in time (192.0.2.53)",
    ]


def test_a_name_that_is_well_has_nothing_else():
    control = FakeControl()
    control.rows["dns-name"] = [{**DNS_NAMES[1], "state": "resolved", "problem": "", "failures": 0}]

    assert len(shown("show dns-names", control).splitlines()) == 1


def test_without_names_it_says_so():
    control = FakeControl()
    control.rows["dns-name"] = []

    assert shown("show dns-names", control) == "No backend has a dns-name\n"


def test_json_has_all():
    assert json.loads(shown("show dns-names | json")) == DNS_NAMES


def test_events_are_lines():
    event = {"type": "name", "seq": 1, "at": "2026-11-29T15:00:00Z", "name": "www", "action": "changed"}
    event |= {"added": ["www-3 198.51.100.13"], "left": ["www-1 198.51.100.11"]}
    event |= {"refused": [], "waiting": [], "detail": ""}

    assert event_line(event).plain == (
        "2026-11-29T15:00:00Z name www changed; added: www-3 198.51.100.13; left: www-1 198.51.100.11"
    )
    failed = {**event, "action": "failed", "added": [], "left": [], "detail": "SERVFAIL"}
    assert event_line(failed).plain.endswith("name www failed; SERVFAIL")
