"""The units, their users and their folders: checked by systemd, and against the code."""

from __future__ import annotations

import os
import pkgutil
import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from msgspec import Meta

from agent.camera.health.stall import opening_seconds
from agent.cli.commands import DEFAULT_CONFIG
from agent.cli.instance import named
from agent.cli.setup import system
from agent.config import Recording
from agent.gateway import device_state as state
from agent.vault.database.connection import _BUSY_SECONDS
from tests.peers.mosquitto import Mosquitto
from tests.peers.requirements import ROOT, program
from tests.support.units import SERVICES, STATE_DIR, SYSTEMD, paths, read_unit, words

CEILINGS = {"clip-agent-camera.service": 0.4, "clip-agent-gateway.service": 1.0}


def install(folder: Path) -> Path:
    """A root folder with the units in place, and an ExecStart that exists in it.

    ``verify`` insists on the program; it is not run, so an empty file does.
    """
    units = folder / "etc/systemd/system"
    units.mkdir(parents=True)
    for file in SYSTEMD.glob("clip-agent*.*"):
        (units / file.name).write_bytes(file.read_bytes())
    command = folder / shlex.split(read_unit(SERVICES[0])["ExecStart"][0])[0].lstrip("/")
    command.parent.mkdir(parents=True)
    command.touch(mode=0o755)
    for target in ("sysinit", "basic", "shutdown", "multi-user"):
        (units / f"{target}.target").write_text("[Unit]\nDescription=stands in for systemd's\n")
    return units


def uncomment(text: str) -> str:
    """``text`` with every commented-out setting in force; prose begins with ``# ``."""
    return re.sub(r"^#(?=[A-Z]\w+=)", "", text, flags=re.M)


def add_drop_in(units: Path, service: str, example: str, *, everything: bool = False) -> None:
    drop_in = units / f"{service}.d" / example
    drop_in.parent.mkdir()
    text = (SYSTEMD / "examples" / example).read_text()
    drop_in.write_text(uncomment(text) if everything else text)


def analyze(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [program("systemd-analyze"), "--no-pager", f"--root={root}", *arguments]
    environment = {**os.environ, "SYSTEMD_LOG_LEVEL": "notice"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("ip_camera", ["none", "as it is", "by UDP"])
def test_systemd_has_nothing_to_say_about_the_units(tmp_path: Path, ip_camera: str) -> None:
    units = install(tmp_path)
    if ip_camera != "none":
        everything = ip_camera == "by UDP"
        add_drop_in(units, SERVICES[0], "ip-camera.conf", everything=everything)
    names = sorted(file.name for file in SYSTEMD.glob("clip-agent*.*"))
    done = analyze(tmp_path, "verify", "--man=no", *names)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_verify_would_have_said_something(tmp_path: Path) -> None:
    service = install(tmp_path) / SERVICES[0]
    service.write_text(service.read_text().replace("PrivateNetwork=", "PrivateNetwrok="))
    done = analyze(tmp_path, "verify", "--man=no", service.name)
    assert "PrivateNetwrok" in done.stderr


def enabled(root: Path) -> dict[str, str]:
    """The links in ``root`` by which a unit pulls in another: their names below, and targets."""
    units = root / "etc/systemd/system"
    return {
        f"{link.parent.name}/{link.name}": str(link.readlink())
        for link in units.rglob("*")
        if link.is_symlink()
    }


def test_the_target_that_is_enabled_starts_both_services_with_the_machine(
    tmp_path: Path,
) -> None:
    name = "clip-agent.target"
    install(tmp_path)
    command = [program("systemctl"), f"--root={tmp_path}"]
    subprocess.run([*command, "enable", name], check=True, capture_output=True, timeout=60)
    assert enabled(tmp_path) == {
        "multi-user.target.wants/clip-agent.target": "/etc/systemd/system/clip-agent.target",
        **{
            f"clip-agent.target.wants/{service}": f"/etc/systemd/system/{service}"
            for service in SERVICES
        },
    }
    subprocess.run([*command, "disable", name], check=True, capture_output=True, timeout=60)
    assert enabled(tmp_path) == {}


@pytest.mark.parametrize("kind", ["-camera{}.service", "-gateway{}.service", "{}.target"])
def test_a_template_differs_from_the_plain_unit_by_the_cameras_name_alone(kind: str) -> None:
    plain, template = ((SYSTEMD / f"clip-agent{kind.format(at)}").read_text() for at in ("", "@"))
    assert template == named(plain, "%i")


def test_four_cameras_of_one_machine_start_with_it_each_by_itself(tmp_path: Path) -> None:
    install(tmp_path)
    names = ["clip-agent.target", *(f"clip-agent@cam-{number}.target" for number in (2, 3, 4))]
    command = [program("systemctl"), f"--root={tmp_path}"]
    subprocess.run([*command, "enable", *names], check=True, capture_output=True, timeout=60)
    links = enabled(tmp_path)
    assert {f"multi-user.target.wants/{name}" for name in names} <= links.keys()
    for kind in ("camera", "gateway"):
        own = "clip-agent@cam-2.target.wants"
        assert f"{own}/clip-agent-{kind}@cam-2.service" in links
    assert len(links) == 12
    done = analyze(tmp_path, "verify", "--man=no", *names)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_documentation_that_a_unit_names_is_put_there_by_the_setup() -> None:
    for file in SYSTEMD.glob("clip-agent*.*"):
        for where in words(read_unit(file.name), "Documentation"):
            expected = (
                str(DEFAULT_CONFIG.with_name("%i.yaml")) if "@" in file.name else DEFAULT_CONFIG
            )
            assert where.removeprefix("file:") == str(expected), file.name


def test_a_group_goes_with_a_device_that_the_camera_may_open() -> None:
    devices = words(read_unit(SERVICES[0]), "DeviceAllow")[::2]
    # By udev's rules: video owns these three; render would own char-drm.
    assert set(devices) <= {"char-video4linux", "char-media", "char-dma_heap"}
    assert words(read_unit(SERVICES[0]), "SupplementaryGroups") == ["video"]


@pytest.mark.parametrize("service", SERVICES)
def test_the_sandbox_leaves_little_exposed(tmp_path: Path, service: str) -> None:
    install(tmp_path)
    ceiling = f"--threshold={round(CEILINGS[service] * 10)}"
    done = analyze(tmp_path, "security", "--offline=true", ceiling, service)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level" in done.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_exec_start_is_a_command_of_the_real_program(service: str) -> None:
    from agent.cli.main import build_parser  # every room: too much for the other tests here

    command = shlex.split(read_unit(service)["ExecStart"][0])
    parsed = build_parser().parse_args(command[command.index("agent") + 1 :])
    assert str(parsed.config) == "/etc/clip-agent/agent.yaml"
    assert callable(pkgutil.resolve_name(parsed.run))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_when_it_is_ready_and_a_wrong_config_ends_it_for_good(service: str) -> None:
    unit = read_unit(service)
    assert unit["Type"] == ["notify"]
    assert float(unit["WatchdogSec"][0]) > 0
    assert (unit["Restart"], unit["RestartPreventExitStatus"]) == (["on-failure"], ["78"])


def test_the_camera_has_time_to_start_with_the_most_patient_configuration() -> None:
    longest = max(
        each.le
        for each in get_args(get_type_hints(Recording, include_extras=True)["no_frame_seconds"])
        if isinstance(each, Meta) and each.le is not None
    )
    allowed = read_unit(SERVICES[0])["TimeoutStartSec"]
    assert allowed == ["10min"]
    in_order_seconds = 120  # what the vault may take before
    assert opening_seconds(longest) + in_order_seconds <= 600


def test_a_camera_that_ended_is_started_again_long_before_it_is_called_dead() -> None:
    restart = float(read_unit(SERVICES[0])["RestartSec"][0])
    assert 4 * restart <= state._RESTART_SECONDS


def test_the_watchdog_is_longer_than_any_honest_wait_of_the_loop() -> None:
    from agent.camera import daemon
    from agent.camera.sources.reader import CLOSE_SECONDS, POLL_SECONDS

    watchdog = float(read_unit(SERVICES[0])["WatchdogSec"][0])
    honest = _BUSY_SECONDS + daemon._TICK_SECONDS + POLL_SECONDS + CLOSE_SECONDS
    assert watchdog >= 2 * honest


@pytest.mark.parametrize("service", SERVICES)
def test_the_sandbox_shows_the_boards_sensors_and_its_boot_id(service: str) -> None:
    unit = read_unit(service)
    hidden = " ".join(words(unit, "InaccessiblePaths") + words(unit, "TemporaryFileSystem"))
    assert "/sys" not in hidden
    assert "/proc" not in hidden
    assert "ProcSubset" not in unit
    assert unit["MountAPIVFS"] == ["yes"]  # /proc and /sys, in the root that is otherwise empty


def test_the_camera_has_no_network_and_no_way_to_keys_or_outbox() -> None:
    unit = read_unit(SERVICES[0])
    assert (unit["PrivateNetwork"], unit["IPAddressDeny"]) == (["yes"], ["any"])
    assert words(unit, "RestrictAddressFamilies") == ["AF_UNIX", "AF_NETLINK"]
    assert paths(unit, "ReadWritePaths") == {f"{STATE_DIR}/camera"}
    assert f"{STATE_DIR}/wishes" in paths(unit, "BindReadOnlyPaths")
    assert words(unit, "DeviceAllow")[::2] == ["char-video4linux", "char-media", "char-dma_heap"]


def test_the_gateway_has_no_device_and_no_listening_socket_and_only_reads_clips() -> None:
    unit = read_unit(SERVICES[1])
    assert unit["PrivateDevices"] == ["yes"]
    assert unit["SocketBindDeny"] == ["1-65535"]
    assert {"listen", "accept", "accept4"} <= set(unit["SystemCallFilter"][-1].split())
    assert paths(unit, "ReadWritePaths") == {f"{STATE_DIR}/gateway", f"{STATE_DIR}/wishes"}
    assert f"{STATE_DIR}/camera" in paths(unit, "BindReadOnlyPaths")
    assert "SupplementaryGroups" not in unit


@pytest.mark.parametrize("service", SERVICES)
def test_of_the_file_system_only_a_list_is_there(service: str) -> None:
    """A socket that some later package makes is not on it, wherever it is."""
    unit = read_unit(service)
    assert unit["RootDirectory"] == ["/run/clip-agent/root"]
    given = paths(unit, "BindReadOnlyPaths") | paths(unit, "BindPaths")
    program = {"/usr", "/lib", "/lib64", "/etc", "/opt/clip-agent"}
    systemd = {f"/run/systemd/{name}" for name in ("notify", "journal/socket", "timesync")}
    names = {
        *(f"/run/systemd/resolve/{file}" for file in ("stub-resolv.conf", "resolv.conf")),
        *("/run/NetworkManager", "/run/resolvconf", "/run/avahi-daemon"),
    }
    devices = {"/run/udev/data", "/run/udev/tags"}
    passed_on = {f"{STATE_DIR}/camera", f"{STATE_DIR}/wishes"}
    own = devices if service == SERVICES[0] else {f"{STATE_DIR}/gateway", *names}
    assert given == program | systemd | passed_on | own


def test_the_folder_of_the_clocks_marker_outlives_a_restart_of_the_time_service() -> None:
    """The services hold on to the folder that was there when they started."""
    unit = read_unit("systemd-timesyncd.service.d/clip-agent.conf")
    assert unit["RuntimeDirectoryPreserve"] == ["yes"]
    assert "systemd-timesyncd.service.d/clip-agent.conf" in system._OWN_FILES


@pytest.mark.parametrize("service", SERVICES)
def test_plaintext_and_keys_reach_neither_swap_nor_a_core_dump(service: str) -> None:
    unit = read_unit(service)
    # At 0 the kernel would still start the program of a core_pattern with a pipe.
    assert (unit["LimitCORE"], unit["MemorySwapMax"]) == (["1"], ["0"])


def plant(folder: Path, ran: Path) -> dict[str, str]:
    """Code wherever Python might take it from below ``folder``; variables that point there."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    user_site = folder / ".local/lib" / version / "site-packages"
    user_site.mkdir(parents=True)
    for place in (folder, user_site):
        for name in ("usercustomize", "sitecustomize", "agent", "json", "logging"):
            (place / f"{name}.py").write_text(f"open({str(ran)!r}, 'w')\n")
    (user_site / "evil.pth").write_text("import usercustomize\n")
    return {
        "HOME": str(folder),
        "PYTHONPATH": str(folder),
        "PYTHONSTARTUP": str(folder / "usercustomize.py"),
        "PYTHONUSERBASE": str(folder / ".local"),
    }


def virtual_environment(folder: Path) -> Path:
    """Python in an environment as it is installed, with the agent and what it needs."""
    made = [sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", str(folder)]
    subprocess.run(made, check=True, timeout=60)
    (packages,) = folder.glob("lib/python3*/site-packages")
    installed = sysconfig.get_path("purelib")
    (packages / "clip-agent.pth").write_text(f"{ROOT}\n{installed}\n")
    return folder / "bin/python"


@pytest.mark.parametrize("service", SERVICES)
def test_code_planted_in_home_working_folder_and_environment_does_not_run(
    tmp_path: Path, service: str
) -> None:
    """Either service can write what the other one finds in the state folder."""
    _, *arguments = shlex.split(read_unit(service)["ExecStart"][0])
    options = arguments[: arguments.index("-m")]
    python, ran = virtual_environment(tmp_path / "venv"), tmp_path / "ran"
    planted = plant(tmp_path / "state", ran)

    def start(*options: str) -> subprocess.CompletedProcess[str]:
        ran.unlink(missing_ok=True)
        return subprocess.run(
            [str(python), *options, "-m", "agent", "--version"],
            cwd=tmp_path / "state",
            env=planted,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    start()
    assert ran.exists(), "the plant works"
    done = start(*options)
    assert not ran.exists()
    assert done.stdout.startswith("clip-agent "), done.stderr


CONNECTS_WITHOUT_LISTENING = """
import socket, sys
def refuse(*_):
    raise PermissionError(1, "the unit forbids this")
def watch(event, arguments):
    if event == "socket.bind" and arguments[1][1] != 0:
        refuse()
sys.addaudithook(watch)
socket.socket.listen = socket.socket.accept = refuse
from agent.config import Broker
from agent.mqtt.link import connect_broker
from agent.mqtt.connection import Connected
link = connect_broker(
    Broker(port=int(sys.argv[1])), client_id="gateway", subscriptions=["x"], clean_session=True
)
link.start()
assert isinstance(link.events.get(timeout=20), Connected)
link.stop()
print("connected")
"""


def test_the_gateways_link_works_where_no_socket_may_listen(mosquitto: Mosquitto) -> None:
    """paho's own network thread does, on loopback and for a moment: it would fail in the unit."""
    command = [sys.executable, "-c", CONNECTS_WITHOUT_LISTENING, str(mosquitto.port)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (done.stdout, done.returncode) == ("connected\n", 0), done.stderr


def test_an_ip_camera_opens_one_address_and_no_more(tmp_path: Path) -> None:
    lines = (SYSTEMD / "examples/ip-camera.conf").read_text().splitlines()
    settings = [line for line in lines if line and line[0] not in "#["]
    assert settings == [
        "PrivateNetwork=no",
        "IPAddressAllow=192.0.2.10",
        "RestrictAddressFamilies=AF_INET AF_INET6",
        "SocketBindDeny=any",
    ]


def test_an_ip_camera_by_udp_may_take_udp_ports_and_no_others() -> None:
    """Permitted ports go before denied ones; `transport` in the configuration says so."""
    example = "systemd/examples/ip-camera.conf"
    lines = uncomment((ROOT / example).read_text()).splitlines()
    assert [line for line in lines if line.startswith("SocketBind")] == [
        "SocketBindDeny=any",
        "SocketBindAllow=udp",
    ]
    config = (ROOT / "config/agent.yaml").read_text()
    comment = re.search(r"((?:^ *#  +#.*\n)+) *#  +transport: tcp$", config, re.M)
    assert comment is not None
    assert example in comment[1]
