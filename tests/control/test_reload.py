"""Reload: all of a file or nothing of it, one at a time, and every reason told."""

from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from maglev.config.load import load_file
from maglev.control.reload import Reloader
from maglev.model.caller import Caller, Role
from maglev.model.errors import ConfigError, StartError
from maglev.model.events import ReloadEvent
from maglev.model.override import Target, remark_by
from maglev.model.problem import ProblemKind
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.lb.state import Encap, Vip, key_of
from tests.fakes.certificates import Authority
from tests.fakes.files import config_text
from tests.fakes.known_vpp import KnownVpp
from tests.fakes.logs import recorded_events
from tests.fakes.outcomes import result_of
from tests.fakes.overrides import overrides_of
from tests.fakes.reactor import FakeReactor


class Verifier:
    """Stands in for what the file alone does not tell."""

    def __init__(self):
        self.error = None
        self.seen = []

    def __call__(self, config):
        self.seen.append(config)
        if self.error is not None:
            raise self.error


class Made:
    """A reloader and everything around it."""

    def __init__(self, path):
        self.path = path
        self.write(config_text())
        self.reactor = FakeReactor()
        self.board = Board(lambda: 0.0, load_file(path).config)
        self.verify = Verifier()
        self.overrides = overrides_of(self.board, self.reactor)
        self.vpp = KnownVpp()
        self.reloader = Reloader(
            self.reactor,
            Cooperator(self.reactor).queue("reload"),
            str(path),
            self.board,
            self.overrides,
            self.verify,
            self.vpp,
        )

    def write(self, text):
        self.path.write_text(text)

    def run(self, coroutine):
        """Run a coroutine to its end; return its result or raise what it raised."""
        task = Deferred.fromCoroutine(coroutine)
        self.reactor.run_threads()
        return result_of(task)


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path / "maglev.yaml")


def test_a_valid_file_is_put_in_force_as_it_was_checked(made):
    made.write(config_text("ab"))
    loaded = made.run(made.reloader.reload())

    assert made.board.config is loaded.config
    assert made.verify.seen == [loaded.config]
    assert made.board.generation == 2
    assert list(made.board.backends) == ["a", "b"]


def test_the_file_is_read_and_checked_in_a_thread(made):
    task = Deferred.fromCoroutine(made.reloader.reload())
    assert len(made.reactor.work) == 1
    assert not task.called
    made.reactor.run_threads()
    assert task.called


def test_however_many_ask_the_file_is_read_once_at_a_time(made):
    tasks = [Deferred.fromCoroutine(made.reloader.check()) for _ in range(3)]
    tasks.append(Deferred.fromCoroutine(made.reloader.reload()))
    assert len(made.reactor.work) == 1
    made.reactor.run_threads()
    assert all(task.called for task in tasks)


def test_an_error_refuses_the_whole_file_and_each_is_told(made):
    before = made.board.config
    made.write(config_text("ab", port=0))
    with recorded_events() as events, pytest.raises(ConfigError) as caught:
        made.run(made.reloader.reload())

    assert made.board.config is before
    assert made.board.generation == 1
    refused = [fields for name, fields in events if name == "config-refused"]
    assert [fields["problem"] for fields in refused] == [str(problem) for problem in caught.value.problems]
    assert {fields["path"] for fields in refused} == {str(made.path)}


def test_a_file_that_is_gone_is_an_error_of_the_file(made):
    made.path.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        made.run(made.reloader.reload())
    assert made.board.generation == 1


def with_authorities(path):
    check = f"{{type: https, port: 1, interval: 2s, timeout: 1s, params: {{ca-file: {path}}}}}"
    return config_text(extra=f"  healthchecks: {{web: {check}}}")


def test_a_file_with_authorities_is_read_again_and_one_that_is_gone_refuses_the_reload(made, tmp_path):
    path = tmp_path / "ca.pem"
    contents = [Path(Authority().write_root(tmp_path)).read_text() for _ in range(2)]
    made.write(with_authorities(path))
    for generation, content in enumerate(contents, 2):
        path.write_text(content)
        made.run(made.reloader.reload())
        assert made.board.generation == generation
        assert made.board.config.healthchecks["web"].tls.ca_file.content == content
    for spoil in (lambda: path.write_text(contents[0][:100]), path.unlink):
        spoil()
        with pytest.raises(ConfigError, match=f"params.ca-file: {path}"):
            made.run(made.reloader.reload())
    assert made.board.generation == 3
    assert made.board.config.healthchecks["web"].tls.ca_file.content == contents[1]


def test_what_the_file_alone_does_not_tell_is_a_semantic_error(made):
    made.verify.error = StartError("no such network namespace: 'blue'")
    with pytest.raises(ConfigError, match="no such network namespace: 'blue'") as caught:
        made.run(made.reloader.reload())
    assert [problem.kind for problem in caught.value.problems] == [ProblemKind.SEMANTIC]
    assert made.board.generation == 1


def test_warnings_are_told_and_refuse_nothing(made):
    made.write(config_text("a", extra="  healthchecks: {idle: {type: icmp, interval: 1s, timeout: 1s}}"))
    with recorded_events() as events:
        loaded = made.run(made.reloader.reload())

    assert len(loaded.warnings) == 1
    assert made.board.generation == 2
    (warning,) = [fields for name, fields in events if name == "config-warning"]
    assert "idle" in warning["problem"]


def test_a_check_changes_nothing(made):
    made.write(config_text("ab"))
    loaded = made.run(made.reloader.check())

    assert list(loaded.config.backends) == ["a", "b"]
    assert made.board.generation == 1


def test_a_second_reload_waits_for_the_first_and_reads_the_file_again(made):
    made.write(config_text("ab"))
    tasks = [Deferred.fromCoroutine(made.reloader.reload()) for _ in range(2)]
    assert len(made.reactor.work) == 1
    on_result, function, args, kwargs = made.reactor.work.pop()
    on_result(True, function(*args, **kwargs))
    made.write(config_text("abc"))
    made.reactor.run_threads()

    assert [task.called for task in tasks] == [True, True]
    assert list(made.board.backends) == ["a", "b", "c"]
    assert made.board.generation == 3


def test_a_refused_reload_does_not_block_the_next(made):
    made.write("nonsense")
    with pytest.raises(ConfigError):
        made.run(made.reloader.reload())
    made.write(config_text("ab"))
    made.run(made.reloader.reload())
    assert made.board.generation == 2


def test_a_signal_s_reload_tells_the_log_that_the_old_configuration_stays(made):
    made.write("nonsense")
    with recorded_events() as events:
        made.run(made.reloader.try_reload())

    assert [name for name, _ in events] == ["config-reload", "config-refused", "config-kept"]
    assert events[-1][1] == {"generation": 1}


def test_a_signal_s_reload_puts_a_valid_file_in_force(made):
    made.write(config_text("ab"))
    made.run(made.reloader.try_reload())

    assert made.board.generation == 2


def test_a_reload_that_is_cancelled_while_it_reads_changes_nothing(made):
    made.write(config_text("ab"))
    task = Deferred.fromCoroutine(made.reloader.reload())
    task.addErrback(lambda _: None)
    task.cancel()
    made.reactor.run_threads()

    assert made.board.generation == 1


def test_a_hundred_requests_make_two_reloads_the_second_for_all_that_came_meanwhile(made):
    made.write(config_text("ab"))
    first = Deferred.fromCoroutine(made.reloader.reload())
    made.write(config_text("abc"))
    others = [Deferred.fromCoroutine(made.reloader.reload()) for _ in range(99)]
    made.reactor.run_threads()
    made.reactor.run_threads()

    assert made.board.generation == 3
    assert made.reloader.counts["applied"] == 2
    results = [result_of(each) for each in (first, *others)]
    assert {id(each) for each in results[1:]} == {id(results[1])}
    assert list(made.board.backends) == ["a", "b", "c"]


def test_all_that_wait_get_the_errors_of_a_refused_file(made):
    made.write("maglev: [")
    tasks = [Deferred.fromCoroutine(made.reloader.reload()) for _ in range(3)]
    made.reactor.run_threads()
    made.reactor.run_threads()

    for task in tasks:
        with pytest.raises(ConfigError):
            result_of(task)


def test_a_vip_that_a_reload_would_recreate_is_announced(made):
    made.write(config_text().replace("      protocol: tcp\n", "      protocol: tcp\n      src-ip-sticky: true\n"))
    (warning,) = made.run(made.reloader.check()).warnings
    (name,) = made.board.frontends
    assert (warning.kind, warning.path) == (ProblemKind.WARNING, f"maglev.frontends.{name}")
    assert warning.text.startswith("a reload re-creates VIP ")
    why = ", which drops its flows: src-ip-sticky false -> true"
    unread = " (if VPP, which was not read, holds it as the configuration in force says)"
    assert warning.text.endswith(why + unread)
    (frontend,) = made.board.frontends.values()
    made.vpp.known = {}
    assert made.run(made.reloader.check()).warnings == ()
    made.vpp.known = {key_of(frontend.frontend): Vip(key_of(frontend.frontend), Encap.GRE4, False, 1024, {})}
    (warning,) = made.run(made.reloader.check()).warnings
    assert warning.text.endswith(why)
    with recorded_events() as events:
        made.run(made.reloader.reload())
    assert [fields["problem"] for name, fields in events if name == "config-warning"] == [str(warning)]
    assert made.run(made.reloader.check()).warnings == ()


# Events


def test_a_reload_is_an_event_with_who_asked_for_it_and_what_it_has_ended(made):
    seen = []
    made.board.subscribe(noted=seen.append)
    made.overrides.set_weight(Target("a", "web", "only"), 7, remark_by(Caller("ann", Role.OPERATOR, "ssh")))
    seen.clear()
    made.write("nonsense: [")
    with pytest.raises(ConfigError):
        made.run(made.reloader.reload("ann", "ssh"))
    made.write(config_text("ab"))
    made.run(made.reloader.try_reload())
    refused, applied = [each for each in seen if isinstance(each, ReloadEvent)]
    assert (refused.applied, refused.problems > 0, refused.who, refused.origin) == (False, True, "ann", "ssh")
    assert (applied.applied, applied.generation, applied.who, applied.origin) == (True, 2, "", "SIGHUP")


def test_callers_that_share_a_reload_are_all_in_its_event(made):
    seen = []
    made.board.subscribe(noted=seen.append)
    tasks = [Deferred.fromCoroutine(made.reloader.reload(who, "pb")) for who in ("", "ann", "bob", "ann")]
    made.reactor.run_threads()
    made.reactor.run_threads()
    assert {each.called for each in tasks} == {True}
    assert [event.who for event in seen] == ["", "ann, bob"]


def test_a_file_that_leaves_a_frontend_with_nothing_is_told_before_and_after_it_is_in_force(made):
    made.write(config_text().replace("pools:", "when-none-eligible: hold\n      pools:"))
    made.run(made.reloader.reload())
    made.board.record("a", Result(Code.L4OK))
    emptied = config_text().replace("10.0.0.1}", "10.0.0.1, enabled: false}")
    made.write(emptied.replace("pools:", "when-none-eligible: hold\n      pools:"))
    expected = (
        "maglev.frontends.web: a reload leaves nothing in service: when-none-eligible: hold keeps what is down, "
        "but not what the file takes out"
    )
    checked = made.run(made.reloader.check())
    assert [str(each) for each in checked.warnings] == [f"warning: {expected}"]
    with recorded_events() as events:
        reloaded = made.run(made.reloader.reload())
    assert reloaded.warnings == checked.warnings
    assert [fields["problem"] for name, fields in events if name == "config-warning"] == [f"warning: {expected}"]
    assert made.board.frontend("web").active is None
    assert made.run(made.reloader.check()).warnings == ()
