"""Few modules to read between an owner's yes and the letter that leaves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import agent
from agent.consent import letters
from agent.consent.signing import SigningKey
from agent.mqtt import topics
from agent.mqtt.session import Session
from agent.vault.clips import seal
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera
from tests.peers.requirements import ROOT

PACKAGE = Path(agent.__file__).parent


def on_the_way() -> set[str]:
    """The modules between ``approve`` and the function that was just entered."""
    frame, found = sys._getframe(2), set[str]()
    while frame is not None and frame.f_code.co_name != "approve":
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PACKAGE):
            found.add(str(path.relative_to(PACKAGE)))
        frame = frame.f_back  # type: ignore[assignment]
    return found if frame is not None else set()


def test_who_follows_an_approve_by_reading_opens_eight_modules(
    owner: OwnerAtHome, camera: FakeCamera, request_jws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside those that keep files and open sealed bytes. The document names the same."""
    read: set[str] = set()
    sent: list[str] = []

    def note(place: Any, name: str, *, through: str) -> None:
        """Note the way to this function, if it goes ``through`` and before the letter is sent."""
        real = getattr(place, name)

        def noted(*arguments: Any, **options: Any) -> Any:
            way = on_the_way()
            if through in way and not sent:
                read.update(way, {str(Path(real.__code__.co_filename).relative_to(PACKAGE))})
            if place is Session and way:
                sent.append(arguments[1])
            return real(*arguments, **options)

        monkeypatch.setattr(place, name, noted)

    name = owner.post(request_jws)
    owner.run("inbox")
    note(seal, "open_key", through="owner/decisions/sign.py")
    note(SigningKey, "sign", through="owner/decisions/sign.py")
    note(letters, "seal", through="owner/client.py")
    note(Session, "publish", through="owner/client.py")
    with camera.serve(owner.broker):
        assert owner.run("approve", name, "1", "--yes", "--wait", "60") == 0
    assert sent[0] == topics.owner(camera.name)
    assert read - {"vault/clips/seal.py"} == {
        "owner/terminal/release.py",
        "owner/client.py",
        "owner/decisions/sign.py",
        "owner/decisions/seen.py",
        "owner/visit/broker.py",
        "consent/signing.py",
        "consent/letters.py",
        "mqtt/session.py",
    }
    document = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    _, _, walk = document.partition("An approval becomes an upload")
    assert all(f"agent/{module}" in walk for module in read - {"vault/clips/seal.py"})
