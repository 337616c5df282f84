"""The way in and out: files of any content, names that clash, and the program itself."""

import os

import pytest

from maglev.daemon.program import run
from maglev.importers.convert import convert
from maglev.importers.draft.fitting import Names
from maglev.importers.draft.model import scaled
from maglev.importers.draft.source import LINE_LIMIT, SIZE_LIMIT

SITE = "listen site\n bind 192.0.2.1:80\n server s 10.0.0.1:80\n"


@pytest.mark.parametrize("program", ["haproxy", "keepalived"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"global\n\0\n", "line 2, column 1: parse error: not a text file: it contains a NUL"),
        (b"global\n# \xff\n", "line 2, column 1: parse error: is not UTF-8"),
        (b"global\n" + b"#" * (LINE_LIMIT + 1), f"is longer than {LINE_LIMIT} characters"),
        (b"#\n" * (SIZE_LIMIT // 2 + 1), "is larger than 4 MiB"),
        (os.urandom(64) + b"\0", "parse error"),
    ],
    ids=["nul", "latin", "long", "large", "random"],
)
def test_what_is_not_text_is_refused_with_its_place(tmp_path, program, content, said):
    path = tmp_path / "file"
    path.write_bytes(content)
    made = convert(program, str(path))
    assert (made.status, made.text) == (1, "")
    assert said in made.remarks[0]


@pytest.mark.parametrize("program", ["haproxy", "keepalived"])
def test_what_can_t_be_read_is_refused(tmp_path, program):
    for path, said in (
        (tmp_path / "none", "can't be read: No such file or directory"),
        (tmp_path, "can't be read: it is a directory"),
        ("a\0b", "can't be read: embedded null byte"),
    ):
        made = convert(program, str(path))
        assert (made.status, made.text) == (1, "")
        assert said in made.remarks[0]


def test_windows_ends_and_a_byte_order_mark_do_no_harm(tmp_path):
    path = tmp_path / "haproxy.cfg"
    path.write_bytes(b"\xef\xbb\xbf" + SITE.replace("\n", "\r\n").encode())
    assert convert("haproxy", str(path)).status == 0


@pytest.mark.parametrize(("weight", "most", "made"), [(0, 5, 0), (1, 256, 1), (256, 256, 100), (5, 10, 50), (0, 0, 0)])
def test_a_weight_that_is_not_0_never_becomes_0(weight, most, made):
    assert scaled(weight, most) == made


def test_names_are_given_once():
    names = Names()
    assert [names.give("a"), names.give("a", "b"), names.give("a", "b"), names.give("a", "b")] == [
        "a",
        "b",
        "b-2",
        "b-3",
    ]
    assert [names.give("c-2"), names.give("c"), names.give("c")] == ["c-2", "c", "c-3"]
    assert names.give("../x y") == "x-y"
    assert names.give("::") == "unnamed"
    assert len(names.give("x" * 100)) == len(names.give("x" * 200)) + 8 - len("-2") == 63


def test_the_program_writes_the_file_and_tells_the_rest(tmp_path, capsys):
    path = tmp_path / "haproxy.cfg"
    path.write_text(SITE)
    assert run(["--import-haproxy", str(path)]) == 0
    output, errors = capsys.readouterr()
    assert output == convert("haproxy", str(path)).text
    said = "1 frontend, 1 backend, 0 healthchecks; 0 lines without an equivalent listed at the end"
    assert errors == f"{path}: imported: {said}; valid; replace VPP's addresses\n"


def test_the_program_ends_as_the_check_does(tmp_path, capsys):
    path = tmp_path / "x"
    path.write_text(SITE.replace("192.0.2.1", "*"))
    assert run([f"--import-haproxy={path}"]) == 2
    assert run([f"--import-keepalived={path}"]) == 1
    assert run(["--import-haproxy", str(path), "--import-keepalived", str(path)]) == 64
    assert "are mutually exclusive" in capsys.readouterr().err


def test_a_server_with_the_address_of_a_vip_is_an_error_of_the_output(tmp_path):
    path = tmp_path / "haproxy.cfg"
    path.write_text("listen www\n    bind 192.0.2.1:80\n    mode tcp\n    server a 192.0.2.1:80 check\n")
    made = convert("haproxy", str(path))
    assert made.status == 2
    assert "192.0.2.1 is the address of maglev.frontends.www" in made.remarks[0]
