"""The vectors under ``tests/vectors``: each is refused by exactly the rule that it names."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.consent import mail, policy, signing
from agent.consent.approval import check_approval
from agent.consent.mail import Letter
from agent.consent.statements import STATEMENTS, Request
from agent.errors import ApprovalRefused, Refused
from tests.consent import world
from tests.vectors import make

FOLDER = Path(make.__file__).parent
FILES = {
    f"{path.parent.name}/{path.stem}": json.loads(path.read_text("utf-8"))
    for path in sorted([*FOLDER.glob("good/*.json"), *FOLDER.glob("hostile/*.json")])
}
MADE = dict(make.vectors())
SIGNERS = world.REQUESTERS | world.OWNERS


def judge(vector: dict[str, Any]) -> None:
    """Let the code judge ``vector`` as its ``check`` says."""
    context = vector.get("context", {})
    match vector["check"]:
        case "statement":
            signing.verify(vector["input"], STATEMENTS[vector["typ"]], SIGNERS)
        case "policy":
            policy.judge(
                signing.verify(vector["input"], Request, SIGNERS),
                rules=world.RULES,
                place=world.PLACE,
                requester=world.CARD,
                history=replace(world.NO_HISTORY, **context.get("history", {})),
                now=float(world.NOW),
                max_clip_age_seconds=world.MAX_CLIP_AGE,
            )
        case "letter":
            mail.open_letter(base64.b64decode(vector["input"]), world.DEVICE_IDENTITY)
        case "approval":
            _judge_approval(msgspec.convert(vector["input"], Letter), context)


def _judge_approval(letter: Letter, context: dict[str, Any]) -> None:
    device = world.FakeDevice(acted_on=set(context.get("seen", ())))
    device.holds(**context.get("request", {}))
    for clip, in_its_place in context.get("disk", {}).items():
        sealed = device.sealed.pop(clip)
        device.sealed |= {clip: world.SEALED_CLIPS[in_its_place]} if in_its_place else {}
        assert sealed
    check_approval(letter, **(device.arguments() | {"retained": context.get("retained", False)}))


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("good/")])
def test_a_good_vector_is_accepted(name: str) -> None:
    judge(FILES[name])


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("hostile/")])
def test_a_hostile_vector_is_refused_by_its_rule(name: str) -> None:
    with pytest.raises(Refused) as caught:
        judge(FILES[name])
    assert caught.value.rule == FILES[name]["rule"]
    if isinstance(caught.value, ApprovalRefused):
        assert caught.value.number == FILES[name]["number"]


def test_the_files_are_those_that_the_script_makes() -> None:
    assert FILES.keys() == MADE.keys(), "run python -m tests.vectors.make"


@pytest.mark.parametrize("name", [name for name, one in MADE.items() if one["check"] != "letter"])
def test_the_script_makes_the_same_vector_again(name: str) -> None:
    assert FILES[name] == MADE[name], "run python -m tests.vectors.make"


def test_the_script_makes_the_same_world_again() -> None:
    assert json.loads((FOLDER / "world.json").read_text("utf-8")) == json.loads(
        make.text_of(make.shared())
    )


def test_there_is_a_vector_for_each_of_the_nine_rules() -> None:
    numbers = {
        one["number"] for one in FILES.values() if one["check"] == "approval" and "rule" in one
    }
    assert numbers == set(range(1, 10))
