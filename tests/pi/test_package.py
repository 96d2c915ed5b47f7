"""The Debian package on a machine that systemd runs: one story, in the order of the tests.

apt installs it, `setup` sets it up, an owner pairs, the camera records through picamera2, somebody
asks, the owner approves, the bundle arrives. Then the machine's life: a kill, a reboot, an upgrade,
a removal. Nothing is replaced but the sensor.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.peers.requirements import ROOT, missing
from tests.pi.machine import STATE, booted
from tests.pi.rig import PI, VIRTUAL

pytestmark = pytest.mark.timeout(900)

PASSPHRASE = "correct horse battery"
PLACE = {"latitude": 42.1015, "longitude": -72.5898}
SERVICES = ("clip-agent-camera", "clip-agent-gateway")
PYTHON = "/opt/clip-agent/venv/bin/python -I -u /etc/rig/packaged.py"
CONFIG = "/etc/clip-agent/agent.yaml"
RIGGED = f"LD_PRELOAD=/usr/lib/fakedma.so {PYTHON}"
# The sensor that the virtual pipeline plays; all else of the unit stays.
DROP_IN = f"""[Service]
Environment=LD_PRELOAD=/usr/lib/fakedma.so
BindReadOnlyPaths=/venv /pictures
ExecStart=
ExecStart={PYTHON} camera --config {CONFIG}
"""
SETTINGS = """
import yaml
path = "/etc/clip-agent/agent.yaml"
settings = yaml.safe_load(open(path))
settings["upload"] = {"allow_loopback_http": True}
settings["camera"]["source"] |= {"width": 1280, "height": 720, "frames_per_second": 15}
settings["camera"]["motion"] = {"min_size": 20}
settings["camera"]["recording"] = {"pre_roll_seconds": 1, "post_roll_seconds": 1}
open(path, "w").write(yaml.safe_dump(settings))
"""


class Story:
    """The machine, which can be booted again, and what the people on it do."""

    def __init__(self, folder: Path, root: Path, packages: Path, pictures: Path) -> None:
        (folder / "scratch/upper").mkdir(parents=True)
        pipeline = folder / "virtual"
        pipeline.mkdir()
        (pipeline / "virtual.yaml").write_text(VIRTUAL)
        self._folder, self._root = folder, root
        self._binds = {
            str(packages): "/packages",
            str(PI / "inside"): "/etc/rig",
            str(pictures): "/pictures",
            str(pipeline): "/usr/share/libcamera/pipeline/virtual",
        }
        self._boot = booted(folder, root, self._binds)
        self.machine = self._boot.__enter__()
        self.seconds: dict[str, float] = {}

    def end(self) -> None:
        self._boot.__exit__(None, None, None)

    def reboot(self) -> None:
        """Off, as the power goes, and on."""
        self.machine.run("sync")
        self.end()
        self._boot = booted(self._folder, self._root, self._binds)
        self.machine = self._boot.__enter__()
        self.be_synced()

    def be_synced(self) -> None:
        """The marker of the time service, which does not run in a container."""
        self.machine.run(
            "mkdir -p /run/systemd/timesync && touch /run/systemd/timesync/synchronized"
        )

    def people(self, name: str, command: str) -> str:
        """A command that ``olive`` or the ``agency`` types on this machine."""
        return self.machine.run(
            f"cd /home/{name} && setpriv --reuid {name} --regid {name} --init-groups env"
            f" HOME=/home/{name} COLUMNS=200 CLIP_AGENT_PASSPHRASE='{PASSPHRASE}'"
            f" clip-agent {command}"
        )

    def clips(self) -> list[str]:
        lines = self.machine.run("clip-agent clips --json").splitlines()
        return [str(json.loads(line)["id"]) for line in lines]

    def wait_for_clips(self, count: int) -> None:
        self.machine.until(f"find {STATE}/camera/clips -name '*.json' | sed -n {count}p")

    def events(self) -> list[str]:
        lines = self.machine.run("clip-agent ledger export").splitlines()
        return [str(json.loads(line)["event"]) for line in lines]

    def active(self) -> list[str]:
        return self.machine.run(f"systemctl is-active {' '.join(SERVICES)} || true").split()


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as built, and the same under a newer version."""
    folder = ROOT / ".cache/deb"
    built = sorted(folder.glob("clip-agent_*trixie_*.deb"))
    if len(built) != 1:
        missing("the Debian package is not built", "run make test-pi as root")
    work = tmp_path_factory.mktemp("packages")
    (work / "old.deb").write_bytes(built[0].read_bytes())
    subprocess.run(["dpkg-deb", "-R", work / "old.deb", work / "tree"], check=True)
    control = work / "tree/DEBIAN/control"
    control.write_text(
        re.sub(r"^Version: (\S+)", r"Version: 99-\1", control.read_text(), flags=re.M)
    )
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "-b", work / "tree", work / "new.deb"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    subprocess.run(["rm", "-rf", work / "tree"], check=True)
    return work


@pytest.fixture(scope="module")
def story(
    tmp_path_factory: pytest.TempPathFactory, pi_root: Path, packages: Path, pictures: Path
) -> Iterator[Story]:
    story = Story(tmp_path_factory.mktemp("story"), pi_root, packages, pictures)
    try:
        yield story
    finally:
        story.end()


def test_apt_installs_it_without_the_network(story: Story) -> None:
    machine = story.machine
    machine.run("systemctl start mosquitto")
    began = time.monotonic()
    machine.run("DEBIAN_FRONTEND=noninteractive apt-get install -y /packages/old.deb")
    story.seconds["install"] = time.monotonic() - began
    assert machine.run("clip-agent --version").startswith("clip-agent ")
    assert "clip-agent" in machine.run("getent group")
    assert machine.run("systemctl is-enabled clip-agent.target || true").strip() == "disabled"
    assert machine.run("ls -A /etc/clip-agent").strip() == ""
    for unit in SERVICES:
        assert machine.run(f"systemd-analyze verify --man=no {unit}.service 2>&1") == ""


def test_setup_pairs_starts_and_checks(story: Story) -> None:
    machine = story.machine
    story.be_synced()
    folder = f"/etc/systemd/system/{SERVICES[0]}.service.d"
    machine.run(f"mkdir -p {folder} && cat >{folder}/virtual.conf <<'E'\n{DROP_IN}E")
    machine.run("for name in olive agency; do useradd --create-home $name; done")
    began = time.monotonic()
    place = f"{PLACE['latitude']},{PLACE['longitude']}"
    machine.run(
        "systemd-run --quiet --unit=setup --remain-after-exit"
        " --property=StandardOutput=file:/run/setup.log"
        f" --property=StandardError=file:/run/setup.err -- env {RIGGED} setup --name front-door"
        f" --place {place} --camera pi --address localhost"
    )
    command = machine.until("grep -o 'clip-agent owner pair .*' /run/setup.log | tail -n 1")
    story.people("olive", f"{command.removeprefix('clip-agent ')} --name Olive")
    machine.until("systemctl show -P SubState setup | grep -v running")
    story.seconds["setup"] = time.monotonic() - began
    said = machine.run("cat /run/setup.log /run/setup.err")
    assert machine.run("systemctl show -P ExecMainStatus setup").strip() in ("0", "1"), said
    assert "starts       clip-agent.target" in said
    failed = [line for line in said.splitlines() if line.startswith("FAIL")]
    assert [line.split()[1] for line in failed if "memory" not in line] == [], said
    assert "ok    services" in said, said
    assert story.active() == ["active", "active"]
    again = machine.run(f"env {RIGGED} setup || true")
    assert "makes" not in again and "changes" not in again, again


def test_it_records_through_picamera2_sealed_to_the_owner(story: Story) -> None:
    machine = story.machine
    machine.run(f"systemctl stop {' '.join(SERVICES)}")
    machine.run(f"cat >/run/settings.py <<'E'\n{SETTINGS}E\npython3 /run/settings.py")
    machine.run("systemctl start clip-agent.target")
    began = time.monotonic()
    machine.run(f"systemctl start {' '.join(SERVICES)}")
    story.wait_for_clips(2)
    story.seconds["two clips"] = time.monotonic() - began
    assert "connected, since" in story.people("olive", "owner status")
    sealed = machine.run(f"find {STATE}/camera/clips -name '*.mp4.age' | head -n 1").strip()
    assert machine.run(f"head -c 21 {sealed}") == "age-encryption.org/v1"


def test_a_request_is_approved_and_the_bundle_opens(story: Story) -> None:
    machine = story.machine
    machine.run(
        "for kind in requests alerts withdrawals log; do"
        " echo topic readwrite clip-feed/$kind/+; done | sed '1i user requester'"
        " >>/etc/mosquitto/clip-agent.acl"
        " && mosquitto_passwd -b /etc/mosquitto/clip-agent.passwd requester public 2>/dev/null"
        " && chown mosquitto: /etc/mosquitto/clip-agent.passwd"
        " && kill -HUP $(systemctl show -P MainPID mosquitto)"
        " && install -o agency -m 400 /dev/null ~agency/password"
        " && echo public >~agency/password"
        " && install -o agency -m 444 /etc/mosquitto/certs/clip-agent.pem ~agency/ca.pem"
    )
    story.people(
        "agency",
        "requester init --name 'Springfield Police Department' --broker localhost:8883"
        " --username requester --password-file password --ca-file ca.pem",
    )
    card = story.people("agency", "requester card --host 127.0.0.1:1080")
    listed = yaml.safe_dump({"requesters": [yaml.safe_load(card)]})
    machine.run(f"cat >/etc/clip-agent/requesters.yaml <<'E'\n{listed}E")
    machine.run(f"systemctl restart {' '.join(SERVICES)}")
    now = datetime.now(UTC)
    request = {
        "title": "Bicycle theft on Elm Street",
        "text": "We look for whoever rode a red bicycle away.",
        "incident": "theft",
        "reference": "2024-001234",
        "contact": "Det. A. Example, 413 555 0100",
        "window": {
            "from": (now - timedelta(minutes=30)).isoformat(),
            "to": (now + timedelta(minutes=5)).isoformat(),
        },
        "around": {**PLACE, "square_miles": 0.25},
        "upload": "http://127.0.0.1:1080/files/",
        "open_days": 5,
    }
    machine.run(f"cat >~agency/request.yaml <<'E'\n{yaml.safe_dump(request)}E")
    machine.run(
        "systemd-run --quiet --unit=receiver --uid=agency --working-directory=/home/agency"
        f" --setenv=HOME=/home/agency --setenv='CLIP_AGENT_PASSPHRASE={PASSPHRASE}'"
        " clip-agent requester receive --dir received"
    )
    posted = story.people(
        "agency", "requester post request.yaml --allow-loopback-http --json --yes"
    )
    digest = str(json.loads(posted)["digest"])
    inbox = json.loads(story.people("olive", "owner inbox --json --wait 120"))
    (asked,) = [one for one in inbox["requests"] if one["digest"] == digest]
    assert machine.run("find ~agency/received -name '*.age' || true") == ""
    clip = asked["clips"][0]["id"]
    story.people("olive", f"owner approve {digest} {clip} --yes --wait 120")
    arrived = machine.until("find ~agency/received/cases -name '*.mp4'")
    assert machine.run(f"head -c 8 {arrived.splitlines()[0]} | tail -c 4") == "ftyp"
    assert "release.sent" in story.events()


def test_nothing_listens_and_the_camera_has_no_network(story: Story) -> None:
    machine = story.machine
    camera, gateway = (
        machine.run(f"systemctl show -P MainPID {unit}").strip() for unit in SERVICES
    )
    assert machine.run(f"grep -c : /proc/{camera}/net/dev").strip() == "1", "loopback alone"
    sockets = machine.run(f"ls -l /proc/{camera}/fd /proc/{gateway}/fd")
    listening = machine.run(f"cat /proc/{gateway}/net/tcp /proc/{gateway}/net/tcp6")
    inodes = {line.split()[9] for line in listening.splitlines() if line.split()[3] == "0A"}
    assert inodes, "mosquitto listens"
    assert not inodes & set(re.findall(r"socket:\[(\d+)\]", sockets))


def test_a_killed_process_is_back_and_a_stop_loses_nothing(story: Story) -> None:
    machine = story.machine
    part = f"find {STATE}/camera/clips -name '*.part' -size +0"
    machine.until(part)
    running = Path(machine.until(part).splitlines()[0]).name.partition(".")[0]
    machine.run(f"systemctl kill --signal=KILL {SERVICES[0]}")
    machine.until(f"systemctl is-active {SERVICES[0]} | grep -x active")
    recovered = machine.until(f"find {STATE}/camera/clips -name '{running}.json'")
    assert recovered, "the clip that was being recorded is there"
    machine.until(part)
    running = Path(machine.until(part).splitlines()[0]).name.partition(".")[0]
    machine.run(f"systemctl stop {SERVICES[0]}")
    assert machine.run(part) == ""
    assert machine.run(f"find {STATE}/camera/clips -name '{running}.json'") != ""
    machine.run(f"systemctl start {SERVICES[0]}")
    assert "ledger: ok" in machine.run("clip-agent ledger verify")


def test_a_reboot_starts_both_again(story: Story) -> None:
    before = set(story.clips())
    story.reboot()
    machine = story.machine
    for unit in SERVICES:
        machine.until(f"systemctl is-active {unit} | grep -x active")
    assert before <= set(story.clips())
    story.wait_for_clips(len(before) + 1)


def test_an_upgrade_keeps_clips_keys_and_ledger(story: Story) -> None:
    machine = story.machine
    before = set(story.clips())
    events = story.events()
    card = machine.run(f"cat {STATE}/wishes/device.card.yaml")
    machine.run("DEBIAN_FRONTEND=noninteractive apt-get install -y /packages/new.deb")
    assert story.active() == ["active", "active"]
    assert "99-" in machine.run("dpkg-query -W clip-agent")
    assert before <= set(story.clips())
    assert story.events()[: len(events)] == events
    assert machine.run(f"cat {STATE}/wishes/device.card.yaml") == card


def test_warnings_stand_out_in_the_journal(story: Story) -> None:
    machine = story.machine
    units = " ".join(f"--unit={unit}" for unit in SERVICES)
    told = machine.run(f"journalctl --no-pager --output=cat --priority=warning --boot {units}")
    for line in told.splitlines():
        assert "Traceback" not in line
        assert "Main process exited" not in line, told


def test_a_removed_package_leaves_what_is_the_owners(story: Story) -> None:
    machine = story.machine
    before = set(story.clips())
    machine.run("DEBIAN_FRONTEND=noninteractive apt-get remove -y clip-agent")
    assert machine.run("ls /opt 2>/dev/null; command -v clip-agent || true").strip() == ""
    assert machine.run(f"ls {STATE}/gateway/keys") != ""
    machine.run("DEBIAN_FRONTEND=noninteractive apt-get install -y /packages/old.deb")
    for unit in SERVICES:
        machine.until(f"systemctl is-active {unit} | grep -x active")
    assert before <= set(story.clips())
    said = machine.run("clip-agent setup --remove")
    assert f"stay in {STATE}" in said
    assert machine.run("systemctl is-enabled clip-agent.target || true").strip() != "enabled"
    machine.run("DEBIAN_FRONTEND=noninteractive apt-get purge -y clip-agent")
    assert machine.run(f"ls {STATE}/camera/clips") != ""
    assert machine.run("systemctl list-units --all --plain --no-legend 'clip-agent*'").strip() == ""
