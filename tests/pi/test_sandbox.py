"""The shipped units under a real systemd: what a service that was taken over reaches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import config
from tests.pi.machine import PYTHON, STATE, Machine, installed
from tests.support.house import House

SERVICES = ("clip-agent-camera", "clip-agent-gateway")
OTHER_SOCKETS = {
    "/run/dbus/system_bus_socket",
    "/run/avahi-daemon/socket",
    "/run/cups/cups.sock",
    "/run/of-next-year.sock",
    "/run/systemd/resolve/io.systemd.Resolve",
    "/srv/socket",
    "/var/lib/other/socket",
}
SYSTEMD_SOCKETS = {
    "/run/systemd/notify",
    # With MountAPIVFS= systemd 257 and later bring the journal's, to write to, by themselves.
    *(f"/run/systemd/journal/{name}" for name in ("dev-log", "socket", "stdout")),
}
PLANT = f"""
set -e
cd {STATE}
printf 'import os, pwd\\nopen("/tmp/ran-" + pwd.getpwuid(os.getuid()).pw_name, "w")\\n' >evil.py
cat >>evil.py <<'CODE'
import contextlib, pathlib
for folder in ("camera", "gateway", "wishes"):
    with contextlib.suppress(OSError):
        pathlib.Path("{STATE}", folder, "ran-as-" + pwd.getpwuid(os.getuid()).pw_name).touch()
CODE
site=$({PYTHON} -c 'import sys; print("lib/python%d.%d/site-packages" % sys.version_info[:2])')
mkdir -p .local/$site camera/clips/lib
for module in usercustomize sitecustomize agent json logging; do
    for folder in . .local/$site camera/clips/lib; do cp evil.py $folder/$module.py; done
done
echo 'import usercustomize' >.local/$site/evil.pth
chmod -R a+rX .local camera/clips/lib *.py
chmod a+x .
"""


@pytest.fixture
def machine(tmp_path: Path, pi_root: Path) -> Iterator[Machine]:
    house = House.build(
        tmp_path / "house",
        camera=config.Camera(
            source=config.SceneSource(width=320, height=180, frames_per_second=10)
        ),
        mqtt=config.Broker(port=1),
    )
    settings = config.effective(house.config)
    settings = settings.replace(str(house.config.state_dir), STATE)
    settings = settings.replace(str(house.root), "/etc/clip-agent")
    (house.root / "agent.yaml").write_text(settings)
    with installed(tmp_path, pi_root, house) as machine:
        yield machine


def test_code_that_one_service_planted_does_not_run_in_the_other(machine: Machine) -> None:
    machine.run(PLANT)
    variables = (
        f"PYTHONPATH={STATE}:{STATE}/camera/clips/lib PYTHONSTARTUP={STATE}/evil.py PYTHONUSERBASE="
        f"{STATE}/.local HOME={STATE} PYTHONINSPECT=1 PYTHONPLATLIBDIR={STATE}"
    )
    machine.run(f"systemctl set-environment {variables}")
    planted = f"setpriv --reuid clip-gateway --regid clip-agent --clear-groups env HOME={STATE}"
    machine.run(f"cd {STATE} && {planted} {PYTHON} -c 'import agent' || true")
    ran = f"cd {STATE} && find . -name 'ran-as-*'"
    own = {f"./{folder}/ran-as-clip-gateway" for folder in ("gateway", "wishes")}
    assert set(machine.run(ran).split()) == own, "the plant works"
    machine.run(f"rm {STATE}/*/ran-as-*")

    for service in SERVICES:  # each says READY: its code ran, and not the planted one
        machine.run(f"systemctl start {service} || {{ journalctl -u {service}; exit 1; }}")
        home = machine.run(f"getent passwd $(systemctl show -P User {service}) | cut -d: -f6")
        assert not home.startswith(STATE)
    assert machine.run(ran) == ""
    for service in SERVICES:
        assert machine.run(f"systemctl is-active {service}").strip() == "active"
        lines = machine.run(f"journalctl --output=json --unit={service} _TRANSPORT=journal")
        records = [json.loads(line) for line in lines.splitlines()]
        assert any(one.get("LOGGER", "").startswith("agent.") for one in records)
        assert {one["SYSLOG_IDENTIFIER"] for one in records} == {"clip-agent"}


def test_a_service_reaches_no_socket_but_those_it_needs(machine: Machine) -> None:
    """The gateway resolves names all the same."""
    camera, gateway = (machine.probe(service) for service in SERVICES)
    anybody = "setpriv --reuid clip-gateway --regid clip-agent --clear-groups"
    outside = json.loads(machine.run(f"{anybody} {PYTHON} -I /etc/rig/probe.py"))
    assert outside["abstract"] == "yes"
    assert set(outside["sockets"]) >= OTHER_SOCKETS, "they are there to be found"

    assert set(camera["sockets"]) <= SYSTEMD_SOCKETS
    assert set(gateway["sockets"]) <= {*SYSTEMD_SOCKETS, "/run/avahi-daemon/socket"}
    log_and_notify = {"/run/systemd/notify", "/run/systemd/journal/socket"}
    assert log_and_notify <= set(camera["sockets"]) & set(gateway["sockets"])
    assert camera["abstract"] != "yes"
    assert camera["name"] != gateway["name"] == "192.0.2.7"
    for found in (camera, gateway):
        assert found["isolated"] == 1
        assert (found["boot_id"], found["sensors"]) == (True, True)
        assert set(found["root"]) <= {
            *("dev", "etc", "lib", "lib64", "opt", "proc", "root", "run", "sys", "tmp"),
            *("usr", "var"),
        }


def test_neither_service_writes_to_a_folder_of_the_other(machine: Machine) -> None:
    """Nor does the camera find the gateway's folder at all."""
    camera, gateway = (machine.probe(service) for service in SERVICES)
    assert camera["writable"] == [f"{STATE}/camera", f"{STATE}/camera/clips"]
    own = ("gateway", "gateway/keys", "gateway/outbox", "wishes")
    assert gateway["writable"] == [f"{STATE}/{name}" for name in own]
    assert f"{STATE}/gateway" not in camera["folders"]
    assert {f"{STATE}/camera/clips", f"{STATE}/wishes"} <= set(camera["folders"])


def test_the_services_see_the_clocks_marker_after_the_time_service_restarted(
    machine: Machine,
) -> None:
    marker = "/run/systemd/timesync/synchronized"
    machine.run(f"systemctl start {' '.join(SERVICES)}")
    sees = f"""
        for service in {" ".join(SERVICES)}; do
            test ! -e /proc/$(systemctl show -P MainPID $service)/root{marker} || echo $service
        done"""
    assert machine.run(sees) == ""
    machine.run(
        """
        folder=/run/systemd/system/systemd-timesyncd.service.d
        mkdir -p $folder
        printf '[Unit]\\nConditionVirtualization=\\n' >$folder/container.conf
        systemctl daemon-reload
        systemctl start systemd-timesyncd
        systemctl is-active systemd-timesyncd
        systemctl restart systemd-timesyncd"""
    )
    machine.run(f"setpriv --reuid systemd-timesync --clear-groups touch {marker}")
    assert machine.run(sees).split() == list(SERVICES)


def test_the_systemd_of_today_has_nothing_to_say_about_the_units(machine: Machine) -> None:
    for service, exposure in zip(SERVICES, (0.4, 1.0), strict=True):
        assert machine.run(f"systemd-analyze verify --man=no {service}.service 2>&1") == ""
        threshold = f"--threshold={round(10 * exposure)}"
        machine.run(f"systemd-analyze security {threshold} {service}.service")
