"""The programs as people start them: maglevd, twistd, twist, the demonstration; what they say, and how they end."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from maglev.demo.service import SWITCH_PORT
from maglev.model.version import VERSION
from tests.fakes.demonstration import MAGLEVD, demo_s_ports, demonstration
from tests.fakes.files import config_text
from tests.fakes.program import BIN, Program, quiet_environment
from tests.layers import ROOT

pytestmark = pytest.mark.real


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "maglev.yaml"
    path.write_text(config_text())
    return path


def run(*command, cwd=ROOT, **variables):
    environment = quiet_environment(**variables)
    return subprocess.run(
        [str(each) for each in command],
        check=False,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def maglevd(*arguments, **variables):
    return run(*MAGLEVD, *arguments, **variables)


# Checks and refusals


def test_check_says_that_a_file_is_valid(config):
    done = maglevd("--check", "--config", config)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{config}: valid\n", "")


def test_check_shows_warnings_of_a_valid_file(config):
    config.write_text(config_text(extra="  healthchecks: {idle: {type: icmp, interval: 1s, timeout: 1s}}"))
    done = maglevd("--check", MAGLEV_CONFIG=str(config))
    assert (done.returncode, done.stderr) == (0, "")
    assert "warning: maglev.healthchecks.idle" in done.stdout
    assert done.stdout.endswith(f"{config}: valid, 1 warning\n")


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        (
            config_text().replace("port: 80", "port: many"),
            1,
            "line 9, column 13: parse error: maglev.frontends.web.port: ",
        ),
        (config_text().replace("10.0.0.1", "10.0.0.999"), 2, "semantic error: maglev.backends.a.address: "),
        ("maglev: [", 1, "parse error: "),
    ],
)
def test_check_says_what_is_wrong_on_the_standard_error(config, text, status, said):
    config.write_text(text)
    done = maglevd("--check", "--config", config)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert done.stderr.endswith(f"{config}: not valid, 1 error\n")
    assert "Traceback" not in done.stderr


def test_a_start_with_a_bad_file_ends_as_the_check_does(config):
    config.write_text(config_text().replace("10.0.0.1", "10.0.0.999"))
    done = maglevd("--config", config)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"maglevd: {config}: line ")
    assert "semantic error: maglev.backends.a.address" in done.stderr


def test_a_missing_file_is_named(tmp_path):
    done = maglevd("--config", tmp_path / "none.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"maglevd: {tmp_path}/none.yaml: parse error: can't be read: No such file or directory\n"


def test_the_version_is_told():
    done = maglevd("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"maglevd {VERSION}\n", "")


def test_the_help_names_the_program_and_its_options():
    done = maglevd("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: maglevd [options]\n")
    assert "--config=" in done.stdout


@pytest.mark.parametrize("arguments", [["--nonsense"], ["extra"], ["--log-level=loud"]])
def test_a_wrong_command_line_ends_with_64(arguments):
    done = maglevd(*arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith("maglevd: ")
    assert done.stderr.endswith("Try maglevd --help.\n")


def test_an_address_that_is_taken_is_told(config):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = maglevd("--config", config, "--metrics-addr", f"127.0.0.1:{port}")
    assert done.returncode == 69
    assert f"maglevd: Couldn't listen on 127.0.0.1:{port}: " in done.stderr
    assert "Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_that_is_none_is_told(config):
    done = maglevd("--config", config, "--metrics-addr", "here")
    assert (done.returncode, done.stdout) == (69, "")
    assert (
        done.stderr == 'maglevd: --metrics-addr: invalid address "here": expected HOST:PORT, [v6]:PORT or unix:PATH\n'
    )


def test_a_network_namespace_that_is_not_there_is_told(config):
    config.write_text(config_text(extra="  healthchecker: {netns: no-such-namespace}"))
    done = maglevd("--config", config)
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.startswith("maglevd: no such network namespace: 'no-such-namespace' (looked in ")


# Runs


def test_it_logs_json_lines_reloads_on_sighup_and_stops_on_sigterm(tmp_path, config):
    with Program(tmp_path, *MAGLEVD, "--config", config, cwd=ROOT) as program:
        program.wait_for('"event": "frontend-transition"')
        config.write_text(config_text("ab"))
        program.send(signal.SIGHUP)
        program.wait_for('"event": "config-applied"')
        config.write_text("nonsense")
        program.send(signal.SIGHUP)
        program.wait_for('"event": "config-kept"')
        assert program.end() == 0
        events = [json.loads(line) for line in program.stdout.splitlines()]
        assert program.stderr == ""
    assert [event["event"] for event in events if event["event"] in {"start", "stop"}] == ["start", "stop"]
    assert events[0]["backends"] == 1
    assert all(list(event)[:3] == ["time", "level", "event"] for event in events)


def test_it_stops_on_sigint(tmp_path, config):
    with Program(tmp_path, *MAGLEVD, "--config", config, cwd=ROOT) as program:
        program.wait_for('"event": "backend-transition"')  # by then its reactor runs, and has its handlers in place
        assert program.end(signal.SIGINT) == 0


def test_messages_of_twisted_are_in_the_log_at_debug(tmp_path, config):
    socket_path = tmp_path / "metrics.sock"
    arguments = ("--config", config, "--log-level=debug", f"--metrics-addr=unix:{socket_path}")
    with Program(tmp_path, *MAGLEVD, *arguments, cwd=ROOT) as program:
        program.wait_for('"event": "backend-transition"')
        assert program.end() == 0
        events = [json.loads(line) for line in program.stdout.splitlines()]
    assert "message" in {event["event"] for event in events}
    assert not socket_path.exists()


def with_descriptors(redirections, *arguments):
    return run("sh", "-c", f'exec "$@" {redirections}', "sh", *MAGLEVD, *arguments)


def test_a_result_that_can_t_be_written_is_not_an_error_in_the_file(config):
    done = with_descriptors(">/dev/full", "--check", "--config", config)

    expected = "maglevd: can't write to the standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (74, expected)


@pytest.mark.parametrize("redirections", [">&-", "<&- >&- 2>&-"])
def test_a_check_without_a_standard_output_is_in_the_status(config, redirections):
    assert with_descriptors(redirections, "--check", "--config", config).returncode == 0


def test_a_bug_is_not_an_error_in_the_file():
    program = "import maglev.daemon.program as program; program.run = lambda _: 1 / 0; program.main([])"
    done = run(sys.executable, "-c", program)

    assert done.returncode == 70
    assert "ZeroDivisionError" in done.stderr


def test_a_daemon_without_a_standard_output_goes_on(tmp_path, config):
    path = tmp_path / "metrics.sock"
    arguments = (*MAGLEVD, "--config", config, f"--metrics-addr=unix:{path}")
    with Program(tmp_path, "sh", "-c", 'exec "$@" <&- >&-', "sh", *arguments, cwd=ROOT) as program:
        deadline = time.monotonic() + 60
        while not path.is_socket():
            assert time.monotonic() < deadline, program.stderr
            time.sleep(0.02)
        # Not the next file or socket that it opened, to which the log would go.
        assert program.path_of(1) == "/dev/null"
        assert program.end() == 0
        assert program.stderr == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_a_full_pipe_of_another_user_does_not_stop_the_log(tmp_path):
    code = (
        "import os, sys; from maglev.runtime.logs.writer import LineWriter; os.setuid(65534); writer = LineWriter(1)\n"
        "lost = sum((writer.write('x' * 99), writer.dropped > 0)[1] for _ in range(10_000))\n"
        "print(type(writer._sink).__name__, lost > 1000, file=sys.stderr, flush=True); os._exit(0)"
    )
    reader, target = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, stdout=target, stderr=subprocess.PIPE, timeout=60, check=False
        )
    finally:
        os.close(reader)
        os.close(target)
    assert done.stderr == b"_Background True\n"


CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
"""A PID namespace, in which the program is process 1, whenever it starts."""


@pytest.mark.skipif(run(*CONTAINER, "true").returncode != 0, reason="no PID namespaces")
def test_unix_sockets_are_taken_over_from_a_killed_process_with_the_same_id(tmp_path, config):
    sockets = [tmp_path / name for name in ("metrics.sock", "ssh.sock", "pb.sock")]
    options = [f"--{path.stem}-addr=unix:{path}" for path in sockets]
    arguments = (*CONTAINER, *MAGLEVD, "--config", config, f"--state-dir={tmp_path}/state", *options)
    for end in (signal.SIGKILL, signal.SIGKILL, None):
        with Program(tmp_path, *arguments, cwd=ROOT) as program:
            program.wait_for('"event": "start"')
            deadline = time.monotonic() + 60
            while not all(path.is_socket() for path in sockets):
                assert time.monotonic() < deadline, program.stdout
                time.sleep(0.02)
            if end:
                program.end(end)


# Under Twisted's runners


def is_installed_from_here():
    where = run(sys.executable, "-c", "import maglev; print(maglev.__file__)", cwd="/")
    return Path(where.stdout.strip()) == ROOT / "maglev" / "__init__.py"


def runners():
    installed = pytest.mark.skipif(
        not is_installed_from_here(), reason="vpp-maglev is not installed from this checkout"
    )
    yield pytest.param((BIN / "twistd", "-n", "--pidfile="), None, id="twistd-installed", marks=installed)
    yield pytest.param((BIN / "twist", "--log-format=text"), None, id="twist-installed", marks=installed)
    yield pytest.param((sys.executable, "-m", "twisted", "--log-format=text"), ROOT, id="twist-checkout")
    code = "from twisted.scripts.twistd import run; run()"
    yield pytest.param((sys.executable, "-c", code, "-n", "--pidfile="), ROOT, id="twistd-checkout")


@pytest.mark.parametrize(("runner", "cwd"), list(runners()))
def test_twisted_s_runners_find_it_run_it_reload_it_and_stop_it(tmp_path, config, runner, cwd):
    with Program(tmp_path, *runner, "maglev", "--config", config, cwd=cwd) as program:
        program.wait_for("frontend-transition frontend=web from=unknown to=up")
        config.write_text(config_text("ab"))
        program.send(signal.SIGHUP)
        program.wait_for("config-applied frontends=1 backends=2 ")
        assert program.wait_for("config-applied").count(f"start version={VERSION} frontends=1 backends=1") == 1
        status = program.end()
        # twist ends itself by the signal that it got; twistd returns.
        assert status in {0, -signal.SIGTERM}
        assert "Traceback" not in program.stdout + program.stderr
    assert not (tmp_path / "twistd.pid").exists()


@pytest.mark.parametrize(("runner", "cwd"), list(runners()))
def test_twisted_s_runners_refuse_a_bad_file_without_a_traceback(tmp_path, config, runner, cwd):
    config.write_text("maglev: [")
    done = run(*runner, "maglev", "--config", config, cwd=cwd or tmp_path)
    assert done.returncode == 1
    assert f"maglevd: {config}: line 2, column 1: parse error: " in done.stderr
    assert "Traceback" not in done.stderr


# The demonstration


@pytest.fixture
def folders():
    """Make a folder for the demonstration's own, with a name short enough for sockets in it."""
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        yield Path(folder)


@pytest.fixture
def demo(tmp_path, folders):
    with demonstration(tmp_path, folders) as program:
        yield program


def switchboard(path="", data=None):
    with urllib.request.urlopen(f"http://127.0.0.1:{SWITCH_PORT}/{path}", data, timeout=60) as answer:
        return answer.read().decode()


def weights():
    """Return the weights that the simulated VPP holds, by the end of the address.

    The demonstration has least-moving weights: 100 and 50 are 2 and 1.
    """
    return {int(end): int(weight) for end, weight in re.findall(r"127\.0\.0\.(\d+) weight (\d+)", switchboard())}


def wait_for_weights(expected, seconds=60.0):
    start = time.monotonic()
    while weights() != expected:
        assert time.monotonic() - start < seconds, f"{weights()} after {seconds} s"
        time.sleep(0.02)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_demonstration_shows_what_it_promises(demo, folders):
    commands = [re.split(r"\s{2,}", line.strip())[0] for line in demo.stdout.splitlines() if "curl " in line]
    stop_1, stop_2, start_1, show, *scrapes = (command for command in commands if command.startswith("curl"))
    assert all(action in command for action, command in (("www1/stop", stop_1), ("www2/stop", stop_2)))

    def shell(command):
        return subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True).stdout

    wait_for_weights({11: 2, 12: 1, 13: 0})
    shell(stop_1)
    wait_for_weights({11: 0, 12: 1, 13: 0})
    shell(stop_2)
    wait_for_weights({11: 0, 12: 0, 13: 1})
    assert 'state="down"} 1' in shell(scrapes[0])
    deadline = time.monotonic() + 60  # VPP's counters are read every five seconds
    while not all(map(shell, scrapes)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    shell(start_1)
    wait_for_weights({11: 2, 12: 0, 13: 0})
    assert "127.0.0.11 weight 2" in shell(show)
    assert "backend-transition backend=www1 " in demo.stdout
    assert 'detail="connection refused"' in demo.stdout

    (folder,) = folders.iterdir()
    assert (folder / "maglev.yaml").exists()
    assert demo.end(signal.SIGINT) == 0
    assert list(folders.iterdir()) == []
    assert demo.stderr == ""


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is missing")
def test_prometheus_takes_the_metrics_of_the_demonstration(demo):
    address = re.search(r"curl -s (http://[0-9.:]+/metrics)", demo.stdout)[1]
    deadline = time.monotonic() + 60  # VPP's counters are read every five seconds
    text = b""
    while b"maglev_vpp_vip_packets_total{" not in text:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        with urllib.request.urlopen(address, timeout=60) as answer:
            text = answer.read()
    checked = subprocess.run(["promtool", "check", "metrics"], check=False, input=text, capture_output=True)
    said = (checked.stdout + checked.stderr).decode().splitlines()
    # It takes the "pb" of Perspective Broker for petabytes.
    assert [line for line in said if not re.match(r"maglev_pb_\w+ metric names should not contain abbrev", line)] == []


def test_the_demonstration_s_configuration_can_be_changed(demo, folders):
    wait_for_weights({11: 2, 12: 1, 13: 0})
    (path,) = folders.glob("*/maglev.yaml")
    assert f"edit {path} and: kill -HUP " in demo.stdout
    path.write_text(path.read_text().replace("weight: 50", "weight: 25"))
    demo.send(signal.SIGHUP)
    wait_for_weights({11: 4, 12: 1, 13: 0})


def test_the_demonstration_s_switchboard_refuses_what_it_does_not_know(demo):
    for path in ("", "www9/stop", "www1/explode", "www1"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            switchboard(path, b"")


@pytest.mark.parametrize("which", ["switchboard", "metrics"])
def test_a_demonstration_that_can_t_listen_says_so_and_leaves_nothing(folders, which):
    with demo_s_ports(), socket.create_server(("127.0.0.1", SWITCH_PORT if which == "switchboard" else 0)) as taken:
        port = taken.getsockname()[1]
        where = "" if which == "switchboard" else f"127.0.0.1:{port}"
        done = maglevd("--demo", "--metrics-addr", where, TMPDIR=str(folders))
    assert done.returncode == 69
    assert f"127.0.0.1:{port}" in done.stderr
    assert "Address already in use" in done.stderr
    assert list(folders.iterdir()) == []


def test_a_demonstration_in_a_folder_whose_name_is_too_long_says_so(tmp_path):
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    done = maglevd("--demo", "--metrics-addr", "", TMPDIR=str(folder))
    assert (done.returncode, list(folder.iterdir())) == (69, [])
    assert done.stderr == "maglevd: the demonstration can't listen on its address: AF_UNIX path too long\n"
