"""What sentences of the documentation say in passing: ports, commands for an operator's shell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maglev.daemon.options import Options
from maglev.demo.fixtures import PORT
from maglev.demo.service import SWITCH_PORT
from maglev.ssh.algorithms import CIPHERS, COMPRESSIONS, HOST_KEYS, KEY_EXCHANGES, MACS
from maglev.ssh.packet_transport import STRICT_SERVER

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.rst", *sorted((ROOT / "docs").glob("*.rst")), *sorted((ROOT / "man").glob("*.[0-9]"))]


def test_the_ports_of_the_demonstration_are_those_that_it_listens_on():
    text = " ".join((ROOT / "docs" / "operation.rst").read_text().split())
    [sentence] = re.findall(r"``--demo`` \((.*?)\)", text)

    assert set(map(int, re.findall(r"\b\d{4}\b", sentence))) == {PORT, SWITCH_PORT}
    assert "those of the metrics and SSH listeners" in sentence


@pytest.mark.parametrize("option", ["metrics-addr", "ssh-addr"])
def test_the_default_addresses_are_those_of_the_options(option):
    options = Options()
    options.parseOptions([])

    assert f"``--{option}``; ``{options[option]}``" in (ROOT / "docs" / "operation.rst").read_text()


def test_the_algorithms_of_the_console_are_those_that_it_offers():
    text = (ROOT / "docs" / "security.rst").read_text()
    table = text.partition("The console offers these algorithms")[2].partition("*Prefix truncation*")[0]
    rows = [re.findall(r"``(.+?)``", row) for row in table.split("   * - ")[2:]]
    offered = [KEY_EXCHANGES, HOST_KEYS, CIPHERS, MACS]
    wanted = [[name.decode() for name in names if name != STRICT_SERVER] for names in offered]
    if b"mlkem768x25519-sha256" not in KEY_EXCHANGES:
        wanted[0].insert(0, "mlkem768x25519-sha256")

    assert rows == [*wanted, []]
    assert COMPRESSIONS == (b"none",)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_page_signals_every_process_of_a_name(path):
    if path.name == "tutorial.rst":
        return  # its machine is a namespace of its own, with one daemon
    text = path.read_text().replace("\\-", "-")

    assert not re.findall(r"kill [^\n]*pidof|\bpkill\b|\bkillall\b", text)


def test_units_that_are_named_exist():
    units = {path.name.removesuffix(".service") for path in (ROOT / "debian").glob("*.service")}
    for path in PAGES:
        named = re.findall(
            r"systemctl (?:reload|restart|start|stop|status) (vpp-[a-z-]+)", path.read_text().replace("\\-", "-")
        )
        assert set(named) <= units, path.name
