"""The machine on which a page finds what it expects; ``docs/writing.rst`` says what that is."""

from __future__ import annotations

from contextlib import ExitStack

from tests.docs.blocks import ROOT
from tests.fakes.shell import Shell

FURNITURE = f"""\
mkdir -p /etc/vpp-maglev /run/vpp-maglev /var/lib/vpp-maglev ~/.ssh
cp {ROOT}/debian/maglev.yaml /etc/vpp-maglev/maglev.yaml && cp {ROOT}/debian/maglev.yaml maglev.yaml
rm -rf /tmp/maglevd-demo-* ~/.ssh/*
ssh-keygen -q -t ed25519 -N '' -C you@example.net -f ~/.ssh/id_ed25519
cp ~/.ssh/id_ed25519.pub /etc/vpp-maglev/operator_keys
cat > ~/.ssh/config <<END
Host lb1
    HostName 127.0.0.1
    Port 2222
Host *
    IdentityFile ~/.ssh/id_ed25519
    IdentityFile ~/.ssh/demo
    StrictHostKeyChecking accept-new
    LogLevel ERROR
END
chmod 600 ~/.ssh/config
systemctl() {{
    test "$*" = "reload vpp-maglevd" && kill -HUP $(pidof -x maglevd)
}}
"""
"""An installation, with a key of the reader's and the example file, also where the shell is. There is no systemd: a
reload is what the unit makes of it, in a namespace with one daemon."""

DEMO = """\
ln -s /tmp/maglevd-demo-*/key ~/.ssh/demo
ln -s /tmp/maglevd-demo-*/state/ssh_host_ed25519_key /var/lib/vpp-maglev/
"""


def furnish(shell):
    output, status = shell.run(FURNITURE)
    assert status == 0, output


def demonstrate(shell):
    """Run the demonstration with everything at its usual address; ``ssh lb1`` gets there."""
    shell.leave_running("MAGLEV_PB_ADDR=unix:/run/vpp-maglev/pb.sock maglevd --demo", "vpp-lbsync-vip-added")
    shell.run(DEMO)


class Machine:
    """The shell of a page, with what a page finds there; after ``renew`` with nothing that was there before."""

    def __init__(self, folder):
        self._folder = folder
        self._exits = ExitStack()
        self._count = 0
        self.shell = None

    def __enter__(self):
        return self

    def __exit__(self, *_exc_info):
        self._exits.close()

    def renew(self, *, demo):
        self._exits.close()
        self._count += 1
        folders = [self._folder / f"{name}-{self._count}" for name in ("here", "hidden")]
        for folder in folders:
            folder.mkdir()
        self.shell = self._exits.enter_context(Shell(*folders))
        furnish(self.shell)
        if demo:
            demonstrate(self.shell)
