"""Expected headers of an HTTP answer, and answers that have no body."""

from __future__ import annotations

import pytest

from maglev.healthcheck.probers.answer import Answer, Progress
from maglev.healthcheck.probers.expectation import Expectation
from maglev.model.check_params import HttpMethod
from maglev.model.config import HttpParams
from maglev.model.result import Code

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 4\r\n"
END = b"\r\nwell"
PASS = Code.L7OK, "status 200"
READY = (("X-Health", "ready"),)


def verdicts(answer, **params):
    """Return the verdicts on an answer in one piece, byte by byte, and cut at each place."""
    cuts = [[answer], [answer[i : i + 1] for i in range(len(answer))]]
    cuts += [[answer[:cut], answer[cut:]] for cut in range(1, len(answer))]
    found = set()
    for pieces in cuts:
        reader = Answer(Expectation.of(HttpParams(**params)))
        for piece in pieces:
            reader.feed(piece)
        found.add(reader.verdict or reader.end("closed"))
    return found


def verdict(answer, **params):
    (only,) = verdicts(answer, **params)
    return only


@pytest.mark.parametrize(
    "line",
    [
        b"X-Health: ready\r\n",
        b"x-health:ready\r\n",
        b"X-HEALTH: \t ready \t\r\n",
        b"X-Health: warming\r\nX-Health: ready\r\n",
        b"X-Health:\r\n ready\r\n",
        b"X-Health: ready\n",
        b"X-Health : ready\r\n",
    ],
)
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("regexp", [None, "we"])
def test_a_header_is_there(line, order, regexp):
    answer = OK + b"".join([line, LENGTH][::order]) + END
    assert verdict(answer, expect_header=READY, response_regexp=regexp) == PASS
    pattern = (("x-health", "^r.*y$"),)
    assert verdict(answer, expect_header_regexp=pattern, response_regexp=regexp) == PASS


@pytest.mark.parametrize(
    ("lines", "detail"),
    [
        (b"", "no header X-Health"),
        (b"X-Health-2: ready\r\n", "no header X-Health"),
        (b"Y: X-Health: ready\r\n", "no header X-Health"),
        (b"X-Health: READY\r\n", 'header X-Health is "READY", not "ready"'),
        (b"X-Health: ready, set\r\nX-Health: go\r\n", 'header X-Health is "ready, set", not "ready"'),
        (b"X-Health:\r\n", 'header X-Health is "", not "ready"'),
        (b"X-Health: \x1b[31m\xff\r\n", 'header X-Health is "\\x1b[31m\\xff", not "ready"'),
        (b"X-Health: " + b"y" * 60_000 + b"\r\n", f'header X-Health is "{"y" * 37}...", not "ready"'),
    ],
)
def test_a_header_is_missing_or_another(lines, detail):
    reader = Answer(Expectation.of(HttpParams(expect_header=READY)))
    reader.feed(OK + lines + LENGTH + END)
    assert reader.verdict == (Code.L7STS, detail)


def test_a_pattern_that_does_not_match_shows_the_value():
    answer = OK + b"Server: apache\r\n" + LENGTH + END
    found = verdict(answer, expect_header_regexp=(("Server", "nginx"),))
    assert found == (Code.L7STS, 'header Server does not match: "apache"')


def test_a_pattern_works_on_bytes():
    answer = OK + b"X-Bytes: a\xffb\r\n" + LENGTH + END
    assert verdict(answer, expect_header_regexp=(("X-Bytes", "^a.b$"),)) == PASS
    assert verdict(answer, expect_header_regexp=(("X-Bytes", r"^a\xffb$"),)) == PASS


def test_every_header_must_be_there():
    answer = OK + b"A: 1\r\nB: 2\r\n" + LENGTH + END
    assert verdict(answer, expect_header=(("A", "1"), ("B", "2"))) == PASS
    assert verdict(answer, expect_header=(("A", "1"), ("B", "1")))[0] is Code.L7STS
    assert verdict(answer, expect_header=(("A", "1"),), expect_header_regexp=(("B", "x"),))[0] is Code.L7STS


def test_what_looks_like_a_header_in_the_body_is_none():
    answer = OK + b"Content-Length: 18\r\n\r\n\nX-Health: ready\r\n"
    assert verdict(answer, expect_header=READY) == (Code.L7STS, "no header X-Health")
    odd = OK + b"no colon here\r\n\r\n\nX-Health: ready\r\n"
    assert verdict(odd, expect_header=READY) == (Code.L7STS, "no header X-Health")


@pytest.mark.parametrize("odd", [b"", b"no colon here\r\n"])
@pytest.mark.parametrize("blank", [b"", b"\r\n"])
def test_headers_of_interim_answers_do_not_count(odd, blank):
    hints = blank + b"HTTP/1.1 103 Early Hints\r\nX-Health: ready\r\n\r\n"
    assert verdict(hints * 2 + blank + OK + odd + LENGTH + END, expect_header=READY) == (
        Code.L7STS,
        "no header X-Health",
    )
    well = hints + blank + OK + odd + b"X-Health: ready\r\n" + LENGTH + END
    assert verdict(well, expect_header=READY) == PASS


def test_an_end_of_headers_that_only_llhttp_sees():
    odd = b"HTTP/1.1 %d x\nX-Health: ready\n\r"
    for answer in (odd % 200 + b"well", odd % 103 + odd % 200 + b"well"):
        reader = Answer(Expectation.of(HttpParams(expect_header=READY)))
        reader.feed(answer)
        assert reader.verdict == PASS


def test_the_status_comes_first_and_the_body_last():
    sick = b"HTTP/1.1 503 x\r\n" + LENGTH + END
    assert verdict(sick, expect_header=READY) == (Code.L7STS, "status 503")
    assert verdict(b"HTTP/1.1 404 x\r\n" + LENGTH + END, expect_header=READY, disable_on_404=True)[0] is Code.L7OKC
    answer = OK + b"X-Health: ready\r\n" + LENGTH + END
    assert verdict(answer, expect_header=READY, response_regexp="sick")[0] is Code.L7RSP
    assert verdict(OK + LENGTH + END, expect_header=READY, response_regexp="sick")[0] is Code.L7STS


def test_many_line_ends_before_an_answer_take_no_longer_than_others():
    reader = Answer(Expectation.of(HttpParams(expect_header=READY)))
    reader.feed(b"\r\n" * 30_000 + OK + b"\r\n")
    assert reader.verdict == (Code.L7STS, "no header X-Health")


@pytest.mark.parametrize("odd", [b"", b"no colon here\r\n"])
def test_an_answer_to_head_ends_with_its_headers(odd):
    reader = Answer(Expectation.of(HttpParams(method=HttpMethod.HEAD)))
    reader.feed(OK + odd + b"Content-Length: 100\r\n\r\n")
    assert (reader.verdict, reader.progress, reader.unfinished) == (PASS, Progress.END, False)
    reader.feed(b"what should not come")
    assert reader.end("closed") == PASS
    assert verdict(b"HTTP/1.1 503 x\r\n" + LENGTH + b"\r\n", method=HttpMethod.HEAD) == (Code.L7STS, "status 503")


def test_a_pattern_for_the_body_sees_none_after_head():
    params = HttpParams(method=HttpMethod.HEAD, response_regexp="^$")
    reader = Answer(Expectation.of(params))
    reader.feed(OK + LENGTH + b"\r\n")
    assert reader.verdict == PASS
