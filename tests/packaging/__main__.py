"""Drives the Debian packages through their life in a fresh Debian, under a systemd of its own: ``make deb-test``.

Installs them, follows the steps of docs/install.rst, reloads, starves the watchdog, enters a network namespace,
upgrades with the daemon running, and purges; and compares the disk before and after. VPP is the simulator that comes
with the packages, which must see no write by the upgrade.

It is about what is committed, and needs root, debootstrap, systemd-container, and the mirror that apt uses. Everything
lands in ``build/deb-test``.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.packaging.debian_root import BUILD_PACKAGES, PACKAGES, DebianRoot, StepError, make_root, require

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "build" / "deb"
PLACE = ROOT / "build" / "deb-test"
NEXT = "99.0.0"

BACKENDS = {"www1": "127.0.0.11", "www2": "127.0.0.12", "sorry": "127.0.0.13"}
READS = ("_dump", "_get", "get_", "_show", "show_", "control_ping", "sockclnt", "cli_inband", "lookup")
CAP_NET_RAW, CAP_SYS_ADMIN = 1 << 13, 1 << 21

WEB_SERVER = "python3 -m http.server --bind {address} --directory /usr/share/doc 80"


def main():
    parser = argparse.ArgumentParser(prog="make deb-test", description=__doc__.partition("\n")[0])
    parser.add_argument("--release", default=own_release(), help="code name of the Debian to test on")
    parser.add_argument("--mirror", help="where debootstrap gets it from; that of apt if not given")
    parser.add_argument("--again", action="store_true", help="use the packages that the last run has built")
    options = parser.parse_args()
    mirror = options.mirror or own_mirror()
    missing = [each for each in ("debootstrap", "systemd-nspawn", "nsenter") if shutil.which(each) is None]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}")
    start = time.monotonic()
    try:
        old, new = built_before(options.release) if options.again else build_both(options.release, mirror)
        root = make_root(options.release, mirror, PLACE / options.release, PACKAGES)
        for name, folder in (("old", old), ("new", new)):
            shutil.copytree(folder, root / "root" / name)
        with DebianRoot(root) as debian:
            Drive(debian).run()
    except StepError as error:
        sys.exit(f"FAILED: {error}")
    print(f"passed in {time.monotonic() - start:.0f} s")


def own_release():
    match = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    return match[1]


def own_mirror():
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Suite: {own_release()}"]
    command[-1] = f"Codename: {own_release()}"
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return next(uri for uri in found if "security" not in uri)


# Building


def built_before(release):
    """Return the folders of the versions that an earlier run has built."""
    folders = PLACE / f"{release}-old", PLACE / f"{release}-new"
    require(all(list(folder.glob("*.deb")) for folder in folders), "there are no packages of an earlier run")
    return folders


def build_both(release, mirror):
    """Build this version and a next one for a release; return the folders of both."""
    folders = PLACE / f"{release}-old", PLACE / f"{release}-new"
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    if release == own_release():
        for folder, version in zip(folders, (None, NEXT), strict=True):
            build(folder, version, ["sh", "-c"], str(folder / "source"))
            shutil.rmtree(folder / "source")
        return folders
    base = make_root(release, mirror, PLACE / f"{release}-build", (*PACKAGES, *BUILD_PACKAGES))
    for path in ("etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt", "etc/pip.conf"):
        if (Path("/") / path).exists():
            shutil.copy(Path("/") / path, base / path)
    for folder, version in zip(folders, (None, NEXT), strict=True):
        inside = base / "build" / folder.name
        build(inside, version, ["chroot", str(base), "sh", "-c"], f"/build/{folder.name}/source")
        for made in inside.glob("*.deb"):
            shutil.copy(made, folder)
    return folders


def build(folder, version, shell, inside):
    """Build one version of what is committed; ``shell`` runs a command where ``folder/source`` is named ``inside``."""
    begun = time.monotonic()
    source = folder / "source"
    source.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "--extract", "--directory", str(source)], check=True, input=archive)
    if version is not None:
        changelog, module = source / "debian/changelog", source / "maglev/model/version.py"
        changelog.write_text(re.sub(r"\(.*?\)", f"({version})", changelog.read_text(), count=1))
        module.write_text(re.sub(r'(VERSION: Final = )".*"', rf'\1"{version}"', module.read_text()))
    with (folder / "log").open("w") as log:
        command = [*shell, f"cd {inside} && dpkg-buildpackage --build=binary --no-sign"]
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    require(done.returncode == 0, f"the build failed, see {folder}/log")
    sizes = ", ".join(f"{each.name} {each.stat().st_size / 1e6:.1f} MB" for each in sorted(folder.glob("*.deb")))
    print(f"built in {time.monotonic() - begun:.0f} s: {sizes}")


# The drive


class Drive:
    """One life of the packages."""

    def __init__(self, debian: DebianRoot) -> None:
        self.debian = debian
        self.run_inside = debian.run

    def run(self):
        """Take all steps; each raises `StepError` when anything is not as it must be."""
        before = self.debian.tree()
        for step in (
            self.install,
            self.join_vpp_later,
            self.configure,
            self.start,
            self.look,
            self.reload,
            self.starve_the_watchdog,
            self.enter_a_namespace,
            self.run_under_twistd,
            self.upgrade,
            self.purge,
        ):
            begun = time.monotonic()
            told = step()
            print(
                f"{step.__name__.replace('_', ' ')}: {time.monotonic() - begun:.1f} s" + (f": {told}" if told else "")
            )
        after = self.debian.tree()
        self.compare(before, after)

    def install(self):
        before = self.debian.tree()
        self.run_inside("apt-get install -y --no-install-recommends /root/old/*.deb")
        touched = {path for path, what in self.debian.tree().items() if before.get(path) != what}
        listed = self.run_inside("dpkg -L vpp-maglev vpp-maglevd").split("\n")
        # /lib is a link to /usr/lib.
        ours = {re.sub("^/lib/", "/usr/lib/", path) for path in listed}
        users = {"/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"}
        strange = touched - ours - users - set(map(str, parents(ours)))
        require(not strange, f"outside of the packages: {sorted(strange)}")
        require("maglevd" in self.run_inside("getent passwd maglevd"), "no user")
        enabled = self.debian.try_run("systemctl is-enabled vpp-maglevd").stdout.strip()
        active = self.debian.try_run("systemctl is-active vpp-maglevd").stdout.strip()
        require((enabled, active) == ("disabled", "inactive"), f"the service is {enabled} and {active}")
        for page in ("maglevd", "maglevc", "maglevt", "maglev-vppsim", "maglev.yaml"):
            require(page in self.run_inside(f"man --warnings {page} 2>&1"), f"no manual of {page}")
        size = self.run_inside("dpkg-query -W -f '${Package} ${Installed-Size} kB, ' vpp-maglev vpp-maglevd")
        return f"{len(touched)} files, {size}not enabled, not started"

    def join_vpp_later(self):
        """VPP is installed after maglevd: the trigger puts the user into its group."""
        require("vpp" not in self.run_inside("id -nG maglevd").split(), "in a group that is not there")
        self.run_inside("groupadd --system vpp && useradd --system -g vpp -s /usr/sbin/nologin vpp")
        self.run_inside("dpkg-trigger --by-package=vpp-maglevd /usr/bin/vpp && dpkg --triggers-only --pending")
        require("vpp" in self.run_inside("id -nG maglevd").split(), "not in the group vpp")

    def configure(self):
        """What an administrator does: the addresses, a key; and here VPP and the backends, too."""
        self.run_inside(
            "systemd-run --unit=vpp -p User=vpp -p Group=vpp -p RuntimeDirectory=vpp -p RuntimeDirectoryMode=0755 "
            "/usr/bin/maglev-vppsim --api-socket /run/vpp/api.sock --stats-socket /run/vpp/stats.sock --log-level debug"
        )
        for name, address in BACKENDS.items():
            self.run_inside(f"systemd-run --unit={name} {WEB_SERVER.format(address=address)}")
        self.run_inside("sed -i 's/198.51.100.11/127.0.0.11/; s/198.51.100.12/127.0.0.12/' /etc/vpp-maglev/maglev.yaml")
        # So that an echo request, and with it CAP_NET_RAW, is needed.
        self.run_inside("sysctl -q net.ipv4.ping_group_range='1 0'")
        text = self.debian.read("/etc/vpp-maglev/maglev.yaml").replace("address: 198.51.100.99", PINGED)
        self.debian.write("/etc/vpp-maglev/maglev.yaml", text.replace("healthchecks:", f"healthchecks:\n{PING}", 1))
        self.run_inside("mkdir -p /root/.ssh && ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519")
        self.run_inside("cp /root/.ssh/id_ed25519.pub /etc/vpp-maglev/operator_keys")
        return self.run_inside("maglevd --check").strip()

    def start(self):
        begun = time.monotonic()
        self.run_inside("systemctl enable --now vpp-maglevd")
        seconds = time.monotonic() - begun
        require(4 < seconds < 20, f"READY came after {seconds:.1f} s, and the warm-up takes 5")
        status = self.show("StatusText")
        require(re.fullmatch(r"1 frontends, 3 backends, VPP .*", status), f"the status is {status!r}")
        limits = self.process_status()
        require(int(limits["CapEff"], 16) == CAP_NET_RAW, f"capabilities {limits['CapEff']}")
        require(int(limits["CapBnd"], 16) == CAP_NET_RAW, f"capabilities {limits['CapBnd']}")
        require((limits["NoNewPrivs"], limits["Seccomp"]) == ("1", "2"), "not in the sandbox")
        score = re.search(r": ([\d.]+)", self.run_inside("systemd-analyze security vpp-maglevd | tail -1"))[1]
        require(float(score) < 3, f"systemd-analyze security: {score}")
        modes = self.run_inside(
            "stat -c '%a %U:%G' /run/vpp-maglev /run/vpp-maglev/pb.sock /var/lib/vpp-maglev /var/lib/vpp-maglev/*"
        ).split("\n")
        wanted = ["750 maglevd:maglevd", "660 maglevd:maglevd", "700 maglevd:maglevd", "600 maglevd:maglevd", ""]
        require(modes == wanted, f"modes {modes}")
        return f"ready after {seconds:.1f} s, {status!r}, systemd-analyze security {score}"

    def look(self):
        ssh = "ssh -p 2222 -o StrictHostKeyChecking=accept-new admin@127.0.0.1"
        shown = self.run_inside(f"{ssh} show frontends www")
        require("www1 weight 100 effective 100" in shown, f"over ssh: {shown}")
        backends = {
            each["name"]: each["state"] for each in json.loads(self.run_inside("maglevc 'show backends | json'"))
        }
        require(backends == dict.fromkeys(BACKENDS, "up"), f"by maglevc: {backends}")
        refused = self.debian.try_run("setpriv --reuid=nobody --regid=nogroup --clear-groups maglevc show version")
        require(refused.returncode == 1, "everybody may open the socket")
        self.run_inside("systemctl stop www1")
        self.wait_for_metric("maglev_backend_state", 1, backend="www1", state="down")
        self.run_inside(f"systemd-run --unit=www1 {WEB_SERVER.format(address=BACKENDS['www1'])}")
        self.wait_for_metric("maglev_backend_state", 1, backend="www1", state="up")
        return f"{len(self.writes())} writes so far"

    def reload(self):
        good = self.debian.read("/etc/vpp-maglev/maglev.yaml")
        self.debian.write("/etc/vpp-maglev/maglev.yaml", good.replace("weight: 50", "weight: 40"))
        self.run_inside("systemctl reload vpp-maglevd")
        self.wait_for_metric("maglev_frontend_pool_backend_weight", 40.0, backend="www2", pool="primary")
        self.debian.write("/etc/vpp-maglev/maglev.yaml", good.replace("weight: 50", "weight: heavy"))
        refused = self.debian.try_run("systemctl reload vpp-maglevd")
        require(refused.returncode != 0, "a reload of a bad file does not fail")
        require("weight: a whole number" in self.journal() or "heavy" in self.journal(), "the journal does not say why")
        self.debian.write("/etc/vpp-maglev/maglev.yaml", good.replace("weight: 50", "weight: 40"))
        self.run_inside("systemctl reload vpp-maglevd")
        self.debian.wait(lambda: self.show("ActiveState") == "active", "end of the reload")
        require(self.show("NRestarts") == "0", "it was restarted")

    def starve_the_watchdog(self):
        self.drop_in("watchdog", "[Service]\nWatchdogSec=2s\nTimeoutAbortSec=2s\n")
        pid = self.show("MainPID")
        self.debian.wait(lambda: self.show("WatchdogTimestampMonotonic") != "0", "food for the watchdog")
        time.sleep(5)
        require(self.show("MainPID") == pid, "the watchdog ended a daemon that was well")
        begun = time.monotonic()
        self.run_inside(f"kill -STOP {pid}")
        self.debian.wait(lambda: self.show("NRestarts") == "1" and self.show("ActiveState") == "active", "new start")
        seconds = time.monotonic() - begun
        self.drop_in("watchdog", None)
        return f"stopped, ended and ready again in {seconds:.1f} s"

    def enter_a_namespace(self):
        """The drop-in that the package brings is what a network namespace needs, and is needed."""
        good = self.debian.read("/etc/vpp-maglev/maglev.yaml")
        self.run_inside("ip netns add probes && ip netns exec probes ip link set lo up")
        for name, address in BACKENDS.items():
            self.run_inside(f"systemctl stop {name}")
            server = WEB_SERVER.format(address=address)
            self.run_inside(f"systemd-run --unit={name} ip netns exec probes {server}")
        self.debian.write("/etc/vpp-maglev/maglev.yaml", good.replace("maglev:", f"maglev:\n{NETNS}", 1))
        self.run_inside("systemctl restart --no-block vpp-maglevd")
        self.debian.wait(
            lambda: "may not be entered" in self.journal() or "can't be entered" in self.journal(), "refusal"
        )
        self.drop_in("netns", self.run_inside("cat /usr/share/doc/vpp-maglevd/examples/netns.conf"))
        require(int(self.process_status()["CapEff"], 16) == CAP_NET_RAW | CAP_SYS_ADMIN, "not with the drop-in")
        for name in BACKENDS:
            self.wait_for_metric("maglev_backend_state", 1, backend=name, state="up")
        score = re.search(r": ([\d.]+)", self.run_inside("systemd-analyze security vpp-maglevd | tail -1"))[1]
        require(float(score) < 3, f"systemd-analyze security: {score}")
        # Back to where it was.
        for name, address in BACKENDS.items():
            self.run_inside(f"systemctl stop {name}")
            self.run_inside(f"systemd-run --unit={name} {WEB_SERVER.format(address=address)}")
        self.debian.write("/etc/vpp-maglev/maglev.yaml", good)
        self.drop_in("netns", None)
        self.run_inside("ip netns del probes && umount /run/netns && rmdir /run/netns")
        return f"systemd-analyze security {score}"

    def run_under_twistd(self):
        """The runners of Twisted find it, as a user who may write nowhere, and say nothing of their cache."""
        nobody = "cd /tmp && setpriv --reuid=nobody --regid=nogroup --clear-groups"
        done = self.debian.try_run(f"{nobody} /usr/lib/vpp-maglev/bin/twistd --pidfile= -n maglev --version 2>&1")
        require(re.fullmatch(r"maglevd [\d.]+\n", done.stdout), f"twistd: {done.stdout}")

    def upgrade(self):
        writes, pid = self.writes(), self.show("MainPID")
        state = self.run_inside("maglevc show vpp lb state")
        self.run_inside("apt-get install -y --no-install-recommends /root/new/*.deb")
        self.debian.wait(lambda: self.show("ActiveState") == "active", "restart")
        require(self.show("MainPID") != pid, "it was not restarted")
        version = self.run_inside("maglevc show version")
        require(NEXT in version, f"it runs {version}")
        time.sleep(2)
        require(self.writes() == writes, f"written: {self.writes()[len(writes) :]}")
        require(self.run_inside("maglevc show vpp lb state") == state, "VPP holds something else")
        counted = {name: value for name, value in self.metrics().items() if name.startswith("maglev_vpp_lbsync_total")}
        changed = {name for name, value in counted.items() if value}
        require(counted, "the writes are not counted")
        require(not changed, f"written: {changed}")
        require("weight: 40" in self.debian.read("/etc/vpp-maglev/maglev.yaml"), "the configuration was replaced")
        return f"{len(writes)} writes before and after"

    def purge(self):
        self.run_inside("systemctl stop vpp && apt-get purge -y vpp-maglevd vpp-maglev")
        require(self.debian.try_run("pgrep -f maglevd").returncode == 1, "it still runs")
        require(self.debian.try_run("test -e /run/vpp-maglev").returncode == 1, "/run/vpp-maglev is there")
        # What the drive itself has made.
        self.run_inside(
            f"systemctl stop {' '.join(BACKENDS)}; userdel vpp; rm -f /root/.ssh/*; systemctl daemon-reload"
        )
        self.run_inside("groupdel vpp 2>/dev/null || true")

    def compare(self, before, after):
        changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        require(not changed, f"left or changed after the purge: {sorted(changed)}")
        print(f"the disk is what it was before: {len(after)} files")

    # What the steps use

    def show(self, name):
        return self.run_inside(f"systemctl show --property={name} --value vpp-maglevd").strip()

    def journal(self):
        return self.run_inside("journalctl --unit=vpp-maglevd --output=cat --no-pager")

    def process_status(self):
        text = self.run_inside(f"cat /proc/{self.show('MainPID')}/status")
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)

    def writes(self):
        """Return the names of all messages that changed the simulated VPP."""
        text = self.run_inside("journalctl --unit=vpp --output=cat --no-pager")
        names = re.findall(r"vppsim-request.*?name='?([a-z0-9_]+)", text)
        require(names, "the simulator's log has no requests")
        return [name for name in names if not any(read in name for read in READS)]

    def metrics(self):
        """Scrape it; return {name and labels: value}."""
        code = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9091/metrics').read().decode())"
        lines = self.run_inside(f'python3 -c "{code}"').splitlines()
        samples = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def wait_for_metric(self, name, value, **labels):
        """Wait until a metric with these labels has a value."""
        wanted = [f'{label}="{text}"' for label, text in labels.items()]

        def seen():
            found = [each for each in self.metrics().items() if each[0].startswith(name + "{")]
            return any(all(map(key.__contains__, wanted)) and held == value for key, held in found)

        self.debian.wait(seen, f"{name} {labels} {value}", 30)

    def drop_in(self, name, text):
        """Put a drop-in of the unit there, or take it away, and start the service again."""
        folder = "/etc/systemd/system/vpp-maglevd.service.d"
        if text is None:
            self.run_inside(f"rm {folder}/{name}.conf && rmdir {folder}")
        else:
            self.run_inside(f"mkdir -p {folder}")
            self.debian.write(f"{folder}/{name}.conf", text)
        self.run_inside("systemctl daemon-reload && systemctl restart vpp-maglevd")


PINGED = "address: 127.0.0.13\n      healthcheck: alive"
PING = "    alive: {type: icmp, interval: 1s, timeout: 500ms}"
NETNS = "  healthchecker: {netns: probes}"


def parents(paths):
    return {parent for path in paths for parent in Path(path).parents}


if __name__ == "__main__":
    main()
