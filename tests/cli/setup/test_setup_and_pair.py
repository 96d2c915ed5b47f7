"""`setup` on the device and `owner pair` on a computer: real processes, Mosquitto and TLS.

Mosquitto is installed as Debian 13 installs it: a main file that includes a folder and names no
pid_file. A script plays `systemctl restart` and `show`; it also moves the two listeners from their
ports to free ones.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import pytest

from agent import config
from agent.cli.broker_check import check_owners_broker
from agent.cli.setup import local_broker
from agent.consent.cards import OwnerCard, parse_card
from agent.owner.home.folder import OwnerFolder
from tests.peers.process import free_port
from tests.peers.requirements import ROOT, program
from tests.support.commands import typed

PASSPHRASE = "correct horse battery"
SECONDS = 120.0

SYSTEMCTL = """\
#!/bin/sh
set -e
[ "$1" != show ] || exec cat {folder}/pid
echo "$*" >>{folder}/systemctl.log
sed -i 's/listener 1883 /listener {plain} /; s/listener 8883/listener {tls}/' {folder}/conf.d/*
[ ! -f {folder}/pid ] || kill "$(cat {folder}/pid)" || true
{mosquitto} -c {folder}/mosquitto.conf </dev/null >{folder}/log 2>&1 &
echo $! >{folder}/pid
"""


@dataclass
class Machine:
    """A device with Mosquitto, and the owners' computers, in one folder."""

    root: Path
    plain: int = field(default_factory=free_port)
    tls: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.mosquitto = self.root / "mosquitto"
        (self.mosquitto / "conf.d").mkdir(parents=True)
        (self.mosquitto / "mosquitto.conf").write_text(
            "user root\n"
            f"persistence_location {self.mosquitto}/\n"
            f"include_dir {self.mosquitto}/conf.d\nlog_dest stderr\n"
        )
        systemctl = self.root / "bin" / "systemctl"
        systemctl.parent.mkdir()
        systemctl.write_text(
            SYSTEMCTL.format(
                folder=self.mosquitto,
                plain=self.plain,
                tls=self.tls,
                mosquitto=program("mosquitto"),
            )
        )
        systemctl.chmod(0o755)
        self.config = self.root / "etc" / "agent.yaml"
        self.environment = {
            **os.environ,
            "PATH": f"{systemctl.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "CLIP_AGENT_PASSPHRASE": PASSPHRASE,
        }

    def setup(self, *arguments: str) -> list[str]:
        """The command, with all answers as options."""
        return [
            *("setup", "--config", str(self.config), "--mosquitto", str(self.mosquitto)),
            *("--state-dir", str(self.root / "state"), "--address", f"localhost:{self.tls}"),
            *("--name", "front-door", "--place", "42.1,-72.5", "--camera", "scene", *arguments),
        ]

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A command as a process of its own; its output is in ``<name>.log``."""
        with (self.root / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "agent", *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def log(self, name: str) -> str:
        return (self.root / f"{name}.log").read_text()

    def wait(self, what: str, ready: Callable[[], object]) -> None:
        deadline = time.monotonic() + SECONDS
        while not ready():
            assert time.monotonic() < deadline, f"waited too long for {what}"
            time.sleep(0.05)

    def shown(self, name: str) -> list[str]:
        """The last command that the device shows to its owner."""
        self.wait("a code", lambda: "owner pair" in self.log(name))
        commands: list[str] = re.findall(r"clip-agent (owner pair .*)", self.log(name))
        return commands[-1].split()

    def stop(self) -> None:
        with suppress(OSError, ValueError):
            os.kill(int((self.mosquitto / "pid").read_text()), signal.SIGTERM)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.stop()


def prepare(machine: Machine) -> None:
    """Settings, keys and broker, as a first run writes them; then the port is the free one.

    That run looks for the broker at the port that a real one has, and does not wait for it.
    """
    with patch.object(local_broker, "_RELOAD_SECONDS", 0.1):
        done = typed(*machine.setup("--no-pair"), environment=machine.environment)
    assert (machine.mosquitto / "systemctl.log").read_text() == "restart mosquitto\n", done.stderr
    text = machine.config.read_text()
    machine.config.write_text(
        text.replace("host: 127.0.0.1\n", f"host: 127.0.0.1\n  port: {machine.plain}\n")
    )


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("pid", "log", "systemctl.log", "mosquitto.db")
    }


def status(machine: Machine, folder: OwnerFolder) -> str:
    """All that the owner reads of the camera, over the login of the pairing."""
    done = typed("owner", "status", "--home", folder.path, environment=machine.environment)
    assert done.stderr == ""  # it fails with 1 as long as the camera is offline
    return done.stdout


def test_the_first_run_goes_on_to_pair(machine: Machine) -> None:
    nobody = ("--broker", f"127.0.0.1:{free_port()}")
    done = typed(*machine.setup(*nobody), environment=machine.environment)
    assert done.returncode == 1
    assert "1 owner" not in done.stdout
    assert "nobody listens" in done.stderr


def test_a_household_types_one_command_on_each_side_and_nothing_twice(machine: Machine) -> None:
    prepare(machine)
    setup = machine.start("setup", *machine.setup())
    try:
        command = machine.shown("setup")
        home = ["--home", str(machine.root / "olive"), "--name", "Olive"]
        code = command[2]
        typo = f"{code[:-1]}{(int(code[-1]) + 1) % 10}"
        mistyped = typed(*command[:2], typo, *command[3:], *home, environment=machine.environment)
        assert mistyped.returncode == 1
        assert "Type the new code" in mistyped.stderr
        machine.wait("a new code", lambda: machine.shown("setup")[2] != code)
        command = machine.shown("setup")
        done = typed(*command, *home, environment=machine.environment)
        assert done.returncode == 0, done.stderr + machine.log("setup")
        assert setup.wait(SECONDS) == 0, machine.log("setup")
    finally:
        setup.kill()
        setup.wait()

    folder = OwnerFolder(machine.root / "olive")
    (card,) = config.load(machine.config).owners
    assert parse_card(card.read_text(), OwnerCard, "card") == folder.card()
    fingerprint = folder.devices()["front-door"].fingerprint
    for said in (done.stdout, machine.log("setup")):
        assert fingerprint in said.replace(" ", "")
        assert folder.card().fingerprint in said.replace(" ", "")
    broker = folder.settings().mqtt
    assert broker.tls is not None
    assert (broker.port, broker.host) == (machine.tls, "localhost")
    passwords = (machine.mosquitto / "clip-agent.passwd").read_text()
    assert "pairing:" not in passwords, "nobody may knock any more"
    assert stat.S_IMODE((machine.root / "etc" / "mqtt-password").stat().st_mode) == 0o400

    # Each login that was made writes and reads what the broker's rules grant it.
    check_owners_broker(config.load(machine.config))
    gateway = machine.start("gateway", "gateway", "--config", str(machine.config))
    try:
        machine.wait("the owner's letter", lambda: "connected, since" in status(machine, folder))
    finally:
        gateway.terminate()
        gateway.wait(SECONDS)

    # A second run changes nothing.
    before = files_below(machine.root)
    again = typed(*machine.setup(), environment=machine.environment)
    assert (again.returncode, again.stderr) == (0, "")
    assert "--pair pairs with one more" in again.stdout
    assert files_below(machine.root) == before


def finish(machine: Machine, setup: subprocess.Popen[bytes], *command: str) -> str:
    """Type the other side's command while ``setup`` waits; what it prints."""
    try:
        done = typed(*command, environment=machine.environment)
        assert done.returncode == 0, done.stderr
        assert setup.wait(SECONDS) == 0, done.stdout
    finally:
        setup.kill()
        setup.wait()
    return done.stdout


def test_a_second_owner_a_second_computer_and_a_second_camera_pair_later(machine: Machine) -> None:
    prepare(machine)
    olive, omar = machine.root / "olive", machine.root / "omar"
    for number, home in enumerate((olive, omar, olive)):
        if number == 2:  # Olive's folder on another computer
            home = Path(shutil.copytree(olive, machine.root / "olive-2"))
        setup = machine.start(f"setup{number}", *machine.setup("--pair"))
        command = machine.shown(f"setup{number}")
        finish(machine, setup, *command, "--home", str(home), "--name", home.name)
    cards = config.load(machine.config).owners
    assert len(cards) == 2
    passwords = (machine.mosquitto / "clip-agent.passwd").read_text().splitlines()
    assert len([line for line in passwords if line.startswith("owner-")]) == 3

    # The garage's camera keeps no broker: it gets a login at the front door's.
    front_door = machine.start("setup3", *machine.setup("--pair"))
    machine.wait("a code", lambda: "setup --code" in machine.log("setup3"))
    (join,) = re.findall(r"clip-agent (setup --code .*)", machine.log("setup3"))
    garage = [
        *("--config", str(machine.root / "garage" / "agent.yaml"), "--name", "garage"),
        *("--place", "42.1 -72.5", "--camera", "scene"),
        *("--state-dir", str(machine.root / "garage-state"), "--mosquitto", "/nowhere"),
    ]
    finish(machine, front_door, *join.split(), *garage, "--no-pair")
    setup = machine.start("setup4", "setup", *garage)
    command = machine.shown("setup4")
    assert "--broker" not in command, "the owner knows the broker"
    said = finish(machine, setup, *command, "--home", str(olive))
    assert "Paired with garage" in said
    assert sorted(OwnerFolder(olive).devices()) == ["front-door", "garage"]
    broker = config.load(machine.root / "garage" / "agent.yaml").mqtt
    assert (broker.username, broker.port) == ("garage", machine.tls)
    rules = (machine.mosquitto / "clip-agent.acl").read_text()
    assert "topic readwrite clip-agent/garage/owner" in rules


@pytest.mark.parametrize("ended_by", [signal.SIGHUP, signal.SIGKILL])
def test_a_setup_that_is_ended_while_it_shows_a_code_leaves_no_door_open(
    machine: Machine, ended_by: signal.Signals
) -> None:
    """A closed terminal (SIGHUP) is tidied up at once; after a kill the next setup does it."""
    prepare(machine)
    passwords = machine.mosquitto / "clip-agent.passwd"
    setup = machine.start("setup", *machine.setup("--pair"))
    try:
        machine.shown("setup")
        assert "pairing:" in passwords.read_text()
        second = typed(*machine.setup("--pair"), environment=machine.environment)
        assert second.returncode == 1
        assert "another `clip-agent setup` is at work" in second.stderr
    finally:
        setup.send_signal(ended_by)
        setup.wait(SECONDS)
    assert ("pairing:" in passwords.read_text()) == (ended_by == signal.SIGKILL)
    done = typed(*machine.setup("--no-pair"), environment=machine.environment)
    assert done.returncode == 0, done.stderr
    assert "pairing:" not in passwords.read_text()


def test_a_dry_run_says_what_it_would_write_and_writes_nothing(machine: Machine) -> None:
    before = files_below(machine.root)
    done = typed(*machine.setup("--dry-run"), environment=machine.environment)
    assert done.returncode == 0, done.stderr
    assert f"would make   {machine.config}" in done.stdout
    assert files_below(machine.root) == before


def test_a_setup_that_was_cut_off_goes_on_where_it_stopped(machine: Machine) -> None:
    """Whatever file is missing is made again, and the others stay as they are."""
    prepare(machine)
    done = typed(*machine.setup("--no-pair"), environment=machine.environment)
    assert done.returncode == 0, done.stderr
    whole = files_below(machine.root)
    for name in ("etc/requesters.yaml", "mosquitto/clip-agent.acl", "mosquitto/clip-agent.passwd"):
        (machine.root / name).unlink()
        done = typed(*machine.setup("--no-pair"), environment=machine.environment)
        assert done.returncode == 0, done.stderr
        after = files_below(machine.root)
        assert after.keys() == whole.keys()
        assert {other for other in whole if after[other] != whole[other]} <= {name}


def test_without_a_broker_the_setup_says_how_to_get_one_before_it_asks_anything(
    machine: Machine,
) -> None:
    (machine.mosquitto / "mosquitto.conf").unlink()
    done = typed(*machine.setup(), environment=machine.environment)
    assert done.returncode == 78
    assert "apt-get install mosquitto" in done.stderr
    assert not machine.config.exists()


@pytest.mark.parametrize(
    ("name", "line"),
    [("conf.d/zigbee.conf", "listener 1883"), ("mosquitto.conf", "  password_file /etc/x")],
)
def test_a_mosquitto_that_somebody_else_configured_is_left_alone(
    machine: Machine, name: str, line: str
) -> None:
    with (machine.mosquitto / name).open("a") as file:
        file.write(f"{line}\n")
    before = files_below(machine.root)
    done = typed(*machine.setup(), environment=machine.environment)
    assert done.returncode == 78
    assert f"{name}: Mosquitto is configured already" in done.stderr
    assert "--username" in done.stderr
    assert files_below(machine.root) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_files_of_the_services_belong_to_the_services_users() -> None:
    """`clip-gateway` and `clip-camera` are played by two numbers that own the state's folders."""
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder))
        Path(folder).chmod(0o755)
        gateway, camera, group = 61_001, 61_002, 61_003
        for name, owner in (("gateway", gateway), ("wishes", gateway), ("camera", camera)):
            path = machine.root / "state" / name
            path.mkdir(parents=True)
            os.chown(path, owner, group)
        machine.config.parent.mkdir(mode=0o750)
        os.chown(machine.config.parent, 0, group)
        arguments = machine.setup("--no-pair")
        arguments[arguments.index("scene")] = "rtsp://olive:secret@192.0.2.1/main"
        try:
            with patch.object(local_broker, "_RELOAD_SECONDS", 0.1):
                typed(*arguments, environment=machine.environment)
        finally:
            machine.stop()
        found = {
            name: (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
            for name in (
                "etc/agent.yaml", "etc/owners", "etc/mqtt-password", "etc/camera-login",
                "state/gateway/keys/device.key.json", "state/wishes/device.card.yaml",
            )
            for status in [(machine.root / name).stat()]
        }  # fmt: skip
        assert found == {
            "etc/agent.yaml": (0o640, 0, group),
            "etc/owners": (0o2750, 0, group),
            "etc/mqtt-password": (0o400, gateway, group),
            "etc/camera-login": (0o400, camera, group),
            "state/gateway/keys/device.key.json": (0o600, gateway, group),
            "state/wishes/device.card.yaml": (0o644, gateway, group),
        }
        assert "secret" not in machine.config.read_text()


def test_a_second_camera_of_one_machine_pairs_at_the_same_broker(machine: Machine) -> None:
    prepare(machine)
    olive = machine.root / "olive"
    setup = machine.start("setup", *machine.setup())
    finish(machine, setup, *machine.shown("setup"), "--home", str(olive), "--name", "Olive")
    second = ["--name", "garage", "--state-dir", str(machine.root / "garage-state")]
    with patch.object(local_broker, "_RELOAD_SECONDS", 0.1):  # at the port that a real one has
        typed(*machine.setup(*second, "--no-pair"), environment=machine.environment)
    path = machine.config.with_name("garage.yaml")
    port = f"host: 127.0.0.1\n  port: {machine.plain}\n"
    path.write_text(path.read_text().replace("host: 127.0.0.1\n", port))
    setup = machine.start("setup2", *machine.setup(*second))
    finish(machine, setup, *machine.shown("setup2"), "--home", str(olive))
    assert sorted(OwnerFolder(olive).devices()) == ["front-door", "garage"]
    (card,) = config.load(path).owners
    assert card.parent == path.parent / "garage/owners"
    for one in (machine.config, path):
        check_owners_broker(config.load(one))
