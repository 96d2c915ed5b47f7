"""Plays the steps of a vector on a whole gateway, wired by its own ``build()``.

Steps are objects with a verb in ``do``:

- ``record``       the camera records a clip, ``name``
- ``ask``          the requester signs a request, ``name``, and posts nothing yet; with
                   ``jti_of`` under the id of another, with ``text`` in other words
- ``post``         the same, and posts it; with ``open_seconds`` for so long
- ``approve``      the owner approves all clips for ``request``; a letter, ``name``; with
                   ``jti_of`` under the id of another
- ``decline``      the owner declines the request; a letter, ``name``
- ``withdraw``     the requester posts a withdrawal of the request; or ``by`` the ``other`` one
- ``send``         ``what`` comes on ``topic`` (``{jti}`` stands for the request's own),
                   ``retained`` or not, to this ``device`` or to another
- ``restart``      the gateway ends and starts anew
- ``wait``         ``seconds`` pass; ``step-clock`` moves the wall clock alone, by ``seconds``
                   or ``to`` a time; ``unsync`` and ``sync``: the device (no longer) knows it
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from agent import config, topics
from agent.consent import signing
from agent.consent.signing import RequesterCard
from agent.consent.statements import Request, Withdrawal
from agent.vault.index import Clip
from tests.support import world as worlds
from tests.support.house import LATITUDE, LONGITUDE, Person
from tests.support.world import FEED, World

_OTHER_DEVICE = "back-door"


class Player:
    """A gateway in ``root`` that lives through steps."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._other = Person()
        self.world = World(root / "front")
        self._let_ask(self._other)
        self._clips: list[Clip] = []
        self._requests: dict[str, Request] = {}
        self._jtis: dict[str, str] = {}
        self._made: dict[str, bytes] = {}
        self._lines = 0  # of the ledger, before the last step
        self._judge = self.world  # whose ledger tells the refusal

    def play(self, steps: list[dict[str, Any]]) -> None:
        """All steps in their order."""
        for step in steps:
            self._lines = len(self._judge.events())
            more = dict(step)
            verb = "_" + more.pop("do").replace("-", "_")
            getattr(self, verb)(**more)

    @property
    def refusal(self) -> str:
        """What came of the last step: a rule, ``not-ours``, ``waits``, or an empty text."""
        lines = self._judge.events()[self._lines :]
        rules = [detail["rule"] for _, detail in lines if "rule" in detail]
        if rules or lines:
            return str(rules[-1]) if rules else ""
        return "waits" if self._judge.broker.unacknowledged else "not-ours"

    @property
    def state(self) -> str:
        """The state of the first request."""
        return self.world.request_state(self._made["request"].decode())

    def close(self) -> None:
        """End the gateways."""
        for world in {self.world, self._judge}:
            world.kill()

    # Steps

    def _record(self, name: str) -> None:
        self._clips.append(self.world.house.record())
        self.world.run()

    def _ask(
        self, name: str, jti_of: str = "", text: str = "", open_seconds: int = 2 * 86_400
    ) -> None:
        request = self.world.house.request()
        changes: dict[str, Any] = {"exp": request.iat + open_seconds}
        changes |= {"jti": self._jtis[jti_of]} if jti_of else {}
        changes |= {"text": text} if text else {}
        request = msgspec.structs.replace(request, **changes)
        self._requests[name], self._jtis[name] = request, request.jti
        self._made[name] = self.world.house.post(request).encode()

    def _post(self, name: str, **more: Any) -> None:
        self._ask(name, **more)
        self._send(name, f"{FEED}/requests/{self._jtis[name]}")

    def _approve(self, name: str, request: str = "request", jti_of: str = "") -> None:
        house = self.world.house
        post = self._made[request].decode()
        changes = {"jti": self._jtis[jti_of]} if jti_of else {}
        approval = house.approval(post, self._clips, **changes)
        self._jtis[name] = approval.jti
        self._made[name] = house.letter(approval, house.clip_keys(self._clips))

    def _decline(self, name: str) -> None:
        self._made[name] = self.world.house.decline(self._made["request"].decode())

    def _withdraw(self, name: str, by: str = "requester") -> None:
        signer = self._other if by == "other" else self.world.house.requester
        withdrawal = Withdrawal(
            iss=signer.id,
            jti=signing.new_jti(os.urandom(16)),
            iat=int(self.world.clock.now()),
            request=signing.digest(self._made["request"].decode()),
        )
        self._made[name] = signer.signing.sign(withdrawal).encode()
        self._send(name, topics.withdrawal(FEED, withdrawal.jti))

    def _send(self, what: str, topic: str, retained: bool = False, device: str = "") -> None:
        if device:
            place = config.Place(latitude=LATITUDE, longitude=LONGITUDE)
            named = config.Device(name=_OTHER_DEVICE, place=place)
            self._judge = World(self._root / "back", device=named)
            self._lines = len(self._judge.events())
            topic = topics.owner(device)
        topic = topic.replace("{jti}", self._jtis.get("request", ""))
        self._judge.broker.send(topic, self._made[what], retained=retained)
        self._judge.run()

    def _restart(self) -> None:
        self.world.restart()

    def _wait(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        self.world.run()

    def _step_clock(self, seconds: float = 0.0, to: float | None = None) -> None:
        clock = self.world.clock
        clock.step_wall(seconds if to is None else to - clock.now())
        self.world.run()

    def _unsync(self) -> None:
        self.world.clock.is_synced = False

    def _sync(self) -> None:
        self.world.clock.is_synced = True
        self.world.run()

    def _let_ask(self, other: Person) -> None:
        card = RequesterCard(
            role="requester",
            name="Shelbyville Police Department",
            sign=other.signing.public.text,
            seal=other.recipient,
            upload_hosts=("127.0.0.1:1",),
        )
        worlds.change_cards(self.world, lambda cards: cards.append(msgspec.to_builtins(card)))
        self.world.restart()
