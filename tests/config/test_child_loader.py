"""Reading apart: a large file is read in a process of its own, with the same result; every failure of it is told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from maglev.config import child_loader as apart
from maglev.config.child_loader import LARGE, read
from maglev.config.load import load_file
from maglev.config.packing import unpack
from maglev.model.errors import ConfigError
from maglev.model.problem import ProblemKind
from tests.fakes.files import config_text
from tests.fakes.large import large_config


@pytest.fixture
def path(tmp_path):
    return tmp_path / "maglev.yaml"


@pytest.fixture
def large(path):
    path.write_text(large_config(600))
    assert path.stat().st_size > LARGE
    return path


def no_process(*_args, **_kwargs):
    raise BlockingIOError("no process")


def test_a_small_file_is_read_here(path, monkeypatch):
    monkeypatch.setattr(subprocess, "run", no_process)
    path.write_text(config_text("ab"))
    assert unpack(read(str(path))) == load_file(path)


def test_what_is_not_a_file_is_an_error_of_the_file(path):
    for name in (str(path), "nul\0"):
        with pytest.raises(ConfigError, match="can't be read"):
            read(name)


@pytest.mark.real
def test_a_large_file_is_read_in_another_process(large, monkeypatch):
    expected = load_file(large)
    monkeypatch.setattr(apart, "load_file", None)
    assert unpack(read(str(large))) == expected


@pytest.mark.real
def test_the_errors_of_a_large_file_are_those_that_it_has(large):
    large.write_text(large.read_text() + "  frontend: {}\n")
    with pytest.raises(ConfigError) as expected:
        load_file(large)
    with pytest.raises(ConfigError) as caught:
        read(str(large))
    assert caught.value.problems == expected.value.problems


def test_without_a_process_to_be_had_a_large_file_is_read_here(large, monkeypatch):
    monkeypatch.setattr(subprocess, "run", no_process)
    assert unpack(read(str(large))) == load_file(large)


def failing(monkeypatch, program):
    monkeypatch.setattr(apart, "_PROGRAM", program)


@pytest.mark.real
@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("raise ValueError('a bug\\x1b')", r"ended with status 1: ValueError: a bug\x1b"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended with status -9: "),
    ],
)
def test_a_process_that_fails_refuses_the_file(large, monkeypatch, program, text):
    failing(monkeypatch, program)
    with pytest.raises(ConfigError) as caught:
        read(str(large))
    (problem,) = caught.value.problems
    assert problem.kind is ProblemKind.PARSE
    assert problem.text == f"can't be checked: the loader process {text}"


@pytest.mark.real
def test_a_process_that_takes_too_long_is_ended(large, monkeypatch):
    failing(monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(apart, "TIME_LIMIT", 0.2)
    with pytest.raises(ConfigError, match="timed out after 0 s"):
        read(str(large))


@pytest.mark.real
def test_the_process_imports_no_reactor_and_none_of_the_daemon(large):
    script = "import sys, maglev.config.child_loader; sys.exit(any(m.split('.')[0] == 'twisted' for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
