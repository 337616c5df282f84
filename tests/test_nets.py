"""The nets of conftest.py catch what they are there for."""

import pytest

pytest_plugins = ["pytester"]

BAD = """
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

def test_unhandled_deferred():
    fail(ValueError("nobody looks"))

def test_logged_failure():
    try:
        1 / 0
    except ZeroDivisionError:
        Logger().failure("oops")

def test_left_over_call():
    reactor.callLater(3600, lambda: None)

def test_flushed(logged_failures):
    try:
        1 / 0
    except ZeroDivisionError:
        Logger().failure("oops")
    assert len(logged_failures.flush(ZeroDivisionError)) == 1
"""


@pytest.mark.real
def test_bad_tests_become_errors_and_flushed_failures_do_not(pytester, request):
    pytester.makeconftest((request.config.rootpath / "tests/conftest.py").read_text())
    pytester.makepyfile(BAD)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly")
    result.assert_outcomes(passed=4, errors=3)
    result.stdout.fnmatch_lines(["*nobody looks*"])
    result.stdout.fnmatch_lines(["*delayed calls left over*"])
