"""Answers of backends: whatever they are, there is one verdict, as soon as it is certain."""

from __future__ import annotations

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from maglev.healthcheck.probers.answer import BODY_LIMIT, Answer, Progress
from maglev.healthcheck.probers.expectation import Expectation
from maglev.model.config import HttpParams
from maglev.model.result import Code
from tests.fakes.http_answers import HEAD, read
from tests.fakes.http_zoo import ZOO
from tests.tools.http_zoo import judge, read_page

LENGTH = HEAD + b"Content-Length: 11\r\n\r\nall is well"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n6\r\nall is\r\n5\r\n well\r\n0\r\nX-Trailer: 1\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\nall is well"


def test_without_a_regexp_the_verdict_is_certain_at_the_end_of_the_headers():
    assert read(HEAD + b"Content-Length: 1000000\r\n\r") is None
    assert read(HEAD + b"Content-Length: 1000000\r\n\r\n") == (Code.L7OK, "status 200")


def test_the_head_and_what_was_kept_of_the_body_can_be_looked_at():
    answer = Answer(Expectation.of(HttpParams("/", None, ((200, 200),), "well", None)))
    answer.feed(LENGTH)
    head, body = LENGTH.split(b"\r\n\r\n")
    assert answer.head.startswith(head)
    assert answer.body == body
    answer.release()


MATCHES = (Code.L7RSP, "body matches response-regexp-not")


@pytest.mark.parametrize(
    ("regexp", "forbidden", "verdict"),
    [
        (None, "sick", (Code.L7OK, "status 200")),
        (None, "w.ll$", MATCHES),
        ("well", "sick", (Code.L7OK, "status 200")),
        ("well", "all", MATCHES),
        ("good", "all", (Code.L7RSP, "body does not match")),
        (None, "", MATCHES),
    ],
)
def test_a_pattern_may_be_forbidden_alone_or_beside_one_that_is_wanted(regexp, forbidden, verdict):
    assert read(LENGTH, regexp=regexp, forbidden=forbidden) == verdict
    assert read(LENGTH[:-1], regexp=regexp, forbidden=forbidden) is None, "the body is waited for"


def test_of_a_truncated_body_what_came_is_searched_for_a_forbidden_pattern():
    assert read(LENGTH[:-4], forbidden="well", end="closed") == (Code.L7OK, "status 200")
    assert read(LENGTH[:-4], forbidden="all", end="closed") == MATCHES
    reset = (Code.L7RSP, "body matches response-regexp-not; Connection reset by peer")
    assert read(LENGTH[:-4], forbidden="all", end="Connection reset by peer") == reset
    large = HEAD + b"Content-Length: 70000\r\n\r\n" + b"a" * BODY_LIMIT
    assert read(large + b"b", forbidden="b") == (Code.L7OK, "status 200")
    assert read(large, forbidden="a$") == MATCHES


def test_a_status_that_is_not_accepted_fails_before_the_body():
    assert read(b"HTTP/1.1 503 x\r\nContent-Length: 9\r\n\r\n", forbidden="x") == (Code.L7STS, "status 503")


@pytest.mark.parametrize("regexp", [None, "well"])
@pytest.mark.parametrize("codes", [((200, 200),), ((200, 404),)])
def test_404_passes_and_asks_for_no_new_flows_if_it_is_to_mean_that(codes, regexp):
    page = b"HTTP/1.1 %d x\r\nContent-Length: 4\r\n\r\nwell"
    for drains, status in ((True, 404), (False, 404), (True, 200), (True, 410)):
        answer = Answer(Expectation.of(HttpParams("/", None, codes, regexp, disable_on_404=drains)))
        answer.feed(page % status)
        assert answer.verdict is not None
        assert (answer.verdict[0] is Code.L7OKC) is (drains and status == 404)


def test_a_compressed_body_passes_as_nothing_can_be_found_in_it_and_the_detail_says_so():
    answer = HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    assert read(answer, forbidden="x") == (Code.L7OK, "status 200; it is compressed (gzip)")
    assert read(answer) == (Code.L7OK, "status 200")


@pytest.mark.parametrize(
    ("codes", "status", "code"),
    [
        (((200, 200),), 200, Code.L7OK),
        (((200, 200),), 201, Code.L7STS),
        (((200, 299),), 299, Code.L7OK),
        (((200, 299),), 300, Code.L7STS),
        (((200, 200), (301, 302)), 302, Code.L7OK),
        (((200, 200),), 301, Code.L7STS),
        (((200, 200),), 503, Code.L7STS),
        (((101, 101),), 101, Code.L7OK),
        (((200, 200),), 101, Code.L7STS),
    ],
)
def test_the_status_must_be_an_accepted_one(codes, status, code):
    answer = b"HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\n\r\n" % status
    assert read(answer, codes=codes) == (code, f"status {status}")


def test_an_upgrade_is_judged_by_its_status():
    answer = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"
    assert read(answer) == (Code.L7STS, "status 101")
    assert read(answer, codes=((101, 101),)) == (Code.L7OK, "status 101")
    assert read(answer, codes=((101, 101),), regexp="hello")[0] is Code.L7RSP


def test_the_status_decides_before_the_body():
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 11\r\n\r\nall is well"
    assert read(answer, regexp="all is well") == (Code.L7STS, "status 404")


@pytest.mark.parametrize("answer", [LENGTH, CHUNKED])
def test_a_body_with_an_end_is_judged_there(answer):
    assert read(answer[:-1], regexp="all is w") is None
    assert read(answer, regexp="^all is well$") == (Code.L7OK, "status 200")
    assert read(answer, regexp="sick") == (Code.L7RSP, "body does not match")


def test_a_body_until_close_is_judged_at_the_close():
    assert read(UNTIL_CLOSE, regexp="well") is None
    assert read(UNTIL_CLOSE, regexp="^all is well$", end="closed") == (Code.L7OK, "status 200")
    assert read(UNTIL_CLOSE, regexp="sick", end="closed") == (Code.L7RSP, "body does not match")


def test_a_body_cut_short_is_judged_by_what_came():
    cut = LENGTH[:-3]
    assert read(cut, regexp="all is", end="closed")[0] is Code.L7OK
    assert read(cut, regexp="well", end="closed")[0] is Code.L7RSP
    assert read(cut, regexp="well", end="Connection reset by peer") == (
        Code.L7RSP,
        "body does not match; Connection reset by peer",
    )


@pytest.mark.parametrize(("came", "progress"), [(b"", "no answer"), (HEAD, "headers not complete")])
def test_a_close_before_the_headers_are_complete_is_not_an_answer(came, progress):
    assert read(came, end="closed") == (Code.L7RSP, f"closed with {progress}")


def test_interim_answers_are_passed_over():
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    assert read(interim) is None
    assert read(interim + LENGTH, regexp="well")[0] is Code.L7OK
    assert read(interim, end="closed") == (Code.L7RSP, "closed with headers not complete")


@pytest.mark.parametrize(
    "junk",
    [
        b"<html>it works</html>",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\xff\xfe binary \x80\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n",
        b"HTTP/3 200 OK\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n\r\n",
        b"\r\nRTSP/1.0 200 OK\r\n\r\n",
    ],
)
def test_junk_is_a_malformed_answer(junk):
    code, detail = read(junk)
    assert code is Code.L7RSP
    assert detail.startswith("malformed answer: expected a status line (HTTP/1.1 200), received ")
    assert detail.isprintable()


@pytest.mark.parametrize(
    ("junk", "received"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", '"SSH-2.0-OpenSSH_9.2"'),
        (b"\r\nRTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", '"RTSP/1.0 200 OK"'),
        (b"HTTP/3 200 OK\r\n\r\n", '"HTTP/3 200 OK"'),
        (b"<html>" + b"x" * 5000, '"<html>' + "x" * 31 + '..."'),
        (b"\x00\xff", '"\\x00\\xff"'),
        (b"\x15\x03\x01\x00\x02\x02\x46", "a TLS alert"),
    ],
)
def test_the_detail_of_a_malformed_answer_says_what_was_received(junk, received):
    assert read(junk)[1] == f"malformed answer: expected a status line (HTTP/1.1 200), received {received}"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"xyz\r\n", "chunk"),
        (b"f" * 20 + b"\r\n", "chunk"),
        (b"1;\x00\r\nx\r\n", "chunk"),
        (b"1\r\nxx\r\n", "chunk"),
        (b"0\r\nno colon\r\n\r\n", "trailer"),
    ],
)
def test_the_detail_of_broken_framing_is_in_our_words(body, what):
    verdict = read(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body, regexp="y")
    assert verdict == (Code.L7RSP, f"body does not match; malformed {what}")


@pytest.mark.parametrize("odd", ZOO, ids=[odd.name for odd in ZOO])
@pytest.mark.parametrize("regexp", [None, "well"])
def test_the_zoo_is_judged_as_the_documentation_says(odd, regexp):
    _haproxy, ours, _haproxy_regexp, ours_regexp, reason = read_page()[odd.name]
    assert judge(odd, regexp).name == (ours if regexp is None else ours_regexp)
    assert bool(reason) is bool(odd.why)


@pytest.mark.parametrize("odd", [odd for odd in ZOO if not odd.stays], ids=lambda odd: odd.name)
@pytest.mark.parametrize("regexp", [None, "well"])
def test_the_verdict_on_the_zoo_does_not_depend_on_where_the_bytes_are_split(odd, regexp):
    whole = b"".join(odd.sent)
    verdict = read(whole, regexp=regexp, end="closed")
    drip = read(*(bytes([byte]) for byte in whole), regexp=regexp, end="closed")
    assert drip[0] is verdict[0]
    assert drip == verdict or verdict[1].startswith("malformed")


def test_a_status_that_is_not_accepted_is_told_whatever_the_line_ends_and_the_headers():
    assert read(b"HTTP/1.1 503 No\nX: y\n\n") == (Code.L7STS, "status 503")
    assert read(b"HTTP/1.1 503 No\r\nno colon\r\n\r\n") == (Code.L7STS, "status 503")
    assert read(b"HTTP/1.1 99999 No\r\n\r\n") == (Code.L7STS, "status 99999")


def test_headers_read_plainly_may_follow_an_interim_answer():
    odd = b"HTTP/1.1 100 Continue\r\nno colon\r\n\r\n"
    assert read(odd) is None
    assert read(odd, LENGTH, regexp="well", end="closed") == (Code.L7OK, "status 200")
    assert read(odd + LENGTH, regexp="well", end="closed") == (Code.L7OK, "status 200")
    assert read(odd + b"SSH-2.0\r\n")[0] is Code.L7RSP


def test_a_body_after_headers_read_plainly_ends_with_the_connection():
    odd = HEAD + b"no colon\r\n\r\nall is"
    assert read(odd, b" well", regexp="all is well") is None
    assert read(odd, b" well", regexp="all is well", end="closed") == (Code.L7OK, "status 200")
    assert read(odd, b" sick", regexp="well", end="closed") == (Code.L7RSP, "body does not match")


TWICE = b"Content-Length: 11\r\nContent-Length: 11\r\n\r\n"
LIST = b"Content-Length: 11 , 11\r\n\r\n"


@pytest.mark.parametrize("rest", [TWICE, LIST])
@pytest.mark.parametrize("after", [b"", b"HTTP/1.1 500 what comes later\r\n\r\n"])
def test_equal_lengths_are_one_and_end_the_body_of_an_open_connection(rest, after):
    answer = HEAD + rest + b"all is well" + after
    assert read(answer, regexp="^all is well$") == (Code.L7OK, "status 200")
    assert read(*[answer[i : i + 1] for i in range(len(answer))], regexp="^all is well$") == (Code.L7OK, "status 200")
    assert read((HEAD + rest + b"all is wel"), regexp="well") is None
    assert read(HEAD + rest.replace(b"11", b"0"), regexp="^$") == (Code.L7OK, "status 200")


@pytest.mark.parametrize("other", [b"Content-Length: 12", b"Transfer-Encoding: x", b"Content-Length: " + b"1" * 5000])
def test_lengths_that_say_different_things_end_no_body(other):
    assert read(HEAD + other + b"\r\n" + TWICE + b"all is well", regexp="well") is None


@pytest.mark.parametrize("name", [b"Content-Encoding", b"content-encoding"])
def test_a_mismatch_of_a_compressed_body_says_so(name):
    body = HEAD + name + b": gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\0"
    assert read(body, regexp="well") == (Code.L7RSP, "body does not match; it is compressed (gzip)")
    assert read(body.replace(b"gzip", b"identity"), regexp="well") == (Code.L7RSP, "body does not match")
    assert read(body, regexp=".") == (Code.L7OK, "status 200")


def test_a_mismatch_of_a_body_compressed_for_the_transfer_says_so():
    body = HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n4\r\n\x1f\x8b\x08\0\r\n0\r\n\r\n"
    assert read(body, regexp="well") == (Code.L7RSP, "body does not match; it is compressed (gzip)")
    both = body.replace(b"Transfer", b"Content-Encoding: br\r\nTransfer")
    assert read(both, regexp="well") == (Code.L7RSP, "body does not match; it is compressed (br, gzip)")


OPEN_ENDED = {
    "line feeds only", "line feeds in pieces", "100 before 200, line feeds", "HTTP/1.0", "no header at all",
    "body until close, kept open", "unknown transfer coding", "identity as transfer coding", "chunked before gzip",
    "chunked, quoted", "Content-Length twice, not the same", "Content-Length of 30 digits", "negative Content-Length",
    "Content-Length with a plus", "Content-Length in letters", "Content-Length empty",
}  # fmt: skip
UNFINISHED = {
    "nothing", "nothing, kept open", "status line and nothing else", "status line without its end",
    "headers without an end", "headers, kept open", "body shorter than its length", "no last chunk",
}  # fmt: skip
MISUNDERSTOOD = {
    "carriage returns only",
    "two carriage returns per line",  # llhttp takes the second one for the end of the headers
    "line feeds in chunk framing",  # after a size, llhttp takes two line feeds for one line end
}
"""Answers whose framing llhttp reads in another way than its author meant it."""


def test_a_pattern_is_matched_while_the_connection_is_open_unless_only_its_end_is_the_end_of_the_body():
    waiting = {odd.name for odd in ZOO if read(*odd.sent, regexp="well") is None}
    assert waiting == OPEN_ENDED | UNFINISHED | MISUNDERSTOOD


def test_junk_after_the_end_does_not_matter():
    assert read(LENGTH + b"\x00junk", regexp="well")[0] is Code.L7OK
    assert read(HEAD + b"Transfer-Encoding: chunked\r\n\r\nnot a chunk") == (Code.L7OK, "status 200")


def test_a_second_answer_in_the_same_piece_does_not_matter():
    first, second = HEAD + b"Content-Length: 0\r\n\r\n", b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
    assert read(first + second) == (Code.L7OK, "status 200")
    assert read(second + first) == (Code.L7STS, "status 503")


def test_a_bad_chunk_is_malformed_when_the_body_counts():
    assert read(HEAD + b"Transfer-Encoding: chunked\r\n\r\nnot a chunk", regexp="x")[0] is Code.L7RSP


@pytest.mark.parametrize(
    ("regexp", "body", "found"),
    [
        ("caf.", b"caf\xe9", True),
        ("caf.$", b"caf\xc3\xa9", True),
        ("café", "café".encode(), True),
        ("café", b"caf\xe9", False),
        ("^.{3}$", b"\xff\xfe\xfd", True),
        ("ok", b"\xff\x00\xffok\xff", True),
    ],
)
def test_the_body_is_utf8_and_other_bytes_match_a_dot(regexp, body, found):
    verdict = Expectation.of(HttpParams(response_regexp=regexp)).judge_body(body, "")
    assert (verdict[0] is Code.L7OK) is found


def test_a_bad_pattern_is_refused_and_not_printed(capfd):
    with pytest.raises(re2.error):
        Expectation.of(HttpParams(response_regexp="(unclosed"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("answer", [LENGTH, CHUNKED, UNTIL_CLOSE, b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH])
@pytest.mark.parametrize("regexp", [None, "^all is well$"])
def test_the_verdict_does_not_depend_on_where_the_bytes_are_split(answer, regexp):
    whole = read(answer, regexp=regexp, end="closed")
    assert whole == (Code.L7OK, "status 200")
    for position in range(len(answer) + 1):
        assert read(answer[:position], answer[position:], regexp=regexp, end="closed") == whole
    assert read(*(bytes([byte]) for byte in answer), regexp=regexp, end="closed") == whole


def test_progress_tells_how_far_it_came():
    answer = Answer(Expectation.of(HttpParams(response_regexp="x")))
    seen = [answer.progress]
    for piece in (b"HTTP/1.1 200", b" OK\r\nContent-Length: 1\r\n\r\n", b"x"):
        answer.feed(piece)
        seen.append(answer.progress)
    assert seen == [Progress.NOTHING, Progress.HEADERS, Progress.BODY, Progress.END]


PIECES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([
        HEAD, b"\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"5\r\n", b"0\r\n\r\n", b"hello",
        b"HTTP/1.1 100 C\r\n\r\n", b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: h\r\n\r\n",
        b"Connection: upgrade\r\n",
        b"HTTP/1.1 204 N\r\n\r\n", b"HTTP/1.0 500 E\r\n\r\n", b"Set-Cookie: a=b\r\n", b"x" * 70000,
    ]),
)  # fmt: skip


@given(st.lists(PIECES, max_size=12), st.sampled_from([None, "hello", "(a+)+$"]), st.sampled_from(["closed", "reset"]))
def test_arbitrary_bytes_come_to_one_verdict_and_never_raise(pieces, regexp, end):
    answer = Answer(Expectation.of(HttpParams(response_regexp=regexp)))
    verdicts = []
    for piece in pieces:
        answer.feed(piece)
        verdicts.append(answer.verdict)
    verdicts.append(answer.end(end))
    answer.release()
    answer.feed(b"more")
    certain = [verdict for verdict in verdicts if verdict is not None]
    assert certain
    assert len(set(certain)) == 1
    code, detail = certain[0]
    assert code in {Code.L7OK, Code.L7RSP, Code.L7STS}
    assert detail.isprintable()
    assert len(detail) <= 200


def test_a_body_that_is_malformed_at_once_after_headers_read_plainly_ends_there():
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: , chunked ,\r\n\r\n"
    code, detail = read(head + b"nonsense\r\n", regexp="fine")
    assert code is Code.L7RSP
    assert "malformed chunk" in detail
