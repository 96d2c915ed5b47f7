"""The vectors in ``tests/vectors``: each is refused by the rule that it names."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pyrage
import pytest

from agent.consent import letters, signing
from agent.consent.cards import RequesterCard, parse_card
from agent.consent.decisions.approval import check_approval, check_share
from agent.consent.decisions.common import check_decision
from agent.consent.letters import Letter
from agent.consent.policy import alerts
from agent.consent.policy import requests as policy
from agent.consent.statements import STATEMENTS, Alert, Command, Decline, Request
from agent.consent.transparency.proof import LogPolicy
from agent.consent.transparency.view import LogView
from agent.errors import ApprovalRefused, ConfigError, NotPublic, Refused
from tests.consent import world
from tests.vectors import make
from tests.vectors.play import Player

FOLDER = Path(make.__file__).parent
FILES = {
    f"{path.parent.name}/{path.stem}": json.loads(path.read_text("utf-8"))
    for path in sorted([*FOLDER.glob("good/*.json"), *FOLDER.glob("hostile/*.json")])
}
MADE = dict(make.vectors())
WORLD = json.loads((FOLDER / "world.json").read_text("utf-8"))
SIGNERS = world.REQUESTERS | world.OWNERS
PUBLIC = {kind.TYP for kind in (Request, Alert)}
AT_LEAST = 120  # attacks, as many as the issue asks for


def text_of(given: str | list[str | list[Any]]) -> str:
    """An input as it is, put together from its parts."""
    if isinstance(given, str):
        return given
    return "".join(part if isinstance(part, str) else part[0] * part[1] for part in given)


def judge(vector: dict[str, Any]) -> None:
    """Let the code judge ``vector`` as its ``check`` says."""
    context = vector.get("context", {})
    given = vector["input"]
    match vector["check"]:
        case "statement":
            signers = world.REQUESTERS if vector["typ"] in PUBLIC else SIGNERS
            signing.verify(text_of(given), STATEMENTS[vector["typ"]], signers)
        case "policy":
            policy.judge(
                policy.Case(
                    request=signing.verify(given, Request, SIGNERS),
                    rules=world.RULES,
                    place=world.PLACE,
                    requester=world.CARD,
                    history=replace(world.NO_HISTORY, **context.get("history", {})),
                    now=float(world.NOW),
                    max_clip_age_seconds=world.MAX_CLIP_AGE,
                )
            )
        case "alert":
            shown = signing.verify(given, Alert, world.REQUESTERS)
            alerts.judge(shown, rules=world.RULES, place=world.PLACE, now=float(world.NOW))
        case "letter":
            letters.open_letter(base64.b64decode(given), world.DEVICE_IDENTITY)
        case "approval" | "share" | "decision":
            _judge_decision(vector, context)
        case "proof" | "link":
            _judge_log(given, context.get("log", {}))
        case "card":
            parse_card(given, RequesterCard, "card.yaml")
        case "log-key":
            LogPolicy.pin(given)
        case other:
            raise AssertionError(f"nothing judges a vector of the check {other}")


def _judge_decision(vector: dict[str, Any], context: dict[str, Any]) -> None:
    device = world.FakeDevice(acted_on=set(context.get("seen", ())))
    device.holds(**context.get("request", {}))
    for clip, in_its_place in context.get("disk", {}).items():
        sealed = device.sealed.pop(clip)
        device.sealed |= {clip: world.SEALED_CLIPS[in_its_place]} if in_its_place else {}
        assert sealed
    asked = device.context(retained=context.get("retained", False))
    if vector["check"] == "approval":
        check_approval(msgspec.convert(vector["input"], Letter), asked, device)
    elif vector["check"] == "share":
        check_share(msgspec.convert(vector["input"], Letter), asked, device)
    else:
        kind = {kind.TYP: kind for kind in (Decline, Command)}[vector["typ"]]
        check_decision(vector["input"], kind, asked)  # type: ignore[type-var]


def _judge_log(given: str | dict[str, str], context: dict[str, Any]) -> None:
    """Raise what a view refuses, having learnt what the vector says it has seen."""
    needed = context.get("witnesses_needed", 0)
    pinned = LogPolicy.pin(WORLD["log_key"], WORLD["witness_keys"], needed)
    view = LogView(pinned)
    for seen in context.get("seen", ()):
        view, _ = view.check(seen["entry"].encode(), seen["proof"].encode())
        assert view.heads
    if context.get("restarted"):
        view = LogView.from_text(view.text(), pinned)
    if isinstance(given, str):
        for trouble in view.advance(given.encode()).troubles:
            raise trouble
        return
    _, answer = view.check(given["entry"].encode(), given["proof"].encode())
    if isinstance(answer, NotPublic):
        raise answer


def names(folder: str, *, played: bool = False) -> list[str]:
    """The vectors in ``folder`` that are played on a gateway, or that are not."""
    return [
        name
        for name, one in FILES.items()
        if name.startswith(f"{folder}/") and (one["check"] == "gateway") == played
    ]


@pytest.mark.parametrize("name", names("good"))
def test_a_good_vector_is_accepted(name: str) -> None:
    judge(FILES[name])


@pytest.mark.parametrize("name", names("hostile"))
def test_a_hostile_vector_is_refused_by_its_rule(name: str) -> None:
    vector = FILES[name]
    if vector["rule"] == "ConfigError":
        with pytest.raises(ConfigError) as wrong:
            judge(vector)
        assert vector["says"] in str(wrong.value)
        return
    with pytest.raises(Refused) as caught:
        judge(vector)
    assert caught.value.rule == vector["rule"]
    if isinstance(caught.value, ApprovalRefused):
        assert caught.value.number == vector["number"]
    else:
        assert "number" not in vector


@pytest.mark.parametrize("name", names("hostile", played=True))
def test_a_gateway_outlives_a_hostile_vector(name: str, tmp_path: Path) -> None:
    vector = FILES[name]
    player = Player(tmp_path, **vector.get("house", {}))
    try:
        player.play(vector["steps"])
        assert {"rule", "state", "notices"} & vector.keys()
        if "rule" in vector:
            assert player.refusal == vector["rule"]
        if "state" in vector:
            assert player.state == vector["state"]
        assert len(player.world.receiver.finished) == vector.get("uploads", 0)
        if "notices" in vector:
            assert player.notices == vector["notices"]
        if "letters" in vector:
            assert len(player.world.inbox) == vector["letters"]
    finally:
        player.close()


def test_there_are_enough_attacks() -> None:
    assert len(names("hostile")) + len(names("hostile", played=True)) >= AT_LEAST


def test_the_files_are_those_of_the_script() -> None:
    assert FILES.keys() == MADE.keys(), "run python -m tests.vectors.make"


@pytest.mark.parametrize("name", [name for name, one in MADE.items() if one["check"] != "letter"])
def test_the_script_makes_the_same_vector_again(name: str) -> None:
    assert FILES[name] == json.loads(make.text_of(MADE[name])), "run python -m tests.vectors.make"


def test_the_script_makes_the_same_world_again() -> None:
    assert json.loads(make.text_of(make.shared())) == WORLD


@pytest.mark.parametrize("check", ["approval", "share"])
def test_there_is_a_vector_for_each_of_the_nine_rules(check: str) -> None:
    numbers = {one["number"] for one in FILES.values() if one["check"] == check and "number" in one}
    not_asked = {5} if check == "share" else set()  # a share answers no request
    assert numbers == set(range(1, 10)) - not_asked


@pytest.mark.timeout(20)  # it took half a minute when the keys were counted anew for each
def test_a_letter_of_fifty_thousand_keys_is_refused_quickly() -> None:
    keys = ",".join(f'"{number:x}":""' for number in [*range(45_000), 44_999])
    plain = f'{{"jws":"","keys":{{{keys}}}}}'.encode()
    sealed = pyrage.encrypt(plain, [pyrage.x25519.Recipient.from_str(world.DEVICE_RECIPIENT)])
    with pytest.raises(Refused) as caught:
        letters.open_letter(sealed, world.DEVICE_IDENTITY)
    assert caught.value.rule == "duplicate-key"
