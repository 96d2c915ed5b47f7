"""agent.yaml as the setup writes and extends it, and what it asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.cli.setup import agent_yaml, cameras
from agent.cli.setup.questions import Questions, parse_name, parse_place
from agent.errors import ConfigError

BY_HAND = """\
# our camera
device: {name: front-door, place: {latitude: 42.1, longitude: -72.5}}
owners: [olive.card.yaml]  # that is me
approvals_needed: 1
"""


def load(text: str, folder: Path) -> config.Config:
    (folder / "agent.yaml").write_text(text)
    return config.load(folder / "agent.yaml", is_paired=False)


def test_the_folder_joins_a_list_on_one_line_and_comments_stay(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    changed = agent_yaml.with_owners_folder(BY_HAND, path)
    assert changed == BY_HAND.replace("[olive.card.yaml]", "[olive.card.yaml, owners]")
    assert agent_yaml.with_owners_folder(changed, path) == changed
    (tmp_path / "owners").mkdir()
    (tmp_path / "owners" / "omar.card.yaml").write_text("")
    assert [card.name for card in load(changed, tmp_path).owners] == [
        "olive.card.yaml",
        "omar.card.yaml",
    ]


@pytest.mark.parametrize(
    "owners",
    [
        "owners:\n- olive.card.yaml\n",
        "owners: [\n  olive.card.yaml]\n",
        "owners: [olive.card.yaml,]\n",
        "{owners: [olive.card.yaml]}\n",
    ],
)
def test_a_list_of_another_form_is_left_alone_with_advice(tmp_path: Path, owners: str) -> None:
    text = BY_HAND.replace("owners: [olive.card.yaml]  # that is me\n", owners)
    with pytest.raises(ConfigError):
        agent_yaml.with_owners_folder(text, tmp_path / "agent.yaml")


def test_a_folder_without_a_card_says_that_nobody_is_paired(tmp_path: Path) -> None:
    (tmp_path / "owners").mkdir()
    text = BY_HAND.replace("[olive.card.yaml]", "[owners]")
    assert load(text, tmp_path).owners == ()
    with pytest.raises(ConfigError, match="clip-agent setup --pair"):
        config.load(tmp_path / "agent.yaml")


def test_too_many_cards_or_too_few_to_agree_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "owners"
    folder.mkdir()
    (folder / "1.card.yaml").write_text("")
    text = BY_HAND.replace("[olive.card.yaml]", "[owners]")
    load(text.replace("approvals_needed: 1", "approvals_needed: 2"), tmp_path)
    with pytest.raises(ConfigError, match="2 owners must agree, but `owners` lists 1"):
        config.load(tmp_path / "agent.yaml")
    for number in range(17):
        (folder / f"{number}.card.yaml").write_text("")
    load(text, tmp_path)
    with pytest.raises(ConfigError, match="17 cards, at most 16"):
        config.load(tmp_path / "agent.yaml")


def asking(*answers: str) -> Questions:
    left = list(answers)
    return Questions(ask=lambda _: left.pop(0), at_terminal=lambda: True)


def test_a_wrong_answer_is_asked_again_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert asking("Front Door", "pairing", "front-door").name(None) == "front-door"
    assert asking("here", "91, 0", "42.1, -72.5").place(None) == (42.1, -72.5)
    said = capsys.readouterr().out
    for reason in ("lower-case", "another user of the broker", "two numbers", "-90 to 90"):
        assert reason in said


def test_without_a_terminal_the_missing_option_is_named() -> None:
    alone = Questions(ask=lambda _: "", at_terminal=lambda: False)
    for ask, option in ((alone.name, "--name"), (alone.place, "--place")):
        with pytest.raises(ConfigError, match=f"{option} is missing"):
            ask(None)
        with pytest.raises(ConfigError, match=option):
            ask("!")
    assert alone.camera(None, [cameras.FoundCamera("one", {"type": "pi"})]) == (
        {"type": "pi"},
        None,
    )


@pytest.mark.parametrize("name", ["owner", "owner-1", "pairing", "reader", "-x", "", "x" * 33, "ü"])
def test_names_of_other_users_of_the_broker_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        parse_name(name)


@pytest.mark.parametrize("text", ["nan, 1", "1", "1, 2, 3", "inf 0", "0, 181", ""])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_place(text)


@pytest.mark.parametrize(
    ("text", "source", "login"),
    [
        ("pi", {"type": "pi"}, None),
        ("/dev/video0", {"type": "webcam", "device": "/dev/video0"}, None),
        ("/videos/a.mp4", {"type": "stream", "record": "/videos/a.mp4"}, None),
        (
            "rtsp://olive:p%40ss@192.0.2.1:554/main?x=1",
            {"type": "stream", "record": "rtsp://192.0.2.1:554/main?x=1"},
            "olive:p@ss",
        ),
    ],
)
def test_a_camera_is_what_somebody_names_and_its_login_stands_apart(
    text: str, source: dict[str, Any], login: str | None
) -> None:
    assert cameras.parse(text) == (source, login)
    assert asking(text).camera(None, []) == (source, login)


def test_a_login_is_in_no_error() -> None:
    with pytest.raises(ConfigError) as caught:
        cameras.parse("rtsp://olive:secret@[broken/main")
    assert "secret" not in str(caught.value)


def test_cameras_of_this_machine_are_found_without_opening_one(tmp_path: Path) -> None:
    for number, name in enumerate(["imx708_wide 10-001a", "rp1-cfe-csi2", "ov5647 4-0036"]):
        folder = tmp_path / f"sys/class/video4linux/v4l-subdev{number}"
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
    by_id = tmp_path / "dev/v4l/by-id"
    by_id.mkdir(parents=True)
    for number in (0, 1):
        (by_id / f"usb-Maker_HD_Cam_1234-video-index{number}").write_text("")
    found = cameras.find(tmp_path)
    assert [camera.source for camera in found] == [
        {"type": "pi", "camera": 0},
        {"type": "pi", "camera": 1},
        {"type": "webcam", "device": "/dev/v4l/by-id/usb-Maker_HD_Cam_1234-video-index0"},
    ]
    assert found[2].name == "USB camera Maker HD Cam 1234"
    assert asking("3").camera(None, found) == (found[2].source, None)
    assert cameras.find(tmp_path / "nothing") == []
