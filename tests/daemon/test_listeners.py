"""The front ends that options ask for, and those that this user may not have."""

import pytest

from maglev.daemon.listeners import listeners
from maglev.daemon.tap import build
from maglev.model.errors import StartError
from maglev.runtime.admission import Descriptors
from maglev.runtime.cooperator import Cooperator
from tests.fakes.certificates import Authority
from tests.fakes.daemon_parts import parse
from tests.fakes.logs import recorded_events
from tests.fakes.reactor import FakeReactor

pytestmark = pytest.mark.usefixtures("signals")

NOWHERE = ("--vpp-api-addr=", "--metrics-addr=")


def ends(path, *arguments):
    """Return the front ends by option, none of them started."""
    options = parse(f"--config={path}", *NOWHERE, *arguments)
    daemon = build(FakeReactor(), options)
    return [
        each.option
        for each in listeners(FakeReactor(), Cooperator(FakeReactor()), Descriptors(lambda: 0), options, daemon.control)
    ]


def test_there_are_three_by_default(path):
    assert ends(path) == ["ssh-addr", "pb-addr", "web-addr"]


def test_empty_addresses_switch_them_off(path):
    assert ends(path, "--ssh-addr=", "--pb-addr=", "--web-addr=") == []
    assert ends(path, "--ssh-addr=127.0.0.1:2222", "--pb-addr=", "--web-addr=") == ["ssh-addr"]
    assert ends(path, "--ssh-addr=", "--pb-addr=") == ["web-addr"]


def test_perspective_broker_over_tls_needs_three_files(path, tmp_path):
    with pytest.raises(StartError, match="needs --pb-tls-cert, --pb-tls-key and --pb-tls-ca"):
        ends(path, "--pb-addr=", "--pb-tls-addr=127.0.0.1:0")
    authority = Authority()
    certificate, key = authority.issue(tmp_path, "localhost")
    files = [f"--pb-tls-cert={certificate}", f"--pb-tls-key={key}"]
    files.append(f"--pb-tls-ca={authority.write_root(tmp_path)}")
    off = ("--ssh-addr=", "--pb-addr=", "--web-addr=")
    assert ends(path, *off, "--pb-tls-addr=127.0.0.1:0", *files) == ["pb-addr"]
    with pytest.raises(StartError, match="TLS of the control interface"):
        ends(path, "--pb-tls-addr=127.0.0.1:0", *files[:2], "--pb-tls-ca=/nowhere")


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--ssh-addr=here", '--ssh-addr: invalid address "here": expected HOST:PORT'),
        ("--pb-addr=here", '--pb-addr: invalid address "here": expected unix:PATH'),
        ("--pb-addr=unix:", "unix:PATH"),
        ("--web-addr=here", '--web-addr: invalid address "here": expected HOST:PORT'),
        ("--web-name=a b", '--web-name: invalid name "a b": expected a host name'),
    ],
)
def test_an_address_that_is_none_refuses_the_start(path, option, text):
    with pytest.raises(StartError, match=text):
        ends(path, option)


def start(path, *arguments):
    options = parse(f"--config={path}", *NOWHERE, "--ssh-addr=", "--web-addr=", *arguments)
    daemon = build(FakeReactor(), options)
    daemon.privilegedStartService()
    daemon.startService()
    return daemon


def test_one_that_was_asked_for_and_can_t_be_had_refuses_the_start(path):
    with pytest.raises(StartError, match="can't listen there"):
        start(path, "--pb-addr=unix:/proc/no/such/folder/pb.sock")


def test_one_at_its_default_that_this_user_may_not_have_is_left_out_and_told(path, monkeypatch):
    monkeypatch.setattr("maglev.daemon.options.SETTINGS", _with_default("pb-addr", "unix:/proc/no/such/folder/pb.sock"))
    with recorded_events() as events:
        daemon = start(path)
        daemon.stopService()
    (told,) = [fields for name, fields in events if name == "front-end-off"]
    assert told["option"] == "pb-addr"
    assert "can't listen there" in told["reason"]


def _with_default(name, default):
    from maglev.daemon.options import SETTINGS

    return tuple(each._replace(default=default) if each.name == name else each for each in SETTINGS)


def test_peers_over_tls_need_certificates_their_own_or_those_of_the_listener(path, tmp_path):
    words = "--peers needs --peers-tls-cert, --peers-tls-key and --peers-tls-ca, or those of --pb-tls-addr"
    with pytest.raises(StartError, match=words):
        ends(path, "--peers=lb2")
    authority = Authority()
    certificate, key = authority.issue(tmp_path, "localhost")
    root = authority.write_root(tmp_path)
    for prefix in ("pb", "peers"):
        files = [f"--{prefix}-tls-cert={certificate}", f"--{prefix}-tls-key={key}", f"--{prefix}-tls-ca={root}"]
        assert "pb-addr" in ends(path, "--peers=lb2,[2001:db8::3]:5", *files)
    with pytest.raises(StartError, match=r"--peers: TLS: .*nowhere"):
        ends(path, "--peers=lb2", *files[:2], "--peers-tls-ca=/nowhere")


def test_peers_have_valid_addresses_and_may_be_on_this_machine(path):
    assert "pb-addr" in ends(path, "--peers=unix:/run/other.sock")
    with pytest.raises(StartError, match='--peers: invalid address "lb2:x": expected unix:PATH'):
        ends(path, "--peers=lb1,lb2:x")
