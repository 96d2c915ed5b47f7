"""The wiring of ``owner watch``: its channels, its options, and the cameras that it follows."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.owner.watch import command, options
from agent.owner.watch.channels.channel import Lines
from tests.owner.at_home import OwnerAtHome


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    options.add(parser)
    return parser.parse_args(words)


def test_each_option_is_a_channel_beside_the_lines(tmp_path: Path) -> None:
    assert [one.name for one in command.channels_of(parsed())] == ["lines"]
    (tmp_path / "token").write_text("tk_secret\n")
    token = str(tmp_path / "token")
    words = ["--exec", "true --loud", "--ntfy", "https://ntfy.example/door", "--ntfy-token", token]
    names = [one.name for one in command.channels_of(parsed(*words, "--desktop"))]
    assert names == ["lines", "exec", "ntfy", "desktop"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--exec", "no-such-program-here"),
        ("--exec", "'half a quotation"),
        ("--ntfy", "http://ntfy.example/door"),
    ],
)
def test_a_channel_that_cannot_work_is_told_at_the_start(option: str, value: str) -> None:
    with pytest.raises(ConfigError, match=option):
        command.channels_of(parsed(option, value))


def test_patience_is_at_most_a_day(capsys: pytest.CaptureFixture[str]) -> None:
    assert parsed("--after", "0").after == 0
    assert parsed("--after", "1440").after == 1_440
    for wrong in ("-1", "1441", "nan"):
        with pytest.raises(SystemExit):
            parsed(f"--after={wrong}")
        assert "must be from 0 to 1440" in capsys.readouterr().err


def test_a_message_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    Lines().tell("front-door: a request waits")  # type: ignore[arg-type]
    assert capsys.readouterr().out == "front-door: a request waits\n"


def test_cameras_that_are_enrolled_meanwhile_are_noticed_within_a_minute(
    owner: OwnerAtHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: moment)
    is_current = command._unchanged(owner.folder)
    cards = owner.folder.path / "devices"
    (card,) = cards.iterdir()
    text = card.read_text()
    moment = 61
    assert is_current()
    card.write_text("half a car")
    moment = 122
    assert is_current(), "it is being written"
    card.write_text(text.replace("front-door", "back-door"))
    card.rename(cards / card.name.replace("front-door", "back-door"))
    moment = 130
    assert is_current(), "not yet"
    moment = 183
    assert not is_current()
