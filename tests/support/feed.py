"""Posting on the feed, and reading what the owner was told of it.

>>> said = alert(world)
>>> publish(world, said)                       # signed by the house's requester
>>> [notice.title for notice in notices(world)]
"""

from __future__ import annotations

import os
from typing import Any

from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.statements import Alert, InboxReport, Notice, Notices, Request, Withdrawal
from agent.mqtt import topics
from tests.support.gateway_world import DEVICE, FEED, World, change_cards
from tests.support.house import Person
from tests.support.statements import LATITUDE, LONGITUDE, square_around

Posted = Request | Alert | Withdrawal
_TOPICS = {Request: topics.request, Alert: topics.alert, Withdrawal: topics.withdrawal}


def alert(world: World, author: Person | None = None, **changes: Any) -> Alert:
    """An alert that is shown, unless ``changes`` see to it."""
    now = int(world.clock.now())
    values: dict[str, Any] = {
        "iss": (author or world.house.requester).id,
        "jti": signing.new_jti(os.urandom(16)),
        "iat": now,
        "exp": now + 3600,
        "title": "Gas leak on Elm Street",
        "text": "Keep windows closed.",
        "area": square_around(LATITUDE, LONGITUDE),
    }
    return Alert(**{**values, **changes})


def withdrawal(world: World, post: str, author: Person | None = None) -> Withdrawal:
    """Its author's word that the request ``post`` is no longer asked."""
    return Withdrawal(
        iss=(author or world.house.requester).id,
        jti=signing.new_jti(os.urandom(16)),
        iat=int(world.clock.now()),
        request=signing.digest(post),
    )


def publish(world: World, said: Posted, author: Person | None = None, *, proof: bytes = b"") -> str:
    """Post a statement, with the proof that it stands in a log, if there is one; its JWS."""
    jws = (author or world.house.requester).signing.sign(said)
    send(world, said, jws, proof=proof)
    return jws


def send(world: World, said: Posted, jws: str, *, proof: bytes = b"") -> None:
    """Bring a post, perhaps once more."""
    payload = jws.encode() + (b"\n" + proof if proof else b"")
    world.broker.send(_TOPICS[type(said)](FEED, said.jti), payload, retained=True)
    world.run()


def second_requester(world: World, name: str = "Shelbyville Fire Department") -> Person:
    """Another requester whom the owner lets ask; the gateway starts anew to know it."""
    rival = Person()
    card = {
        "role": "requester", "name": name, "sign": rival.signing.public.text,
        "seal": rival.recipient, "upload_hosts": ["127.0.0.1:1"],
    }  # fmt: skip
    change_cards(world, lambda cards: cards.append(card))
    world.restart()
    return rival


def notices(world: World) -> list[Notice]:
    """Notices in the owner's letter."""
    payload = world.broker.retained.get(topics.notices(DEVICE))
    return [] if payload is None else list(_read(world, payload, Notices).notices)


def report(world: World, post: str) -> InboxReport | None:
    """The owner's letter about a request, if one lies there."""
    payload = world.inbox.get(topics.inbox(DEVICE, signing.digest(post)[:16]))
    return None if payload is None else _read(world, payload, InboxReport)


def _read(world: World, payload: bytes, kind: Any) -> Any:
    card = world.house.device_card()
    letter = mail.open_letter(payload, world.house.owner.identity)
    return signing.verify(letter.jws, kind, {card.fingerprint: card.key})
