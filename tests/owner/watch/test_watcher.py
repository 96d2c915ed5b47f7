"""The watcher as it runs: a real broker, a command, and channels that fail."""

from __future__ import annotations

import json
import queue
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.config import Broker
from agent.errors import ConfigError, EnvironmentFault, KeyFileError, NetworkFault
from agent.mqtt import topics
from agent.mqtt.link import Connected, Disconnected, Event, Received
from agent.owner.home.folder import OwnerFolder, Settings
from agent.owner.home.keys import NewOwner
from agent.owner.watch import watcher as loop
from agent.owner.watch.channels import command
from agent.owner.watch.channels.desktop import Desktop
from agent.owner.watch.command import connect
from agent.owner.watch.household import Household, Message
from agent.owner.watch.memory import Memory
from agent.owner.watch.watcher import Watcher
from tests.owner.at_home import OwnerAtHome, run
from tests.owner.watch.conftest import ME, Camera, Home, item
from tests.support.clock import SimulatedClock
from tests.support.links import LONG_SECONDS

MESSAGE = Message("front-door", "request", "A request waits", False, until=7)


class Recorder:
    """A channel that keeps what it is told, and fails on demand."""

    def __init__(self, name: str = "ntfy") -> None:
        self.name, self.told, self.fails, self.tries = name, list[str](), False, 0

    def tell(self, message: Message) -> None:
        self.tries += 1
        if self.fails:
            raise NetworkFault("the server is away")
        self.told.append(str(message))


class Quiet:
    """A link that says what the test puts there."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def start(self) -> None:
        self.events.put(Connected())

    def stop(self) -> None: ...
    def publish(self, topic: str, payload: bytes, *, retained: bool) -> int:
        raise AssertionError("a watcher says nothing")

    def acknowledge(self, received: Received) -> None: ...
    def subscribe(self, topic: str) -> None: ...


def watching(house: Home, *channels: Recorder) -> tuple[Quiet, Watcher]:
    link = Quiet()
    link.start()
    return link, Watcher(house.household, link, channels, house.clock)


def bring(link: Quiet, house: Home, camera: Camera, number: int) -> None:
    payload = camera.letter(house.recipient, house.clock.now(), [item(number)])
    link.events.put(Received(topics.notice(camera.name, ME), payload, True, None))


def test_a_channel_that_fails_waits_longer_each_time_and_holds_up_no_other(house: Home) -> None:
    broken, good = Recorder("ntfy"), Recorder("desktop")
    broken.fails = True
    link, watcher = watching(house, broken, good)
    bring(link, house, house.front, 1)
    watcher.step()
    assert len(good.told) == 1
    broken.tries = 0
    for _ in range(3_600):
        house.clock.advance(1)
        watcher.step()
    assert 4 <= broken.tries <= 12
    broken.fails = False
    house.clock.advance(loop._LONGEST_SECONDS)
    watcher.step()
    assert len(broken.told) == 1
    assert len(good.told) == 1


def test_what_is_over_while_a_channel_failed_is_not_told(house: Home) -> None:
    channel = Recorder()
    channel.fails = True
    link, watcher = watching(house, channel)
    bring(link, house, house.front, 1)
    watcher.step()
    house.clock.advance(60)
    house.says(house.front)
    channel.fails = False
    watcher.step()
    assert channel.told == []


def test_topics_of_strangers_and_noise_are_ignored(house: Home) -> None:
    channel = Recorder()
    link, watcher = watching(house, channel)
    for topic in ("", "clip-agent/front-door/inbox/0123456789abcdef", "clip-agent/other/notice/x"):
        link.events.put(Received(topic, b"\0noise", False, None))
    link.events.put(Disconnected("cut"))
    watcher.step()
    assert channel.told == []


# A command


def program(tmp_path: Path, text: str) -> str:
    path = tmp_path / "a program.py"
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return f"'{path}' --loud"


def test_a_command_gets_the_text_as_one_argument_and_no_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said.json"
    text = (
        "import json, os, sys\n"
        f"json.dump([sys.argv[1:], dict(os.environ)], open({str(said)!r}, 'w'))"
    )
    monkeypatch.setenv("CLIP_AGENT_PASSPHRASE", "secret")
    evil = Message("front-door", "request", "$(touch x) `id`; rm -rf / \"'\n--help", True, until=7)
    command.parse(program(tmp_path, text)).tell(evil)
    arguments, environment = json.loads(said.read_text())
    assert arguments == ["--loud", f"front-door: {evil.text}"]
    assert "CLIP_AGENT_PASSPHRASE" not in environment
    ours = {
        name: environment[f"CLIP_AGENT_{name}"] for name in ("CAMERA", "KIND", "UNTIL", "URGENT")
    }
    assert ours == {"CAMERA": "front-door", "KIND": "request", "UNTIL": "7", "URGENT": "1"}


def test_a_command_that_fails_or_hangs_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EnvironmentFault, match="exit code 3"):
        command.parse(program(tmp_path, "raise SystemExit(3)")).tell(MESSAGE)
    monkeypatch.setattr(command, "_SECONDS", 0.2)
    with pytest.raises(EnvironmentFault, match="did not end"):
        command.parse(program(tmp_path, "import time\ntime.sleep(600)")).tell(MESSAGE)
    with pytest.raises(EnvironmentFault, match="cannot be run"):
        command.run([str(tmp_path / "missing")])


@pytest.mark.parametrize("line", ["", "no-such-program-at-all x", "'unclosed"])
def test_a_command_that_is_not_there_is_named_at_the_start(line: str) -> None:
    with pytest.raises(ConfigError, match="--exec"):
        command.parse(line)


# The desktop


def test_the_desktop_shows_markup_and_backslashes_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notify-send").write_text("#!/bin/sh\n")
    (tmp_path / "notify-send").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    ran: list[list[str]] = []
    desktop = Desktop(run=lambda words: ran.append(list(words)))
    desktop.tell(Message("front-door", "legal-order", "<b>\\n</b> & more", True))
    assert ran == [
        [
            "notify-send", "--app-name=clip-agent", "--urgency=critical", "--", "front-door",
            "&lt;b&gt;\\\\n&lt;/b&gt; &amp; more",
        ]
    ]  # fmt: skip
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="libnotify-bin"):
        Desktop()


# As it is typed


def until(holds: Callable[[], bool], watcher: Watcher) -> None:
    deadline = time.monotonic() + LONG_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        watcher.step(0.05)


def test_over_a_real_broker_without_key_file_or_passphrase(
    owner: OwnerAtHome, locked_owner: NewOwner, tmp_path: Path
) -> None:
    """The folder of a computer that only watches: cards, settings, and the notification key."""
    folder = owner.folder
    folder.key_path.unlink()
    (folder.path / "recovery.txt").unlink()
    notify, sender = folder.card().notify, Camera(owner.camera.name, owner.camera.keys.signing)
    assert notify is not None
    topic = topics.notice(sender.name, folder.card().fingerprint)
    owner.retain([(topic, sender.letter(notify.recipient, time.time(), [item(1)]))])
    channel = Recorder()

    def start() -> tuple[Watcher, Callable[[], None]]:
        link = connect(folder)
        household = Household(
            folder.enrolled(),
            folder.notification_identity(),
            Memory(folder.path / "watch.json"),
            300,
        )
        link.start()
        return Watcher(household, link, [channel], SimulatedClock(time.time())), link.stop

    watcher, stop = start()
    until(lambda: len(channel.told) == 1, watcher)
    assert channel.told == ["front-door: A request waits"]
    both = [item(1), item(2, "legal-order")]
    owner.retain([(topic, sender.letter(notify.recipient, time.time(), both))])
    until(lambda: len(channel.told) == 2, watcher)
    stop()
    watcher, stop = start()
    third = [*both, item(3, "failed")]
    owner.retain([(topic, sender.letter(notify.recipient, time.time(), third))])
    until(lambda: len(channel.told) == 3, watcher)
    stop()
    assert [one.split(": ")[1] for one in channel.told] == [
        "A request waits",
        "A LEGAL ORDER waits",
        "An approved release was not sent",
    ]


def test_the_command_ends_at_once_without_a_key_or_a_camera(
    home_folder: OwnerFolder, tmp_path: Path
) -> None:
    arguments = ("watch", "--home", str(home_folder.path))
    with pytest.raises(ConfigError, match="no camera is enrolled"):
        run(*arguments)


@pytest.fixture
def home_folder(tmp_path: Path, locked_owner: NewOwner) -> OwnerFolder:
    return OwnerFolder.create(tmp_path / "owner", locked_owner, Settings(mqtt=Broker()))


def test_the_watch_ends_when_a_camera_is_enrolled_and_begins_anew(house: Home) -> None:
    link, watcher = watching(house)
    said: list[str] = []
    assert loop.run(link, watcher, said.append, lambda: False) is False
    assert said == ["READY=1", "WATCHDOG=1"]


def test_a_missing_notification_key_is_named(
    owner: OwnerAtHome, capsys: pytest.CaptureFixture[str]
) -> None:
    owner.folder.notification_path.unlink()
    with pytest.raises(KeyFileError, match=r"notification\.key: is missing"):
        owner.run("watch")
