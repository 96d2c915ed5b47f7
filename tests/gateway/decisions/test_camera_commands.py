"""Owners' commands on their way to the camera, and its answers on their way back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.camera.app import build
from agent.consent.statements import Arm, Delete, Keep, Outcome
from agent.vault import camera_state, wishes
from agent.vault.camera_state import CommandAnswer, StateFile
from agent.vault.wishes import MAX_COMMANDS
from tests.support.gateway_world import World, rules


class Both:
    """A gateway, and a camera that looks at its wishes when the test says so."""

    def __init__(self, root: Path) -> None:
        self.world = World(root)
        self.house = self.world.house
        self.camera = build(self.house.config, clock=self.house.clock, notify=lambda _: None)

    def look(self) -> None:
        self.camera.commands.look()
        self.world.run()

    def told(self) -> list[Outcome]:
        return list(self.world.outcomes().values())

    def ledger(self) -> list[tuple[str, object]]:
        return [(event, detail["wish"]) for event, detail in self.world.events("camera.")]

    def answer(self, *answers: CommandAnswer) -> None:
        """Write a state as a camera that was taken over would."""
        StateFile(self.house.config.state_dir, seals_to=()).say(at=1.0, answers=answers)
        self.world.run()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    both = Both(tmp_path)
    yield both
    both.world.kill()


def test_an_owner_deletes_a_clip_and_is_told_once_it_is_gone(both: Both) -> None:
    clip = both.house.record()
    both.world.run()
    both.world.to_device(both.house.command(Delete(clip=clip.id)))
    assert both.told() == []
    assert len(wishes.read(both.house.config.state_dir).commands) == 1
    both.look()
    assert [(one.event, one.detail) for one in both.told()] == [("DONE", "the clip is deleted")]
    assert not list(both.house.config.state_dir.rglob("*.mp4.age"))
    assert both.ledger() == [
        ("camera.told", "delete a clip"), ("camera.obeyed", "delete a clip"),
    ]  # fmt: skip
    assert wishes.read(both.house.config.state_dir).commands == ()


def test_an_answer_reaches_the_owner_after_both_processes_restarted(both: Both) -> None:
    both.world.to_device(both.house.command(Arm(armed=False)))
    both.world.kill()
    both.camera.commands.look()
    both.world.restart()
    assert [one.event for one in both.told()] == ["DONE"]
    state = camera_state.read(both.house.config.state_dir)
    assert state is not None
    assert not state.arming.armed
    assert state.arming.owner == both.house.owner.id


def test_a_refusal_by_the_camera_is_told(both: Both) -> None:
    clip = both.house.record()
    both.world.run()
    for _ in range(2):
        both.world.to_device(both.house.command(Delete(clip=clip.id)))
    both.look()
    assert sorted(one.event for one in both.told()) == ["DONE", "REFUSED"]
    assert "camera.refused" in dict(both.ledger())


@pytest.mark.parametrize("command", [Delete, Keep])
def test_a_clip_that_is_not_there_is_refused_at_once(both: Both, command: type) -> None:
    more = {"keep": True} if command is Keep else {}
    both.world.to_device(both.house.command(command(clip="20240101-000000-aaaaaa", **more)))
    assert rules(both.world, "decision.refused") == ["no-such-clip"]
    assert wishes.read(both.house.config.state_dir).commands == ()


def test_a_command_that_the_camera_never_answers_ends_with_a_word(both: Both) -> None:
    both.world.to_device(both.house.command(Arm(armed=True)))
    both.house.clock.advance(2 * 86_400)
    both.world.run()
    assert [one.event for one in both.told()] == ["REFUSED"]
    assert "did not answer" in both.told()[0].detail
    both.look()
    assert wishes.read(both.house.config.state_dir).commands == ()


def test_more_commands_than_the_wishes_hold_are_refused(both: Both) -> None:
    for _ in range(MAX_COMMANDS + 1):
        both.world.to_device(both.house.command(Arm(armed=True)))
    assert rules(both.world, "decision.refused") == ["too-many-waiting"]
    both.look()
    assert [one.event for one in both.told()].count("DONE") == MAX_COMMANDS


def test_a_taken_over_camera_answers_nothing_that_was_not_asked(both: Both) -> None:
    both.answer(*(CommandAnswer(command=f"{n:016x}", event="DONE", detail="") for n in range(20)))
    assert both.told() == []
    assert both.ledger() == []
