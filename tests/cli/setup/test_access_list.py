"""Mosquitto's files of users, edited as text: what was there stays, and nothing comes twice."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli.setup import access_list
from agent.cli.setup.access_list import shipped, with_password, with_user, without_user
from tests.peers.requirements import ROOT, program

names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)


def test_the_files_in_the_package_are_those_that_are_shipped() -> None:
    for name in ("clip-agent.acl", "clip-agent.conf"):
        assert shipped(name) == (ROOT / "config/mosquitto" / name).read_text()


@given(names)
def test_a_camera_gets_the_shipped_rules_under_its_own_name(name: str) -> None:
    text = with_user("", name, like=access_list.DEVICE, device=name)
    assert f"topic readwrite clip-agent/{name}/owner\n" in text
    assert "front-door" not in text.replace(name, "")
    assert with_user(text, name, like=access_list.DEVICE, device=name) == text


def test_rules_that_an_administrator_added_stay_and_missing_ones_come() -> None:
    before = (
        "# mine\nuser front-door\ntopic read weather/#\n"
        "topic write clip-agent/front-door/state\n\nuser boiler\ntopic readwrite boiler/#\n"
    )
    after = with_user(before, "front-door", like=access_list.DEVICE, device="front-door")
    assert set(before.splitlines()) <= set(after.splitlines())
    assert after.count("topic write clip-agent/front-door/state\n") == 1
    assert after.index("clip-pairing/+/device") < after.index("user boiler")


def test_two_cameras_and_two_owners_have_a_block_each() -> None:
    text = ""
    for name in ("front-door", "garage"):
        text = with_user(text, name, like=access_list.DEVICE, device=name)
    for name in ("owner-11111111", "owner-22222222"):
        text = with_user(text, name, like=access_list.OWNER)
    users = [line for line in text.splitlines() if line.startswith("user ")]
    assert users == [
        "user front-door", "user garage", "user owner-11111111", "user owner-22222222",
    ]  # fmt: skip
    garage = text[text.index("user garage") : text.index("user owner-1")]
    assert "front-door" not in garage


@given(st.dictionaries(names, st.text("abc123", min_size=1), max_size=4), names)
def test_a_password_is_written_once_and_taken_away_alone(others: dict[str, str], name: str) -> None:
    text = "".join(f"{user}:{value}\n" for user, value in others.items() if user != name)
    written = with_password(text, name, "secret")
    assert written.startswith(text)
    assert with_password(written, name, "secret") == written, "the same password costs no change"
    assert with_password(written, name, "other") != written
    assert without_user(with_password(written, name, "other"), name) == text


@pytest.mark.parametrize("entry", ["", "$7$x$y$z", "$6$abc$def", "plain", "$7$101$AA==$"])
def test_an_entry_of_another_form_is_replaced(entry: str) -> None:
    assert with_password(f"olive:{entry}\n", "olive", "secret").count("olive:") == 1


def test_mosquittos_own_tool_takes_our_entry_for_its_own(tmp_path: Path) -> None:
    """It deletes a user from a file only if it can read each line of it."""
    path = tmp_path / "passwd"
    path.write_text(with_password("", "olive", "secret") + with_password("", "omar", "s"))
    path.chmod(0o600)
    subprocess.run(
        [program("mosquitto_passwd"), "-D", str(path), "omar"], check=True, capture_output=True
    )
    assert with_password(path.read_text(), "olive", "secret") == path.read_text()
