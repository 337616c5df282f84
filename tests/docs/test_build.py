"""The pages become HTML without a warning, and none is left out."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.docs.blocks import PAGES, ROOT

pytest.importorskip("sphinx", reason="Sphinx is not installed (the extra docs)")


def build(source, target):
    """Do what ``make docs`` does; return the exit status and what it says."""
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"]
    done = subprocess.run(
        [*command, "--doctree-dir", str(target / "doctrees"), str(source), str(target / "html")],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.real
def test_the_pages_are_built_without_a_warning(tmp_path):
    assert build(ROOT / "docs", tmp_path) == (0, "")

    made = {path.stem for path in (tmp_path / "html").glob("*.html")}
    assert made >= {name.removesuffix(".rst") for name in PAGES if name != "README.rst"}
    for page in (tmp_path / "html").glob("*.html"):
        fetched = re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=\"(https?:[^\"]*)", page.read_text())
        assert fetched == [], f"{page.name} fetches something from elsewhere"


@pytest.mark.real
def test_a_warning_fails_the_build(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "conf.py").write_text("project = 'broken'\n")
    (source / "index.rst").write_text("Broken\n======\n\n:doc:`nowhere`\n")

    status, said = build(source, tmp_path)

    assert status != 0
    assert "unknown document: 'nowhere'" in said


def test_make_builds_as_the_test_does():
    rule = re.search(r"^docs: .*\n\t(.*)\n", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]

    assert "sphinx-build --fail-on-warning --keep-going --nitpicky --quiet docs build/docs" in rule


def test_every_link_of_the_readme_leads_somewhere():
    links = re.findall(r"<([^>]*)>`_", PAGES["README.rst"].read_text())

    assert len(links) > 8
    assert [link for link in links if not (ROOT / link).exists()] == []
