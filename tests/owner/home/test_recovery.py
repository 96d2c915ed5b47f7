"""Recovery from paper: a mistyped key is named with its place, and clips open with it."""

from __future__ import annotations

from pathlib import Path

import pyrage
import pytest

from agent.errors import ClipDamaged, KeyFileError
from agent.owner.home import keys as owner_keys
from agent.owner.home import recovery
from tests.owner.at_home import run
from tests.owner.camera import FakeCamera

PLAIN = b"\x00\x00\x00\x18ftypmp42" + bytes(200_000)
START = "AGE-SECRET-KEY-1"


@pytest.fixture
def identity(locked_owner: owner_keys.NewOwner) -> str:
    return locked_owner.sheet.strip().splitlines()[-1]


@pytest.fixture
def card_folder(tmp_path: Path, camera: FakeCamera) -> Path:
    """A folder of clips as the camera's card has it."""
    folder = tmp_path / "clips" / "2024-01-24"
    folder.mkdir(parents=True)
    for name in ("170000-aaaaaa", "170001-bbbbbb"):
        (folder / f"{name}.mp4.age").write_bytes(camera.clips[camera.record(PLAIN).id])
    return folder.parent


def test_every_key_of_age_is_taken_for_whole() -> None:
    for _ in range(20):
        key = str(pyrage.x25519.Identity.generate())
        assert recovery.parse_paper(key) == key


def test_the_sheet_or_its_last_line_in_any_case_is_enough(
    locked_owner: owner_keys.NewOwner, identity: str
) -> None:
    grouped = " ".join(identity[at : at + 4] for at in range(0, len(identity), 4))
    for typed in (locked_owner.sheet, identity, identity.lower(), grouped, f"\n {identity}\r\n"):
        assert recovery.parse_paper(typed) == identity
    assert "CAPITALS" in locked_owner.sheet


@pytest.mark.parametrize("place", [1, 2, 29, 57, 58])
def test_a_mistyped_letter_is_named_with_its_place(identity: str, place: int) -> None:
    letters = list(identity.removeprefix(START))
    letters[place - 1] = "Q" if letters[place - 1] != "Q" else "P"
    with pytest.raises(KeyFileError, match=rf"letter {place} after"):
        recovery.parse_paper(START + "".join(letters))


@pytest.mark.parametrize("letter", list("1BIO*ß"))
def test_a_letter_that_no_key_has_is_named_with_its_place(identity: str, letter: str) -> None:
    if letter == "ß":
        letter = "É"
    typed = identity[:30] + letter + identity[31:]
    with pytest.raises(KeyFileError, match=rf"letter {31 - len(START)} after .*never used"):
        recovery.parse_paper(typed)


def test_two_letters_that_are_swapped_are_named(identity: str) -> None:
    letters = identity.removeprefix(START)
    at = next(n for n in range(20, 57) if letters[n] != letters[n + 1])
    typed = letters[:at] + letters[at + 1] + letters[at] + letters[at + 2 :]
    with pytest.raises(KeyFileError, match=rf"letter {at + 1} after .*swapped"):
        recovery.parse_paper(START + typed)


def test_a_missing_letter_and_several_wrong_ones_are_told_apart(identity: str) -> None:
    with pytest.raises(KeyFileError, match="57 letters"):
        recovery.parse_paper(identity[:40] + identity[41:])
    swap = {"Q": "P", "P": "Q"}
    wrong = "".join(
        swap.get(letter, "Q") if 20 <= at < 24 else letter for at, letter in enumerate(identity)
    )
    with pytest.raises(KeyFileError, match="several places"):
        recovery.parse_paper(wrong)
    with pytest.raises(KeyFileError, match="begins with AGE-SECRET-KEY-1"):
        recovery.parse_paper("correct horse battery")


def test_recover_opens_the_clips_of_a_card_and_says_how_to_go_on(
    card_folder: Path, identity: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paper, output = tmp_path / "typed.txt", tmp_path / "videos"
    paper.write_text(identity.lower() + "\n")
    assert run("recover", str(paper), str(card_folder), "--output", str(output)) == 0
    for name in ("170000-aaaaaa", "170001-bbbbbb"):
        assert (output / "2024-01-24" / f"{name}.mp4").read_bytes() == PLAIN
    told = capsys.readouterr().out
    for word in (
        "setup --pair",
        "owner pair",
        "owners:",
        "restart",
        "--home NEW",
        "resume-requests",
    ):
        assert word in told


def test_a_clip_that_was_cut_off_opens_as_far_as_it_goes(
    card_folder: Path, identity: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = next(card_folder.rglob("*.age"))
    clip.write_bytes(clip.read_bytes()[:-60_000])
    target = tmp_path / "clip.mp4"
    assert recovery.open_clip(clip, identity, target) is False
    assert len(target.read_bytes()) == 131_072
    assert PLAIN.startswith(target.read_bytes())


def test_a_clip_of_another_owner_is_named_and_the_others_still_open(
    card_folder: Path, identity: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = card_folder / "2024-01-24" / "000000-cccccc.mp4.age"
    stranger = pyrage.x25519.Identity.generate().to_public()
    foreign.write_bytes(pyrage.encrypt(PLAIN, [stranger]))
    with pytest.raises(ClipDamaged):
        recovery.open_clip(foreign, identity, tmp_path / "foreign.mp4")
    paper, output = tmp_path / "typed.txt", tmp_path / "videos"
    paper.write_text(identity)
    assert run("recover", str(paper), str(card_folder), "--output", str(output)) == 1
    assert "000000-cccccc" in capsys.readouterr().err
    assert len(list(output.rglob("*.mp4"))) == 2
    assert not list(output.rglob("*.part"))
