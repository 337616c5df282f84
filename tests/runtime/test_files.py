"""Files that must not be lost."""

import os
import stat
from pathlib import Path

import pytest

from maglev.runtime.files import is_writable, read_bounded, write_atomically


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "state" / "file")


def test_a_file_is_written_with_its_folder_for_our_user_only(path):
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert read_bounded(path, 10) == b"two"
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    assert [each.name for each in Path(path).parent.iterdir()] == ["file"]


def test_what_a_killed_process_has_left_is_overwritten_and_a_link_is_not_followed(path, tmp_path):
    write_atomically(path, b"one")
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    Path(f"{path}.new").symlink_to(victim)
    write_atomically(path, b"two")
    assert (read_bounded(path, 10), victim.read_bytes()) == (b"two", b"precious")


def test_file_and_folder_are_synced_in_this_order(path, monkeypatch):
    calls = []
    really = {name: getattr(os, name) for name in ("fsync", "rename", "replace")}

    def fsync(descriptor):
        calls.append(("fsync", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        return really["fsync"](descriptor)

    def replace(source, target, **more):
        calls.append(("replace", Path(target).name))
        return really["replace"](source, target, **more)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    write_atomically(path, b"one")
    assert calls == [("fsync", "file.new"), ("replace", "file"), ("fsync", "state")]


def test_a_write_that_fails_leaves_the_old_content_and_no_draft(path, monkeypatch):
    write_atomically(path, b"one")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"two")
    assert read_bounded(path, 10) == b"one"
    assert [each.name for each in Path(path).parent.iterdir()] == ["file"]


def test_a_file_that_is_not_there_is_none(path):
    assert read_bounded(path, 10) is None


def test_no_more_is_read_than_one_byte_above_the_limit(path):
    write_atomically(path, b"x" * 100)
    assert read_bounded(path, 10) == b"x" * 11


@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
def test_an_irregular_file_is_not_read_and_not_waited_for(path, kind, tmp_path):
    Path(path).parent.mkdir()
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "folder":
            Path(path).mkdir()
        case "link":
            Path(path).symlink_to("/etc/passwd")
    with pytest.raises(OSError, match=r"not a regular file|symbolic links"):
        read_bounded(path, 10)


def test_a_folder_that_can_be_made_is_writable(tmp_path):
    assert is_writable(str(tmp_path / "a" / "b"))
    (tmp_path / "file").write_text("")
    assert not is_writable(str(tmp_path / "file" / "b"))
    assert not is_writable("/proc/1/maglev")
