"""The verbs: that all are there, who may use them, and those about names, the file and sessions."""

import pytest

from maglev.model.build import read_build
from maglev.model.errors import ConfigError, ForbiddenError, NotFoundError, RefusedError
from maglev.model.problem import Problem, ProblemKind
from tests.fakes.control_setup import OPERATOR, VIEWER, answer_of
from tests.fakes.views import VERBS, has_every_verb


def test_it_has_every_verb(bench):
    assert has_every_verb(bench.operator)
    assert bench.operator.caller is OPERATOR


def test_version(bench):
    assert answer_of(bench.viewer.version()) == {
        "version": "1.2",
        "commit": "abc",
        "build_date": "today",
        "host": "",
    }


def test_lists_come_in_pages(bench):
    first = answer_of(bench.viewer.backends(limit=2))
    assert [row["name"] for row in first["rows"]] == ["a", "b"]
    second = answer_of(bench.viewer.backends(after=first["next"], limit=2))
    assert ([row["name"] for row in second["rows"]], second["next"]) == (["c"], None)
    assert answer_of(bench.viewer.backends(after="99"))["rows"] == []
    assert answer_of(bench.viewer.frontends(limit=-5))["rows"][0]["name"] == "web"
    with pytest.raises(RefusedError, match="invalid page token"):
        answer_of(bench.viewer.backends(after="nonsense"))


def test_names_for_completion(bench):
    def names(*arguments, **options):
        return answer_of(bench.viewer.names(*arguments, **options))

    assert names("backend") == ["a", "b", "c"]
    assert names("backend", limit=2) == ["a", "b"]
    assert names("frontend", "w") == ["web"]
    assert names("frontend", "x") == []
    assert names("healthcheck") == ["tcp"]
    assert names("pool", within="web") == ["pool0", "pool1"]
    assert names("member", within="web/pool1") == ["c"]
    assert names("pool", within="nope") == []
    with pytest.raises(RefusedError, match=r"invalid kind .*: expected one of"):
        names("nonsense")


@pytest.mark.parametrize("verb", ["frontend", "backend", "healthcheck"])
def test_names_that_do_not_exist_are_an_error_of_their_own(bench, verb):
    with pytest.raises(NotFoundError, match=f"unknown {verb} 'nope'"):
        answer_of(getattr(bench.viewer, verb)("nope"))


def test_a_viewer_may_read_the_log_of_what_was_changed(bench):
    answer_of(bench.operator.drain_backend("a", 0, "disk"))
    rows = answer_of(bench.viewer.log(3))
    assert [row["type"] for row in rows] == ["backend", "override", "audit"]
    assert (rows[-1]["action"], rows[-1]["result"], rows[-1]["reason"]) == ("drain-backend", "up -> draining", "disk")


CHANGES = {
    "pause_backend": ("a",),
    "resume_backend": ("a",),
    "enable_backend": ("a",),
    "drain_backend": ("a",),
    "set_host": ("10.0.0.1", "drain"),
    "disable_frontend": ("web",),
    "enable_frontend": ("web",),
    "disable_backend": ("a",),
    "set_weight": ("web", "pool0", "a", 7),
    "clear_override": ("a",),
    "set_announce": ("192.0.2.1", False),
    "reload_config": (),
    "sync_vpp": (),
}


@pytest.mark.parametrize("verb", CHANGES)
def test_a_viewer_is_refused_every_change_and_that_is_recorded(bench, audit, verb):
    bench.lb.writes.clear()
    before = answer_of(bench.viewer.frontend("web")), bench.board.generation
    with pytest.raises(ForbiddenError, match="needs the role operator, your role is viewer"):
        answer_of(getattr(bench.viewer, verb)(*CHANGES[verb]))
    assert (answer_of(bench.viewer.frontend("web")), bench.board.generation) == before
    assert (audit[0]["who"], audit[0]["refused"]) == ("bob", "forbidden")
    assert bench.lb.writes == []


def test_every_verb_is_either_for_reading_or_refused_to_viewers():
    reading = {
        "version", "names", "frontends", "frontend", "explain_frontend", "backends", "backend", "explain_backend",
        "healthchecks", "healthcheck", "check_config", "config_diff", "checker", "vpp_info", "vpp_lb_state",
        "vpp_lb_plan", "vpp_lb_counters", "vpp_backend_counters", "overrides", "announcements", "announcement",
        "sessions", "watch", "log", "drain_progress", "web_login", "peers", "served_vips", "dns_names",
        "configuration", "compare_configuration",
    }  # fmt: skip
    assert VERBS.keys() == reading | set(CHANGES)
    assert {name for name, verb in VERBS.items() if hasattr(verb, "changes")} == set(CHANGES)


def test_checking_the_file(bench):
    problem = {"kind": "warning", "path": "maglev", "text": "hm", "line": 1, "column": 2, "file": ""}
    assert answer_of(bench.viewer.check_config()) == {"ok": True, "problems": [problem]}
    bench.reloader.outcome = ConfigError([Problem(ProblemKind.PARSE, "", "bad", 3, 4)])
    problem = {"kind": "parse", "path": "", "text": "bad", "line": 3, "column": 4, "file": ""}
    assert answer_of(bench.viewer.check_config()) == {"ok": False, "problems": [problem]}


def test_reloading_the_file(bench, audit):
    assert answer_of(bench.operator.reload_config())["ok"] is True
    assert (audit[0]["from"], audit[0]["to"]) == (1, 2)
    bench.reloader.outcome = ConfigError([Problem(ProblemKind.PARSE, "", "bad", 3, 4)])
    assert answer_of(bench.operator.reload_config())["ok"] is False
    assert audit[1]["refused"] == "1 problems"
    assert "reason" not in audit[0]


def test_a_reload_may_say_why(bench, audit):
    assert answer_of(bench.operator.reload_config(reason="a new server"))["ok"] is True
    bench.reloader.outcome = ConfigError([Problem(ProblemKind.PARSE, "", "bad", 3, 4)])
    answer_of(bench.operator.reload_config(reason="another one"))
    assert [line["reason"] for line in audit] == ["a new server", "another one"]


def test_a_reload_with_a_reason_of_two_lines_is_refused(bench, audit):
    with pytest.raises(RefusedError, match="control character"):
        answer_of(bench.operator.reload_config(reason="two\nlines"))
    assert bench.board.generation == 1


def test_sessions(bench):
    first = bench.sessions.add(OPERATOR, "ssh")
    second = bench.sessions.add(VIEWER, "pb")
    bench.clock.advance(3)
    second.touch()
    bench.clock.advance(2)
    assert answer_of(bench.viewer.sessions()) == [
        {
            "name": "ann",
            "role": "operator",
            "origin": "ssh 192.0.2.7:1",
            "front_end": "ssh",
            "since": "1970-01-01T00:16:40.000Z",
            "age": 5.0,
            "idle": 5.0,
        },
        {
            "name": "bob",
            "role": "viewer",
            "origin": "unix uid 1000",
            "front_end": "pb",
            "since": "1970-01-01T00:16:40.000Z",
            "age": 5.0,
            "idle": 2.0,
        },
    ]
    first.remove()
    first.remove()
    assert len(answer_of(bench.viewer.sessions())) == 1


def test_a_watch_of_a_level_that_does_not_exist_is_refused(bench):
    with pytest.raises(RefusedError, match=r"invalid log level .*: expected one of"):
        answer_of(bench.viewer.watch(log="loud"))


def test_an_asker_reads_as_people_write_it():
    assert str(OPERATOR) == "ann (operator, ssh 192.0.2.7:1)"


def test_a_checkout_knows_its_commit_and_not_when_it_was_built():
    build = read_build()
    assert build.version
    assert build.date == "unknown" or build.date.startswith("2")
