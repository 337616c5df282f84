"""The wheel, installed beside what it needs: its four programs run, from a folder that is not the checkout."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest

from maglev.model.version import VERSION
from tests.layers import ROOT, modules

pytestmark = pytest.mark.real

BESIDE = ("Makefile", "Dockerfile", "requirements.lock")
"""What the packages and the container are made with; no part of a wheel."""

LEFT_OUT = shutil.ignore_patterns("__pycache__", "dropin.cache", "*.egg-info")


def run(*command, folder):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAGLEV_", "PYTHON"))}
    return subprocess.run(
        [str(each) for each in command], check=False, cwd=folder, env=environment, capture_output=True, text=True
    )


def succeed(*command, folder):
    done = run(*command, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("wheel")


@pytest.fixture(scope="module")
def sdist(place):
    """The source distribution, made from a copy of the checkout."""
    pytest.importorskip("setuptools")
    source = place / "source"
    source.mkdir()
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.rst", "LICENSE", "MANIFEST.in", *BESIDE):
        shutil.copy(ROOT / name, source)
    for name in ("maglev", "twisted", "debian", "man"):
        shutil.copytree(ROOT / name, source / name, ignore=LEFT_OUT)
    succeed(sys.executable, "-W", "ignore", "setup.py", "-q", "sdist", "--dist-dir", place, folder=source)
    (made,) = place.glob("*.tar.gz")
    return made


@pytest.fixture(scope="module")
def programs(place, sdist):
    """The programs' folder of an environment in which the wheel of the sdist is installed, and nothing else of ours.

    The libraries are those of the tests: fetching them is not what this is about.
    """
    unpacked = place / "unpacked"
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (source,) = unpacked.iterdir()
    wheels = place / "wheels"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    wheel = run(*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", wheels, source, folder=place)
    if "invalid command 'bdist_wheel'" in wheel.stderr:
        pytest.skip("this setuptools needs the package wheel")
    assert wheel.returncode == 0, wheel.stderr
    home = place / "venv"
    venv.create(home, symlinks=True)
    (libraries,) = home.glob("lib/python3*/site-packages")
    ours = place / "libraries"
    ours.mkdir()
    for entry in Path(pytest.__file__).parents[1].iterdir():
        # All but what makes this very checkout importable.
        if not entry.name.startswith(("maglev", "vpp_maglev", "__editable__")) and entry.suffix not in {
            ".pth",
            ".egg-link",
        }:
            (ours / entry.name).symlink_to(entry)
    (libraries / "libraries.pth").write_text(f"{ours}\n")
    (made,) = wheels.iterdir()
    install = ("install", "--no-deps", "--no-index", "--no-compile", made)
    succeed(*pip, "--python", home / "bin/python", *install, folder=place)
    return home / "bin"


def test_the_sdist_has_what_a_build_needs(sdist):
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"setup.py", "setup.cfg", "pyproject.toml", "README.rst", "LICENSE", "twisted/plugins/maglev_plugin.py"}
    needed |= {str(path.relative_to(ROOT)) for path in modules().values()}
    needed |= {*BESIDE, "debian/control", "man/maglevd.8"}
    assert needed <= held


def test_the_programs_of_the_wheel_run(programs, place):
    for name in ("maglevd", "maglevc", "maglevt", "maglev-vppsim"):
        assert succeed(programs / name, "--version", folder=place) == f"{name} {VERSION}\n"


def test_the_daemon_of_the_wheel_checks_a_file(programs, place):
    done = run(programs / "maglevd", "--check", "--config", ROOT / "debian/maglev.yaml", folder=place)
    assert (done.returncode, done.stderr) == (0, "")


def test_twistd_finds_the_plugin_of_the_wheel(programs, place):
    code = "import sys; sys.argv[0] = 'twistd'; from twisted.scripts.twistd import run; run()"
    python = (programs / "python", "-c", code)
    assert succeed(*python, "-n", "--pidfile=", "maglev", "--version", folder=place) == f"maglevd {VERSION}\n"


def test_the_wheel_is_what_runs(programs, place):
    code = "import maglev, twisted.plugins.maglev_plugin as p; print(maglev.__file__, p.__file__)"
    for path in succeed(programs / "python", "-c", code, folder=place).split():
        assert str(programs.parent / "lib") in path
