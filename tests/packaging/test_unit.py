"""The Debian packages, as far as that can be seen without building them: the unit, versions, and what is installed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from maglev.daemon.options import SETTINGS
from maglev.model.version import VERSION
from tests.layers import ROOT, SOURCES

DEBIAN = ROOT / "debian"
UNIT = DEBIAN / "vpp-maglevd.service"
LIMIT = 3.0
"""Of ``systemd-analyze security``."""


def settings(path):
    """Return {key: values} of a unit file."""
    found = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def analyze(*arguments):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(["systemd-analyze", *map(str, arguments)], check=False, capture_output=True, text=True)


@pytest.fixture(params=[False, True], ids=["as it is", "with a namespace"])
def unit(request, tmp_path):
    """A copy of the unit, alone and with the drop-in for a network namespace."""
    shutil.copy(UNIT, tmp_path)
    if request.param:
        (tmp_path / f"{UNIT.name}.d").mkdir()
        shutil.copy(DEBIAN / "examples/netns.conf", tmp_path / f"{UNIT.name}.d")
    return tmp_path / UNIT.name


def test_the_sandbox_of_the_service_is_tight(unit):
    done = analyze("security", "--offline=yes", f"--threshold={LIMIT * 10:.0f}", unit)
    assert done.returncode == 0, done.stdout + done.stderr
    (score,) = re.findall(r"Overall exposure level .*: ([\d.]+) ", done.stdout)
    assert 0 < float(score) < LIMIT


def test_systemd_understands_every_line_of_the_unit(unit):
    said = analyze("verify", "--man=no", unit).stderr
    # The program is not installed where the tests run, which is all that may be wrong.
    assert [line for line in said.splitlines() if "maglevd is not executable" not in line] == []


def test_the_security_figure_in_the_documentation_is_that_of_the_unit():
    text = (ROOT / "docs/install.rst").read_text()
    (shown,) = re.findall(r"vpp-maglevd.service: ([\d.]+) OK", text)
    done = analyze("security", "--offline=yes", UNIT)
    (score,) = re.findall(r"Overall exposure level .*: ([\d.]+) ", done.stdout)
    # Each version of systemd weighs a little differently.
    assert abs(float(shown) - float(score)) <= 0.5


def test_the_unit_asks_for_what_the_program_offers():
    unit = settings(UNIT)
    assert unit["Type"] == ["notify"]
    assert unit["ExecStart"] == ["/usr/sbin/maglevd"]
    assert unit["ExecReload"] == ["/usr/sbin/maglevd --check", "/bin/kill -HUP $MAINPID"]
    assert float(unit["WatchdogSec"][0].removesuffix("s")) > 0
    # Folders are named after the defaults of the options.
    defaults = {each.name: each.default for each in SETTINGS}
    assert f"/var/lib/{unit['StateDirectory'][0]}" == defaults["state-dir"]
    assert defaults["pb-addr"].startswith(f"unix:/run/{unit['RuntimeDirectory'][0]}/")
    assert unit["Group"] == [defaults["pb-operator-group"]]


def test_the_sandbox_lets_the_program_open_each_kind_of_socket_that_it_uses():
    used = {word for source in SOURCES.rglob("*.py") for word in re.findall(r"\bAF_[A-Z0-9]+", source.read_text())}
    assert used == set(settings(UNIT)["RestrictAddressFamilies"][0].split())


def test_neither_clients_nor_faults_can_take_all_memory_of_the_machine():
    unit = settings(UNIT)
    assert unit["MemoryMax"] == ["2G"]
    # The death of a worker, or of the process that reads a file, does not end the daemon.
    assert unit["OOMPolicy"] == ["continue"]


def test_only_the_drop_in_gives_the_right_to_enter_a_namespace():
    unit, drop_in = settings(UNIT), settings(DEBIAN / "examples/netns.conf")
    for key in ("AmbientCapabilities", "CapabilityBoundingSet"):
        assert unit[key] == ["CAP_NET_RAW"]
        assert drop_in[key] == ["CAP_NET_RAW CAP_SYS_ADMIN"]


def test_the_changelog_has_the_version_of_the_program():
    assert re.match(r"vpp-maglev \((\S+)\)", (DEBIAN / "changelog").read_text())[1] == VERSION


def test_the_options_in_etc_default_are_options():
    given = re.findall(r"^#?(MAGLEV_\w+)=(.*)$", (DEBIAN / "default/vpp-maglev").read_text(), re.MULTILINE)
    defaults = {each.variable: each.default for each in SETTINGS}
    assert len(given) > 3
    assert {name: defaults.get(name) for name, _ in given} == dict(given)


def test_each_manual_page_is_in_a_package():
    lists = [DEBIAN / f"{package}.manpages" for package in ("vpp-maglev", "vpp-maglevd")]
    named = [line for path in lists for line in path.read_text().splitlines()]
    assert sorted(named) == sorted(f"man/{path.name}" for path in (ROOT / "man").iterdir())


def test_what_the_packages_take_from_here_is_here():
    for path in DEBIAN.glob("vpp-maglev*.*"):
        if path.suffix in {".install", ".docs", ".examples", ".manpages"}:
            for line in path.read_text().splitlines():
                wanted = line.split()[:-1] if path.suffix == ".install" else line.split()
                assert all(list(ROOT.glob(each)) for each in wanted), line


def test_the_scripts_of_the_packages_are_good_shell():
    scripts = [*DEBIAN.glob("*.postinst"), *DEBIAN.glob("*.prerm"), *DEBIAN.glob("*.postrm"), DEBIAN / "settle-venv"]
    assert len(scripts) == 4
    for script in scripts:
        assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0


# The container


def test_the_dockerfile_is_clean():
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run(
        [hadolint, "--no-color", str(ROOT / "Dockerfile")], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_container_has_what_the_packages_are_built_with():
    needed = (DEBIAN / "control").read_text().partition("Build-Depends:\n")[2].partition("Standards-Version")[0]
    names = set(re.findall(r"^ ([a-z0-9-]+)", needed, re.MULTILINE)) - {"debhelper-compat", "python3"}
    text = (ROOT / "Dockerfile").read_text()
    assert {name for name in names if f" {name} " not in text and f" {name}\n" not in text} == set()
    assert "debhelper" in text
    ignored = set((ROOT / ".dockerignore").read_text().split())
    assert not ignored & {"debian", "docs", "man", "maglev", "twisted", "requirements.lock"}


# What is pinned


def pinned():
    """Return {name: (version, number of hashes)} of the lock file."""
    text = (ROOT / "requirements.lock").read_text()
    entries = re.findall(r"^([a-z0-9-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", text, re.MULTILINE)
    assert len(entries) == len([line for line in text.splitlines() if re.match(r"[a-z]", line)])
    return {name: (version, hashes.count("--hash=")) for name, version, hashes in entries}


def test_every_library_is_pinned_with_the_hashes_of_its_files():
    assert len(pinned()) >= 20
    assert all(hashes for _, hashes in pinned().values())


def test_everything_that_the_program_needs_is_pinned_in_a_version_that_it_takes():
    requirements = (ROOT / "setup.cfg").read_text().partition("install_requires =\n")[2].partition("\n\n")[0]
    wanted = re.findall(r"^    ([a-z.0-9-]+)(?:\[.*\])?>=([\d.]+)$", requirements, re.MULTILINE)
    assert len(wanted) >= 12
    held = pinned()
    for name, least in wanted:
        version, _ = held[name.replace(".", "-")]
        assert numbers(version) >= numbers(least), name


def numbers(version):
    return [int(part) for part in version.split(".")]


def test_no_file_of_the_packaging_names_a_host_to_fetch_from():
    paths = [ROOT / "requirements.lock", ROOT / "Dockerfile", *(path for path in DEBIAN.rglob("*") if path.is_file())]
    for path in paths:
        found = re.findall(r"(?:https?://|--index-url|--find-links|--trusted-host)\S*", path.read_text())
        assert [each for each in found if not each.startswith("https://www.debian.org/doc/")] == [], path
