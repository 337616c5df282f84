"""Included files: what they may have, in which order they come, and where an error in them is said to be."""

from __future__ import annotations

import os

import pytest

from maglev.config import includes as module
from maglev.config.check import report
from maglev.config.child_loader import LARGE, read
from maglev.config.filekinds import PATTERNS
from maglev.config.load import load_file, load_text
from maglev.config.packing import unpack
from maglev.model.errors import ConfigError
from maglev.model.problem import ProblemKind, problem_view

MAIN = """\
include: {include}
maglev:
  vpp: {{lb: {{ipv4-src-address: 192.0.2.254, ipv6-src-address: "2001:db8::fe"}}}}
  healthchecks: {{web: {{type: tcp, port: 80, interval: 1s, timeout: 1s}}}}
  backends: {{www1: {{address: 198.51.100.1, healthcheck: web}}}}
"""

SITE = """\
maglev:
  backends:
    www2: {address: 198.51.100.2, healthcheck: web}
  frontends:
    site: {address: 192.0.2.1, protocol: tcp, port: 80, pools: [{name: p, backends: {www1: {}, www2: {}}}]}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "conf.d").mkdir()
    return tmp_path


def write(folder, include="conf.d/*.yaml", **files):
    """Write the files, and return the path of the first."""
    for name, text in files.items():
        (folder / "conf.d" / f"{name}.yaml").write_text(text)
    path = folder / "maglev.yaml"
    path.write_text(MAIN.format(include=include))
    return path


def problems(path):
    with pytest.raises(ConfigError) as caught:
        load_file(path)
    return caught.value.problems


def texts(path):
    return [str(problem).replace(str(path.parent), "") for problem in problems(path)]


def test_an_included_file_adds_to_the_sections(folder):
    config = load_file(write(folder, site=SITE)).config
    assert list(config.backends) == ["www1", "www2"]
    assert list(config.frontends) == ["site"]


def test_files_of_a_pattern_come_in_the_order_of_their_names(folder):
    one = "maglev: {{backends: {{{0}: {{address: 198.51.100.{1}}}}}}}\n"
    files = {name: one.format(f"b-{name}", number) for number, name in enumerate(["zeta", "alpha", "mu"], 10)}
    assert list(load_file(write(folder, **files)).config.backends) == ["www1", "b-alpha", "b-mu", "b-zeta"]
    path = write(folder, "[conf.d/mu.yaml, conf.d/*.yaml]")
    assert list(load_file(path).config.backends) == ["www1", "b-mu", "b-alpha", "b-zeta"]


@pytest.mark.parametrize("include", ["", "[]", "~", "conf.d/*.yml", '""', "[conf.d/*.yml]"])
def test_nothing_to_include_is_fine(folder, include):
    assert list(load_file(write(folder, include)).config.backends) == ["www1"]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "maglev:\n", "maglev: {backends: }\n", "---\n"])
def test_an_empty_file_adds_nothing(folder, text):
    assert list(load_file(write(folder, one=text)).config.backends) == ["www1"]


def test_a_file_may_be_named_by_its_absolute_path_and_from_above(folder):
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "site.yaml").write_text(SITE)
    assert "site" in load_file(write(folder, f"{elsewhere}/*.yaml")).config.frontends
    assert "site" in load_file(write(folder, f"../{folder.name}/elsewhere/site.yaml")).config.frontends


def test_the_first_file_needs_no_section_of_its_own(folder):
    path = write(folder, site=SITE)
    path.write_text("include: conf.d/*.yaml\n")
    first = problems(path)[0]
    assert (first.path, first.file, first.line) == ("maglev.vpp.lb.ipv4-src-address", "", 1)
    path.write_text(MAIN.format(include="conf.d/*.yaml").replace("  backends", "  frontends:\n  backends"))
    assert "site" in load_file(path).config.frontends


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("maglev: [\n", "/conf.d/one.yaml: line 2, column 1: parse error: did not find expected node content, while parsing a flow node"),  # noqa: E501
        ("\n\nmaglev:\n\tx: 1\n", "/conf.d/one.yaml: line 4, column 1: parse error"),
        ("maglev: {backends: {b: {adress: 198.51.100.9}}}\n", "/conf.d/one.yaml: line 1, column 25: parse error: maglev.backends.b.adress"),  # noqa: E501
        ("maglev:\n  backends:\n    www1: {}\n", "/conf.d/one.yaml: line 3, column 5: parse error: maglev.backends.www1: duplicate key, already defined at line 5"),  # noqa: E501
        ("maglev: {vpp: {}}\n", "/conf.d/one.yaml: line 1, column 10: parse error: maglev.vpp: an included file has healthchecks and backends and frontends only"),  # noqa: E501
        ("include: more.yaml\n", "/conf.d/one.yaml: line 1, column 1: parse error: include: an included file has maglev only"),  # noqa: E501
        ("maglev: {backend: {}}\n", "only; did you mean 'backends'?"),
        ("[1]\n", "/conf.d/one.yaml: line 1, column 1: parse error: must be a map (maglev), not a list"),
        ("maglev: 5\n", "/conf.d/one.yaml: line 1, column 9: parse error: maglev: must be a map (healthchecks, backends, frontends), not 5"),  # noqa: E501
        ("maglev: {backends: 5}\n", "/conf.d/one.yaml: line 1, column 20: parse error: maglev.backends: must be a map"),
        ("a: 1\n---\nb: 2\n", "/conf.d/one.yaml: line 2, column 1: parse error: only one document"),
        ("maglev: {backends: {b: *x}}\n", "/conf.d/one.yaml: line 1, column 24: parse error: maglev.backends.b: unknown anchor"),  # noqa: E501
        ("maglev: !!set {a, b}\n", "/conf.d/one.yaml: line 1, column 9: parse error: maglev: tag !!set is not supported here"),  # noqa: E501
        ("\x07\n", "/conf.d/one.yaml: line 1, column 1: parse error: the character"),
    ],
)  # fmt: skip
def test_an_error_is_where_it_is(folder, text, expected):
    assert expected in "\n".join(texts(write(folder, one=text)))


def test_an_error_in_the_first_file_has_no_other_name(folder):
    path = write(folder, site=SITE)
    path.write_text(path.read_text().replace("port: 80,", "port: 0,"))
    (problem,) = problems(path)
    assert (problem.file, problem.line) == ("", 4)
    assert report(path)[0][0].startswith(f"{path}: line 4, column ")


def test_two_included_files_with_one_name(folder):
    path = write(folder, a="\n" + SITE.replace("www2", "www3").replace("site", "other"), b=SITE, c=SITE)
    found = texts(path)
    assert any(
        "c.yaml: line 3, column 5" in text and "already defined at line 3 of /conf.d/b.yaml" in text for text in found
    )
    assert any(
        "frontends.site: has the same address" in text and "(line 6 of /conf.d/a.yaml)" in text for text in found
    )


def test_the_report_names_the_file_once(folder):
    path = write(folder, one="maglev: 5\n")
    lines, status = report(path)
    assert status == 1
    assert lines[0].startswith(f"{folder}/conf.d/one.yaml: line 1, column 9: parse error: ")
    assert lines[-1].startswith(f"{path}: not valid")
    (problem,) = problems(path)
    assert problem_view(problem)["file"] == f"{folder}/conf.d/one.yaml"


def test_a_file_of_another_encoding(folder):
    path = write(folder)
    (folder / "conf.d/one.yaml").write_bytes(b"maglev:\n  # \xff\n")
    assert texts(path) == ["/conf.d/one.yaml: line 2, column 5: parse error: is not UTF-8"]


def test_a_byte_order_mark_is_skipped(folder):
    path = write(folder)
    (folder / "conf.d/site.yaml").write_text("\ufeff" + SITE)
    assert "site" in load_file(path).config.frontends


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_fifos_and_folders_are_refused_at_once(folder, make):
    path = write(folder)
    make(folder / "conf.d/odd.yaml")
    (text,) = texts(path)
    assert "line 1, column 10: parse error: include: /conf.d/odd.yaml: can't be read: it is" in text.replace(
        "maglev.yaml", ""
    )


def test_a_name_without_wildcards_must_be_there(folder):
    (text,) = texts(write(folder, "[conf.d/a*.yaml, conf.d/mail.yaml]"))
    assert (
        text == "line 1, column 27: parse error: include: /conf.d/mail.yaml: can't be read: No such file or directory"
    )


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ("{a: 1}", "must be a file name (at most 100, of 1024 characters), not a map"),
        ("[[a]]", "include[0]: "),
        (f"[{', '.join(['a'] * 101)}]", "must be at most 100 names, not 101"),
        ("a" * 1025, "invalid file name"),
        ('"a\\0b"', "invalid file name"),
    ],
)
def test_names_that_cannot_be(folder, include, expected):
    assert any(expected in text for text in texts(write(folder, include))), texts(write(folder, include))


@pytest.mark.parametrize("maglev", ["5", "[]"])
def test_a_broken_section_is_reported_once(folder, maglev):
    path = write(folder, site=SITE)
    path.write_text(f"include: conf.d/*.yaml\nmaglev: {maglev}\n")
    assert len(texts(path)) == 1


def test_sections_that_are_no_maps(folder):
    path = write(
        folder, a="maglev: {backends: }\n", b="maglev: {backends: 5}\n", c="maglev: {backends: !x {}}", site=SITE
    )
    assert ["maglev.backends: must be a map" in text for text in texts(path)].count(True) == 1
    path.write_text(MAIN.format(include="conf.d/*.yaml").replace("backends: {www1", "backends: 7 #"))
    assert any("line 5" in text and "backends: must be a map" in text for text in texts(path))


def test_a_file_is_taken_once_and_never_by_itself(folder):
    path = write(folder, "[conf.d/*.yaml, conf.d/site.yaml, ./maglev.yaml]", site=SITE)
    (folder / "conf.d/again.yaml").symlink_to("site.yaml")
    assert list(load_file(path).config.frontends) == ["site"]


def test_a_text_has_nothing_to_include(folder):
    with pytest.raises(ConfigError, match="works only in a file"):
        load_text(write(folder).read_text())


# Bounds: of all files together


def test_the_number_of_files_is_bounded(folder, monkeypatch):
    monkeypatch.setattr(module, "MOST_FILES", 2)
    path = write(folder, a="", b="", c="", d="")
    assert texts(path) == ["line 1, column 10: semantic error: include: more than 2 files"]
    assert problems(path)[0].kind is ProblemKind.SEMANTIC


def test_the_size_of_all_files_is_bounded(folder, monkeypatch):
    path = write(folder, a="# " + "x" * 1000, b="# " + "x" * 1000, c="")
    limit = path.stat().st_size + 1500
    monkeypatch.setattr("maglev.config.load.SIZE_LIMIT", limit)
    assert [text.split(": ")[3:] for text in texts(path)] == [
        ["/conf.d/b.yaml", "all files together are larger than 0 MiB"]
    ]


def test_the_nodes_of_all_files_are_bounded(folder, monkeypatch):
    many = "maglev: {backends: {" + ", ".join(f"b{n}: {{address: 198.51.100.{n}}}" for n in range(20)) + "}}\n"
    path = write(folder, a=many, b=many.replace("b", "c").replace("cackends", "backends").replace("100.", "101."))
    assert len(load_file(path).config.backends) == 41
    monkeypatch.setattr(module, "NODE_LIMIT", 150)
    (text,) = texts(path)
    assert text.startswith("/conf.d/b.yaml: line 1, column ")
    assert "values, counting repetitions by aliases" in text


def test_a_large_file_is_read_elsewhere_also_if_only_the_included_ones_are_large(folder, monkeypatch):
    monkeypatch.setattr("maglev.config.child_loader.load_file", lambda _path: pytest.fail("read in this process"))
    path = write(folder, site=SITE, pad="# " + "x" * LARGE)
    assert "site" in unpack(read(str(path))).config.frontends
    (folder / "conf.d/bad.yaml").write_text("maglev: 5\n")
    with pytest.raises(ConfigError) as caught:
        read(str(path))
    assert caught.value.problems[0].file.endswith("bad.yaml")


@pytest.mark.parametrize("include", ["conf.d/*.yaml", "[[a]]", "[", "conf.d/missing.yaml", "~"])
def test_the_size_of_what_cannot_be_read_is_that_of_the_rest(folder, include):
    path = write(folder, include, one="x")
    extra = 1 if "*" in include else 0
    assert module.size_of(path, LARGE) == path.stat().st_size + extra
    assert module.size_of(folder / "none.yaml", LARGE) == 0
    assert module.size_of(path, 10) == path.stat().st_size


def test_names_are_spelled_as_in_a_file():
    assert PATTERNS.spell(("conf.d/*.yaml",)) == "conf.d/*.yaml"
    assert PATTERNS.spell(("a.yaml", "b.yaml")) == "[a.yaml, b.yaml]"
