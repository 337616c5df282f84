"""Key files, the host key, and what of them is believed."""

from __future__ import annotations

import base64
import contextlib
import os
import struct

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key

from maglev.model.caller import Role
from maglev.model.errors import StartError
from maglev.ssh.hostkey import FILE_NAME, host_key
from maglev.ssh.keyfile import LINE_LIMIT, AuthorizedKey, BadLine, KeyLineError, parse_keys, parse_line
from maglev.ssh.keyring import SIZE_LIMIT, KeyRing
from tests.fakes.logs import recorded_events

KEY = Key(Ed25519PrivateKey.generate())
OTHER = Key(Ed25519PrivateKey.generate())


def line_of(key, comment=b"ada"):
    return key.public().toString("OPENSSH") + (b" " + comment if comment else b"")


GOOD = line_of(KEY)
TYPE, ENCODED, _ = GOOD.split(b" ")
P256 = b"ecdsa-sha2-nistp256"
BLOB = base64.b64decode(ENCODED)


def b64(blob):
    return base64.b64encode(blob)


def test_a_line_is_a_type_a_key_and_a_comment():
    key = parse_line(GOOD + b" of  example")

    assert (key.name, key.type, key.blob, key.application) == ("ada of  example", b"ssh-ed25519", BLOB, b"")
    assert parse_line(b"ssh-ed25519\t" + ENCODED + b"\tbob").name == "bob"


def test_a_key_without_a_comment_is_named_by_its_fingerprint():
    key = parse_line(line_of(KEY, b""))

    assert key.name == key.fingerprint
    assert key.fingerprint.startswith("SHA256:")
    assert len(key.fingerprint) == len("SHA256:") + 43


def test_the_name_is_printable_whatever_the_comment():
    name = parse_line(GOOD + b"\x1b[31m \xff \xe2\x80\xae").name

    assert name.isascii()
    assert name.isprintable()
    assert len(parse_line(GOOD + b"x" * 5000).name) <= 200


def str_only(value):
    """Return the name of a case: keys are new in each run, and must not be part of it."""
    return value if isinstance(value, str) else "-"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"ssh-ed25519", "expected a key after its type"),
        (b"ssh-ed25519 !!!! ada", "base64"),
        (b"ssh-ed25519 " + ENCODED[:-3], "base64"),
        (b"ssh-ed25519 " + b64(BLOB[:-4]), "damaged"),
        (b"ssh-ed25519 " + b64(BLOB[:3]), "damaged"),
        (b"ssh-ed25519 " + b64(BLOB + b"x"), "unexpected bytes after the key"),
        (b"ssh-rsa " + ENCODED, "the key does not match its type"),
        (b"ssh-rsa " + b64(NS(b"ssh-rsa")), "damaged"),
        (b"ssh-rsa " + b64(NS(b"ssh-rsa") + NS(b"\3") + NS(b"")), "damaged"),
        (
            b"ecdsa-sha2-nistp256 " + b64(NS(b"ecdsa-sha2-nistp256") + NS(b"nistp256") + NS(b"\4" + b"x" * 64)),
            "damaged",
        ),
        (b"sk-ssh-ed25519@openssh.com " + b64(NS(b"sk-ssh-ed25519@openssh.com") + NS(b"x" * 32)), "damaged"),
        (line_of(Key(dsa.generate_private_key(1024))), "keys of type ssh-dss are not accepted"),
        (line_of(Key(rsa.generate_private_key(65537, 1024))), "too short"),
        (b"ssh-ed25519-cert-v01@openssh.com AAAA", "are not accepted"),
        (b"ssh-future AAAA", "keys of type ssh-future are not accepted"),
        (b'from="192.0.2.*" ' + GOOD, "options"),
        (b"restrict " + GOOD, "options"),
        (b'command="/bin/false",no-pty ' + GOOD, "options"),
        (b"---- BEGIN SSH2 PUBLIC KEY ----", "options"),
        (b"\x00\xff\x1b]0;x\x07", "options"),
        (b"ssh-ed25519 " + b"A" * LINE_LIMIT, "too long"),
    ],
    ids=str_only,
)
def test_a_bad_line_says_what_is_wrong_and_disables_only_itself(line, reason):
    entries = list(parse_keys(GOOD + b"\n\n# comment\n  " + line + b"\n" + line_of(OTHER, b"bob") + b"\n"))

    assert [entry.name for entry in entries if isinstance(entry, AuthorizedKey)] == ["ada", "bob"]
    bad = [entry for entry in entries if isinstance(entry, BadLine)]
    assert [entry.number for entry in bad] == [4]
    assert reason in bad[0].reason
    assert bad[0].reason.isprintable()
    assert bad[0].reason.isascii()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_key_or_a_bad_line(data):
    for entry in parse_keys(data):
        assert isinstance(entry, AuthorizedKey | BadLine)


@given(st.sampled_from([b"ssh-ed25519", b"ssh-rsa", b"ecdsa-sha2-nistp256"]), st.binary(max_size=100))
def test_any_key_is_a_key_or_a_bad_line(kind, rest):
    with contextlib.suppress(KeyLineError):
        parse_line(kind + b" " + b64(struct.pack(">L", len(kind)) + kind + rest))


# Files


@pytest.fixture
def ring(tmp_path):
    return KeyRing({Role.OPERATOR: str(tmp_path / "operators"), Role.VIEWER: str(tmp_path / "viewers")})


def put(path, content):
    """Replace a file as an editor does, so that it is another one."""
    draft = path.with_name("draft")
    draft.write_bytes(content)
    draft.chmod(0o644)
    draft.replace(path)


def test_a_key_has_the_role_of_its_file_and_operators_come_first(ring, tmp_path):
    put(tmp_path / "viewers", GOOD + b"\n" + line_of(OTHER, b"bob"))
    assert ring.find(KEY.public().blob()).role is Role.VIEWER
    put(tmp_path / "operators", GOOD)

    assert ring.find(KEY.public().blob()).role is Role.OPERATOR
    assert ring.find(OTHER.public().blob()).role is Role.VIEWER


def test_a_changed_file_counts_at_once(ring, tmp_path):
    path = tmp_path / "operators"
    assert ring.find(KEY.public().blob()) is None
    put(path, GOOD)
    assert ring.find(KEY.public().blob()).key.name == "ada"
    put(path, line_of(OTHER))
    assert ring.find(KEY.public().blob()) is None
    path.unlink()
    assert ring.find(OTHER.public().blob()) is None


def test_a_change_of_the_same_size_and_inode_counts_too(ring, tmp_path):
    path = tmp_path / "operators"
    path.write_bytes(GOOD)
    os.utime(path, ns=(1, 1))
    assert ring.find(KEY.public().blob())
    path.write_bytes(line_of(OTHER))
    os.utime(path, ns=(2, 2))

    assert ring.find(KEY.public().blob()) is None
    assert ring.find(OTHER.public().blob())


def test_an_unchanged_file_is_not_read_again(ring, tmp_path):
    put(tmp_path / "operators", GOOD + b"\nrubbish\n")
    with recorded_events() as events:
        for _ in range(5):
            ring.find(KEY.public().blob())

    assert [name for name, _ in events] == ["ssh-key-refused", "ssh-keys"]
    assert events[0][1]["line"] == 2
    assert events[0][1]["file"] == str(tmp_path / "operators")


def test_a_file_that_is_too_large_lets_nobody_in(ring, tmp_path):
    put(tmp_path / "operators", GOOD + b"\n" + b"#" * SIZE_LIMIT)
    with recorded_events() as events:
        assert ring.find(KEY.public().blob()) is None

    assert "larger" in events[0][1]["reason"]


def test_a_file_that_others_may_write_lets_nobody_in(ring, tmp_path):
    path = tmp_path / "operators"
    path.write_bytes(GOOD)
    path.chmod(0o666)
    assert ring.find(KEY.public().blob()) is None
    path.chmod(0o644)
    assert ring.find(KEY.public().blob())


def test_a_pipe_or_a_directory_in_place_of_a_file_stops_nothing(ring, tmp_path):
    os.mkfifo(tmp_path / "operators")
    (tmp_path / "viewers").mkdir()

    assert ring.find(KEY.public().blob()) is None


# The host key


def test_the_host_key_is_made_once_and_only_we_may_read_it(tmp_path):
    state = tmp_path / "a" / "b"
    old = os.umask(0o022)
    try:
        first = host_key(str(state))
    finally:
        os.umask(old)

    assert first.sshType() == b"ssh-ed25519"
    assert (state / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in state.iterdir()] == [FILE_NAME]
    assert host_key(str(state)).blob() == first.blob()


def test_a_key_made_under_a_strange_umask_has_the_right_mode(tmp_path):
    old = os.umask(0o277)
    try:
        host_key(str(tmp_path))
    finally:
        os.umask(old)

    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o755])
def test_a_host_key_that_others_may_read_is_refused(tmp_path, mode):
    host_key(str(tmp_path))
    (tmp_path / FILE_NAME).chmod(mode)

    with pytest.raises(StartError, match="is readable by others"):
        host_key(str(tmp_path))


def private(key, password=None):
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, encryption)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not a private key"),
        (b"rubbish\n", "is not a private key"),
        (private(Ed25519PrivateKey.generate())[:100], "is not a private key"),
        (private(Ed25519PrivateKey.generate(), b"secret"), "passphrase"),
        (private(ec.generate_private_key(ec.SECP256R1())), "is not an ed25519 key"),
    ],
    ids=str_only,
)
def test_a_host_key_that_is_none_is_a_clear_error(tmp_path, content, reason):
    path = tmp_path / FILE_NAME
    path.touch(mode=0o600)
    path.write_bytes(content)

    with pytest.raises(StartError, match=reason):
        host_key(str(tmp_path))
    assert path.read_bytes() == content


def test_a_state_directory_that_can_not_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(StartError, match="Not a directory"):
        host_key(str(tmp_path / "file" / "state"))


def test_other_host_keys_in_the_directory_are_not_looked_at(tmp_path):
    (tmp_path / "ssh_host_rsa_key").write_bytes(b"rubbish")
    (tmp_path / "ssh_host_ecdsa_key").mkdir()

    assert host_key(str(tmp_path)).sshType() == b"ssh-ed25519"
