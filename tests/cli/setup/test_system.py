"""The services of a machine: written where nobody else brought them, started, and taken back."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import pytest

from agent import config
from agent.cli.instance import Instance
from agent.cli.setup.steps import Steps
from agent.cli.setup.system import System
from agent.errors import ConfigError, EnvironmentFault
from tests.peers.requirements import ROOT
from tests.support.house import House

FIRST = Instance.of(Path("/etc/clip-agent/agent.yaml"))
SERVICES = FIRST.services


class Recorded:
    """Commands that would have run; those that hold a word of ``failing`` fail."""

    def __init__(self, failing: str = "") -> None:
        self.commands: list[str] = []
        self._failing = failing

    def __call__(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.commands.append(" ".join(command))
        failed = bool(self._failing) and self._failing in command
        return subprocess.CompletedProcess(list(command), int(failed), "", "it broke")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An environment that pip filled, in a place that services see."""
    share = tmp_path / "opt/env/share/clip-agent"
    share.mkdir(parents=True)
    (share / "systemd").symlink_to(ROOT / "systemd")
    return tmp_path / "opt/env"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "run/systemd/system").mkdir(parents=True)
    return root


@pytest.fixture
def visible(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's own folder counts as one that services see."""
    monkeypatch.setattr("agent.cli.setup.system._HIDDEN", ("/home",))


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def streaming(tmp_path: Path, record: str, detect: str | None = None) -> config.Config:
    source = config.StreamSource(record=record, detect=detect)
    house = House.build(tmp_path / "house", camera=config.Camera(source=source))
    return house.config


@pytest.mark.usefixtures("visible")
def test_an_environment_of_pip_gets_units_with_its_own_paths(root: Path, prefix: Path) -> None:
    run = Recorded()
    System(Steps(dry_run=False), FIRST, root=root, prefix=prefix, run=run).prepare()
    for service in SERVICES:
        unit = (root / "etc/systemd/system" / service).read_text()
        assert f"ExecStart={prefix}/bin/python -I" in unit
        assert f"/etc {prefix}\n" in unit
        assert "/opt/clip-agent" not in unit
    assert "clip-camera" in (root / "etc/sysusers.d/clip-agent.conf").read_text()
    assert [line.split()[0] for line in run.commands] == [
        "systemd-sysusers",
        "systemd-tmpfiles",
        "systemctl",
    ]
    before = tree(root)
    again = Recorded()
    System(Steps(dry_run=False), FIRST, root=root, prefix=prefix, run=again).prepare()
    assert tree(root) == before
    assert "systemctl daemon-reload" not in again.commands


def test_the_packages_own_units_are_left_alone(root: Path, prefix: Path) -> None:
    unit = root / "usr/lib/systemd/system" / SERVICES[0]
    unit.parent.mkdir(parents=True)
    unit.touch()
    run = Recorded()
    system = System(Steps(dry_run=False), FIRST, root=root, prefix=prefix, run=run)
    system.prepare()
    assert run.commands == []
    system.remove()
    assert unit.exists()


def test_a_program_in_a_home_is_refused_with_the_cure(root: Path, tmp_path: Path) -> None:
    for hidden in ("/home/olive", "/root", "/tmp/x/venv"):
        system = System(Steps(dry_run=False), FIRST, root=root, prefix=Path(hidden), run=Recorded())
        with pytest.raises(EnvironmentFault, match="pipx install --global"):
            system.prepare()
    assert tree(root) == {}


@pytest.mark.usefixtures("visible")
@pytest.mark.parametrize("step", ["prepare", "start", "remove"])
def test_a_dry_run_writes_nothing_and_runs_nothing(
    root: Path, prefix: Path, tmp_path: Path, step: str
) -> None:
    settings = streaming(tmp_path, "rtsp://192.0.2.77/main")
    real = System(Steps(dry_run=False), FIRST, root=root, prefix=prefix, run=Recorded())
    if step == "remove":
        real.prepare()
    before, run = tree(root), Recorded()
    system = System(Steps(dry_run=True), FIRST, root=root, prefix=prefix, run=run)
    calls: dict[str, Callable[[], None]] = {
        "prepare": system.prepare,
        "start": lambda: system.start(settings),
        "remove": system.remove,
    }
    calls[step]()
    assert tree(root) == before
    assert run.commands == []


@pytest.mark.usefixtures("visible")
def test_a_network_camera_gets_a_way_to_its_addresses_and_no_other(
    root: Path, prefix: Path, tmp_path: Path
) -> None:
    urls = ("rtsp://192.0.2.77/main", "rtsp://[2001:db8::7]:8554/sub")
    system = System(Steps(dry_run=False), FIRST, root=root, prefix=prefix, run=(run := Recorded()))
    system.start(streaming(tmp_path, *urls))
    drop_in = root / "etc/systemd/system" / f"{SERVICES[0]}.d" / "ip-camera.conf"
    lines = drop_in.read_text().splitlines()
    assert "IPAddressAllow=192.0.2.77 2001:db8::7" in lines
    assert "systemctl daemon-reload" in run.commands
    assert run.commands[-1].startswith("systemctl restart clip-agent.target")

    indoors = House.build(tmp_path / "other", camera=config.Camera(source=config.SceneSource()))
    system.start(indoors.config)
    assert not drop_in.exists(), "a camera on the board needs no network"


@pytest.mark.usefixtures("visible")
@pytest.mark.parametrize(("transport", "takes_ports"), [("tcp", False), ("udp", True)])
def test_a_camera_that_sends_by_udp_may_take_the_ports_it_sends_to(
    root: Path, prefix: Path, tmp_path: Path, transport: Literal["tcp", "udp"], takes_ports: bool
) -> None:
    source = config.StreamSource(record="rtsp://192.0.2.77/main", transport=transport)
    house = House.build(tmp_path / "house", camera=config.Camera(source=source))
    system = System(Steps(dry_run=False), FIRST, root=root, prefix=prefix, run=Recorded())
    system.start(house.config)
    unit = root / "etc/systemd/system/clip-agent-camera.service.d/ip-camera.conf"
    assert ("SocketBindAllow=udp" in unit.read_text().splitlines()) == takes_ports


def test_a_name_instead_of_an_address_is_refused_before_anything_starts(
    root: Path, prefix: Path, tmp_path: Path
) -> None:
    run = Recorded()
    system = System(Steps(dry_run=False), FIRST, root=root, prefix=prefix, run=run)
    for host in ("camera.local", "localhost", "cam"):
        settings = streaming(tmp_path, f"rtsp://{host}/main")
        with pytest.raises(ConfigError, match="asks no name server"):
            system.start(settings)
    assert run.commands == []


@pytest.mark.usefixtures("visible")
def test_removal_takes_back_every_file_of_the_setup(
    root: Path, prefix: Path, tmp_path: Path
) -> None:
    run = Recorded()
    system = System(Steps(dry_run=False), FIRST, root=root, prefix=prefix, run=run)
    before = tree(root)
    system.prepare()
    system.start(streaming(tmp_path, "rtsp://192.0.2.77/main"))
    assert tree(root) != before
    system.remove()
    assert tree(root) == before
    assert any("disable --now clip-agent.target" in line for line in run.commands)
    system.remove()  # once more changes nothing


def test_a_command_that_fails_says_which_and_how_to_go_on(
    root: Path, prefix: Path, tmp_path: Path
) -> None:
    system = System(Steps(dry_run=False), FIRST, root=root, prefix=prefix, run=Recorded("enable"))
    indoors = House.build(tmp_path / "house", camera=config.Camera(source=config.SceneSource()))
    with pytest.raises(EnvironmentFault, match=r"enable.*failed: it broke.*setup` again"):
        system.start(indoors.config)


def test_only_the_settings_of_the_units_are_managed(
    root: Path, prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def manages(path: Path) -> bool:
        steps, run = Steps(dry_run=False), Recorded()
        return System(steps, Instance.of(path), root=root, prefix=prefix, run=run).manages()

    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert manages(FIRST.config)
    assert manages(FIRST.config.with_name("garage.yaml"))
    assert not manages(tmp_path / "agent.yaml")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert not manages(FIRST.config)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    (root / "run/systemd/system").rmdir()
    assert not manages(FIRST.config)


def settings_of(folder: Path, name: str) -> Instance:
    """A camera whose configuration is in ``folder``; the first is agent.yaml's."""
    instance = Instance.of(folder / f"{name or 'agent'}.yaml")
    instance.folder.mkdir(parents=True, exist_ok=True)
    instance.config.touch()
    return instance


@pytest.mark.usefixtures("visible")
@pytest.mark.parametrize("is_packaged", [False, True])
def test_each_further_camera_gets_users_folders_and_units_of_its_own(
    root: Path, prefix: Path, tmp_path: Path, is_packaged: bool
) -> None:
    if is_packaged:
        unit = root / "usr/lib/systemd/system/clip-agent-camera.service"
        unit.parent.mkdir(parents=True)
        unit.touch()
    before = tree(root)
    etc = tmp_path / "etc-of-cameras"
    instances = [settings_of(etc, name) for name in ("", "garage", "gate-2", "porch")]
    run = Recorded()
    systems = [
        System(Steps(dry_run=False), one, root=root, prefix=prefix, run=run) for one in instances
    ]
    for system in systems:
        system.prepare()
        system.start(streaming(tmp_path, "rtsp://192.0.2.77/main"))
    users = (root / "etc/sysusers.d/clip-agent-garage.conf").read_text()
    folders = (root / "etc/tmpfiles.d/clip-agent-garage.conf").read_text()
    for user in ("clip-camera-garage", "clip-gateway-garage"):
        assert re.search(rf"^u +{user} +-:clip-agent ", users, re.M)
        assert user in folders
    assert "/var/lib/clip-agent/garage/gateway/keys" in folders
    assert "/run/clip-agent/garage " in folders
    assert (
        "systemctl restart clip-agent@garage.target clip-agent-camera@garage.service"
        " clip-agent-gateway@garage.service" in run.commands
    )
    drop_in = root / "etc/systemd/system/clip-agent-camera@gate-2.service.d/ip-camera.conf"
    assert drop_in.exists()

    for system, one in zip(systems, instances, strict=True):
        units = "etc/systemd/system/clip-agent-camera@.service"
        assert is_packaged or (root / units).exists(), "another camera still needs the template"
        system.remove()
        one.config.unlink()
    assert tree(root) == before


def test_a_name_that_users_or_files_of_the_machine_cannot_have_is_refused() -> None:
    for name in (
        "camera",
        "gateway",
        "wishes",
        "owners",
        "requesters",
        "root",
        "x" * 19,
        "A",
        "a b",
    ):
        with pytest.raises(ConfigError, match="cannot name a further camera"):
            Instance.of(FIRST.config.with_name(f"{name}.yaml")).check_name()
    for name in ("agent", "x" * 18, "gate-2", "2"):
        Instance.of(FIRST.config.with_name(f"{name}.yaml")).check_name()
