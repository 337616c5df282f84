"""The composition root: options, the clock, and the tree of services."""

import functools
import json
import os
import signal
import time

import attrs
import pytest
from twisted.internet.error import CannotListenError
from twisted.internet.selectreactor import SelectReactor
from twisted.python.usage import UsageError
from twisted.web.server import Site

from maglev.announce.hooks import MAX_READERS, PIPES
from maglev.config.load import load_file
from maglev.daemon import tap
from maglev.daemon.options import SETTINGS, Options
from maglev.daemon.tap import JITTER, Daemon, build, check, complaint, jitter
from maglev.model.announce import HookConfig
from maglev.model.errors import ConfigError, StartError
from maglev.model.health import State
from maglev.runtime import clock
from maglev.runtime.admission import OWN, Descriptors
from maglev.runtime.clock import use_monotonic_time
from tests.fakes.daemon_parts import parse, start
from tests.fakes.files import config_text
from tests.fakes.http import HttpConnection
from tests.fakes.logs import recorded_events

# Options


def test_without_anything_the_defaults_hold():
    options = parse()

    assert {each.name: options[each.name] for each in SETTINGS} == {each.name: each.default for each in SETTINGS}
    assert not options["check"]
    assert not options["demo"]


@pytest.mark.parametrize("each", SETTINGS, ids=lambda each: each.name)
def test_the_flag_wins_over_the_environment_and_that_over_the_default(monkeypatch, each):
    flag, variable = ("debug", "error") if each.name == "log-level" else ("/flag", "/environment")
    monkeypatch.setenv(each.variable, variable)
    assert parse()[each.name] == variable
    assert parse(f"--{each.name}={flag}")[each.name] == flag
    assert parse(f"--{each.name}", flag)[each.name] == flag


def test_the_variables_are_named_after_the_flags():
    names = {each.name: each.variable for each in SETTINGS}

    assert names["vpp-api-addr"] == "MAGLEV_VPP_API_ADDR"
    assert names["config"] == "MAGLEV_CONFIG"


@pytest.mark.parametrize("name", ["vpp-api-addr", "metrics-addr"])
def test_an_empty_value_is_a_value(monkeypatch, name):
    monkeypatch.setenv("MAGLEV_" + name.upper().replace("-", "_"), "")
    assert parse()[name] == ""
    monkeypatch.setenv("MAGLEV_" + name.upper().replace("-", "_"), "/x")
    assert parse(f"--{name}=")[name] == ""


def test_a_bad_log_level_is_refused_wherever_it_comes_from(monkeypatch):
    with pytest.raises(UsageError, match='invalid level "loud": expected one of debug, info, warn, error, critical'):
        parse("--log-level=loud")
    monkeypatch.setenv("MAGLEV_LOG_LEVEL", "INFO")
    with pytest.raises(UsageError, match='invalid level "INFO": expected one of'):
        parse()


@pytest.mark.parametrize("arguments", [["extra"], ["--what"], ["--config"], ["--check=yes"]])
def test_anything_else_is_refused(arguments):
    with pytest.raises(UsageError):
        parse(*arguments)


def test_the_version_is_shown(capsys):
    with pytest.raises(SystemExit) as caught:
        parse("--version")
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("maglevd ")


def test_every_option_is_in_the_help():
    text = Options().getUsage()
    for each in SETTINGS:
        assert f"--{each.name}=" in text


# The clock


@pytest.fixture
def real_reactor():
    """A reactor of Twisted's that nobody runs, and the wall clock by which it goes, for the test to set."""
    wall = [time.time()]

    class WallReactor(SelectReactor):
        def seconds(self):
            return wall[0]

    made = WallReactor()
    yield made, wall
    for call in made.getDelayedCalls():
        call.cancel()
    for reader in tuple(made._internalReaders):
        reader.connectionLost(None)


def test_the_wall_clock_of_a_reactor_can_make_a_call_an_hour_late(real_reactor):
    """The reason for `use_monotonic_time`."""
    made, wall = real_reactor
    made.callLater(5, lambda: None)
    wall[0] -= 3600
    made.runUntilCurrent()
    assert made.timeout() > 3600


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_jumps_of_the_wall_clock_are_harmless_with_the_monotonic_one(real_reactor, jump):
    made, wall = real_reactor
    use_monotonic_time(made)
    fired = []
    made.callLater(5, fired.append, "later")
    wall[0] += jump
    made.runUntilCurrent()
    assert fired == []
    assert 4 < made.timeout() <= 5
    call = made.callLater(0, fired.append, "now")
    wall[0] += jump
    made.runUntilCurrent()
    assert fired == ["now"]
    assert not call.active()


def test_the_clock_is_not_changed_under_calls_that_are_waiting(real_reactor):
    made, _ = real_reactor
    made.callLater(5, lambda: None)
    with pytest.raises(StartError, match="scheduled by the wall clock"):
        use_monotonic_time(made)


def test_the_clock_can_be_set_twice(real_reactor):
    made, _ = real_reactor
    use_monotonic_time(made)
    made.callLater(5, lambda: None)
    use_monotonic_time(made)
    assert made.seconds is clock.seconds


def test_time_goes_on_while_the_machine_is_suspended():
    # It can not be suspended here, so this asks which of the clocks of clock_gettime(2) it is.
    assert clock.seconds.func is time.clock_gettime
    assert clock.seconds.args == (time.CLOCK_BOOTTIME,)
    assert time.clock_gettime(time.CLOCK_BOOTTIME) <= clock.seconds() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_jitter_is_a_factor_around_one():
    factors = [jitter() for _ in range(1000)]

    assert 1 - JITTER <= min(factors) < 0.95
    assert 1.05 < max(factors) <= 1 + JITTER


# What cannot start


def test_a_complaint_about_a_file_names_it_in_each_line(path):
    path.write_text(config_text("ab", port=0) + "    dns: {}\n")
    with pytest.raises(ConfigError) as caught:
        load_file(path)
    lines = complaint(parse(f"--config={path}"), caught.value).splitlines()

    assert len(lines) > 1
    assert all(line.startswith(f"{path}: line ") for line in lines)


def test_a_complaint_about_anything_else_is_its_text():
    assert complaint(parse(), StartError("it is so")) == "it is so"


def test_check_shows_a_valid_file_on_the_standard_output_and_others_on_the_standard_error(path, capsys):
    assert check(str(path)) == 0
    assert capsys.readouterr() == (f"{path}: valid\n", "")
    path.write_text("maglev: [")
    assert check(str(path)) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "not valid, 1 error" in shown.err


def test_a_network_namespace_that_is_not_there_refuses_the_start(path, reactor):
    path.write_text(config_text(extra="  healthchecker: {netns: no-such-namespace}"))
    with pytest.raises(StartError, match="no such network namespace: 'no-such-namespace'"):
        build(reactor, parse(f"--config={path}"))


def test_an_address_that_is_none_refuses_the_start(path, reactor):
    with pytest.raises(StartError, match='--metrics-addr: invalid address "here": expected HOST:PORT'):
        build(reactor, parse(f"--config={path}", "--metrics-addr=here"))


# The daemon


def test_it_probes_and_says_what_it_runs(daemon, reactor):
    with recorded_events() as events:
        start(daemon)
        reactor.advance(1)
    assert daemon.board.backends["a"].state is State.UP
    first, *_ = events
    assert first[0] == "start"
    assert first[1].keys() == {"version", "frontends", "backends", "vpp"}
    assert (first[1]["frontends"], first[1]["backends"], first[1]["vpp"]) == (1, 1, "off")
    assert ("frontend-transition", "up") in [(name, fields.get("to")) for name, fields in events]
    daemon.stopService()


def test_nothing_is_left_to_do_after_a_stop(daemon, reactor):
    start(daemon)
    reactor.advance(1)
    with recorded_events() as events:
        daemon.stopService()
    assert [name for name, _ in events] == ["stop"]
    assert reactor.getDelayedCalls() == []


def test_an_empty_address_listens_nowhere(daemon, reactor):
    start(daemon)
    assert reactor.tcpServers == []
    daemon.stopService()


def serving_metrics(path, reactor):
    """Return a daemon that serves the metrics, at port 9091, and nothing else."""
    others = ("--vpp-api-addr=", "--ssh-addr=", "--web-addr=", "--pb-addr=")
    return build(reactor, parse(f"--config={path}", "--metrics-addr=127.0.0.1:9091", *others))


def test_the_metrics_are_served_where_the_option_says(path, reactor, signals):
    daemon = serving_metrics(path, reactor)
    assert reactor.tcpServers == []
    start(daemon)
    (server,) = reactor.tcpServers
    assert (server[0], server[3]) == (9091, "127.0.0.1")
    assert isinstance(server[1], Site)
    daemon.stopService()


def test_the_health_is_judged_by_the_bound_of_the_watchdog(path, reactor, signals, monkeypatch, tmp_path):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "7000000")
    daemon = serving_metrics(path, reactor)
    start(daemon)
    monkeypatch.setattr(daemon.checker, "oldest_wait", lambda: 7.0)
    connection = HttpConnection(reactor.tcpServers[0][1])
    connection.ask(b"/healthz")
    reactor.pump([0.0] * 5)
    checks = json.loads(connection.text())["checks"]

    assert connection.status() == 503
    assert checks["probing"] == {"ok": False, "detail": "a probe is 7 s late to start"}
    assert checks["vpp"] == {"ok": True, "detail": "switched off"}
    daemon.stopService()


def test_the_metrics_listener_leaves_the_descriptors_of_probes_alone(path, reactor, signals, monkeypatch):
    backends = len(load_file(path).config.backends)
    with_limit = functools.partial(Descriptors, limit=lambda: OWN + backends + 32)
    monkeypatch.setattr("maglev.daemon.tap.Descriptors", with_limit)
    daemon = build(reactor, parse(f"--config={path}", "--vpp-api-addr=", "--ssh-addr=", "--web-addr=", "--pb-addr="))
    start(daemon)
    (site,) = [server[1] for server in reactor.tcpServers if isinstance(server[1], Site)]
    connections = [HttpConnection(site, f"192.0.2.{number}") for number in range(64)]

    assert sum(not connection.aborted for connection in connections) == 32
    daemon.stopService()


def test_each_backend_may_need_a_descriptor_unless_workers_probe(path):
    config = load_file(path).config
    assert tap._needed_descriptors(config) == len(config.backends) > 0
    with_workers = attrs.evolve(config, checker=attrs.evolve(config.checker, probe_workers=3))
    assert tap._needed_descriptors(with_workers) == 3 * tap.WORKER_DESCRIPTORS


def test_programs_and_readers_of_hooks_have_their_descriptors_before_listeners(path):
    config = load_file(path).config
    hooks = {"pager": HookConfig("pager", command=("/usr/bin/page",)), "exabgp": HookConfig("exabgp", socket="/run/x")}
    hooked = attrs.evolve(config, announce=attrs.evolve(config.announce, hooks=hooks))
    assert tap._needed_descriptors(hooked) - tap._needed_descriptors(config) == PIPES + MAX_READERS + 1


def test_an_address_that_is_taken_is_an_error_at_once(path, reactor, signals, monkeypatch):
    def refuse(*args, **kwargs):
        raise CannotListenError("127.0.0.1", 9091, OSError("taken"))

    monkeypatch.setattr(reactor, "listenTCP", refuse)
    daemon = serving_metrics(path, reactor)
    with pytest.raises(CannotListenError):
        daemon.privilegedStartService()


def test_vpp_is_tried_at_the_sockets_that_the_options_name(path, reactor, signals, tmp_path):
    sockets = [f"--vpp-api-addr={tmp_path}/api.sock", f"--vpp-stats-addr={tmp_path}/stats.sock"]
    daemon = build(
        reactor, parse(f"--config={path}", "--metrics-addr=", "--ssh-addr=", "--web-addr=", "--pb-addr=", *sockets)
    )
    assert not daemon.vpp.off
    start(daemon)
    reactor.advance(0)
    assert [client[0] for client in reactor.unixClients] == [f"{tmp_path}/api.sock"]
    daemon.stopService()


def test_sighup_reloads_the_file(daemon, reactor, path):
    start(daemon)
    reactor.advance(1)
    path.write_text(config_text("ab"))
    os.kill(os.getpid(), signal.SIGHUP)
    assert list(daemon.board.backends) == ["a"]  # nothing in the signal handler itself
    reactor.run_threads()
    reactor.advance(1)
    assert list(daemon.board.backends) == ["a", "b"]
    assert daemon.board.backends["b"].state is State.UP
    daemon.stopService()


def test_a_stop_gives_up_a_reload_that_is_under_way(daemon, reactor, path):
    start(daemon)
    path.write_text(config_text("ab"))
    os.kill(os.getpid(), signal.SIGHUP)
    reactor.advance(0)
    assert len(reactor.work) == 1
    daemon.stopService()
    reactor.run_threads()
    assert daemon.board.generation == 1


def test_warnings_about_the_file_are_told_at_the_start(path, reactor):
    path.write_text(config_text(extra="  healthchecks: {idle: {type: icmp, interval: 1s, timeout: 1s}}"))
    with recorded_events() as events:
        build(
            reactor,
            parse(f"--config={path}", "--vpp-api-addr=", "--metrics-addr=", "--ssh-addr=", "--web-addr=", "--pb-addr="),
        )
    (warning,) = [fields for name, fields in events if name == "config-warning"]
    assert "idle" in warning["problem"]


# Under twistd


@pytest.fixture
def global_reactor(monkeypatch):
    """Put the clock of pytest's own reactor back."""
    from twisted.internet import reactor

    monkeypatch.setattr(reactor, "seconds", time.monotonic, raising=False)


def test_twistd_gets_the_service(path, global_reactor):
    service = tap.makeService(
        parse(f"--config={path}", "--vpp-api-addr=", "--metrics-addr=", "--ssh-addr=", "--web-addr=", "--pb-addr=")
    )

    assert isinstance(service, Daemon)


def test_twistd_ends_with_the_complaint_and_no_traceback(path, global_reactor):
    path.write_text("maglev: [")
    with pytest.raises(SystemExit) as caught:
        tap.makeService(parse(f"--config={path}"))
    assert caught.value.code.startswith(f"maglevd: {path}: line 2, column 1: parse error")


@pytest.mark.parametrize(("text", "status"), [(config_text(), 0), ("maglev: [", 1), ("maglev: {}", 2)])
def test_twistd_only_checks_when_it_is_told_so(path, text, status):
    path.write_text(text)
    with pytest.raises(SystemExit) as caught:
        tap.makeService(parse(f"--config={path}", "--check"))
    assert caught.value.code == status
