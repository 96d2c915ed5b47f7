"""A machine that systemd runs, with the units installed as docs/install.md says."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.peers.requirements import ROOT
from tests.pi.rig import PATIENCE_SECONDS, PI
from tests.support.house import House

PYTHON = "/opt/clip-agent/venv/bin/python"
STATE = "/var/lib/clip-agent"
_INSTALL = f"""
set -e
mkdir -p /opt/clip-agent/venv
mount --bind /venv /opt/clip-agent/venv
packages=$(echo /opt/clip-agent/venv/lib/python3*/site-packages)
mkdir $packages/agent
mount --bind /clip-agent/agent $packages/agent
cp /systemd/*.service /systemd/*.target /etc/systemd/system/
mkdir -p /etc/systemd/system/systemd-timesyncd.service.d
cp /systemd/systemd-timesyncd.service.d/* /etc/systemd/system/systemd-timesyncd.service.d/
mkdir -p /etc/sysusers.d
cp /systemd/sysusers.d/* /etc/sysusers.d/
systemd-sysusers
cp /systemd/tmpfiles.d/* /etc/tmpfiles.d/
systemd-tmpfiles --create clip-agent.conf
cp /house/*.yaml /etc/clip-agent/
rm /etc/resolv.conf && ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
systemctl daemon-reload
systemd-run --quiet --service-type=notify --unit=world {PYTHON} -I /etc/rig/world.py
"""


class Machine:
    """A booted machine."""

    def __init__(self, process: int) -> None:
        self._process = process

    def run(self, script: str) -> str:
        """Output of ``script`` in a shell of root; fails if the script does."""
        enter = ["nsenter", f"--target={self._process}", "--all", "--root", "--wd"]
        clean = [
            "env",
            "--ignore-environment",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG=C.UTF-8",
        ]
        done = subprocess.run(
            [*enter, *clean, "sh", "-c", script], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def until(self, script: str) -> str:
        """Output of ``script`` as soon as it succeeds and prints something."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (said := self.run(f"{script} || true").strip()):
            assert time.monotonic() < deadline, script + self.run(
                "journalctl --no-pager | tail -60"
            )
            time.sleep(0.2)
        return said

    def log(self, unit: str) -> str:
        return self.run(f"journalctl --no-pager --output=cat --unit={unit}")

    def probe(self, unit: str) -> dict[str, Any]:
        """Findings of ``inside/probe.py`` in the sandbox of ``unit``."""
        self.replace(unit, "/etc/rig/probe.py", "StandardOutput=truncate:/run/probe.json")
        self.run(f"systemctl start {unit}")
        found: dict[str, Any] = json.loads(self.run("cat /run/probe.json"))
        return found

    def replace(self, unit: str, program: str, *settings: str) -> None:
        """Let ``unit`` run a program of the tests once, in the same sandbox."""
        lines = ["[Service]", "Type=oneshot", "Restart=no", "WatchdogSec=0", *settings]
        lines += ["ExecStart=", f"ExecStart={PYTHON} -I -u {program}"]
        text = "\\n".join(lines)
        folder = f"/run/systemd/system/{unit}.service.d"
        self.run(f"mkdir -p {folder}; printf '{text}\\n' >{folder}/replace.conf")
        self.run("systemctl daemon-reload")


@contextmanager
def installed(folder: Path, root: Path, house: House) -> Iterator[Machine]:
    """A machine on which this checkout is installed by hand, with the settings of ``house``."""
    binds = {
        str(ROOT / "agent"): "/clip-agent/agent",
        str(ROOT / "systemd"): "/systemd",
        str(PI / "inside"): "/etc/rig",
        str(house.root): "/house",
    }
    with booted(folder, root, binds) as machine:
        machine.run(_INSTALL)
        yield machine


@contextmanager
def booted(folder: Path, root: Path, binds: Mapping[str, str]) -> Iterator[Machine]:
    """The machine, ended for sure. It shows the folders ``binds``, read-only.

    What it writes is gone when it ends, unless there is a folder ``scratch/upper`` in ``folder``.
    """
    options = [part for a, b in binds.items() for part in ("--bind", f"{a}:{b}")]
    scratch, log = folder / "scratch", folder / "console.log"
    scratch.mkdir(exist_ok=True)
    cgroup = _cgroup2() / f"clip-agent-{folder.name}-{time.monotonic_ns()}"
    cgroup.mkdir()
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                [str(PI / "boot"), *options, str(root), str(scratch), str(cgroup)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            machine = Machine(_first_child(process, log))
            _wait_for_boot(machine, log)
            yield machine
        finally:
            process.kill()
            process.wait()
    finally:
        _remove(cgroup)


def _cgroup2() -> Path:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return next(Path(fields[1]) for fields in mounts if fields[2] == "cgroup2")


def _first_child(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + PATIENCE_SECONDS
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        time.sleep(0.05)


def _wait_for_boot(machine: Machine, log: Path) -> None:
    """Until systemd is done; that some unit of Debian failed in here is nothing to us."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        state = machine.run("systemctl is-system-running 2>&1 || true").strip()
        if state in ("running", "degraded"):
            return
        assert time.monotonic() < deadline, f"{state}\n{log.read_text()}"
        time.sleep(0.2)


def _remove(cgroup: Path) -> None:
    """Its processes are dead; the kernel may take a moment to see it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    folders = [path for path in cgroup.rglob("*") if path.is_dir()]
    for folder in [*sorted(folders, reverse=True), cgroup]:
        while True:
            try:
                folder.rmdir()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
