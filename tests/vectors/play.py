"""Run the steps of a vector on a whole gateway, wired by its own ``build()``.

Steps are objects with a verb in ``do``:

- ``record``       the camera records a clip, ``name``
- ``ask``          the requester signs a request, ``name``, and posts nothing yet; with
                   ``jti_of`` under the id of another, with ``text`` in other words
- ``post``         the same, and posts it; with ``open_seconds`` for so long
- ``approve``      an owner approves all clips for ``request``; a letter, ``name``; with
                   ``jti_of`` under the id of another
- ``decline``, ``share``, ``command``    an owner declines the request, shares all clips with
                   a neighbour, or commands ``what``; a letter, ``name``
- ``withdraw``     the requester posts a withdrawal of the request; or ``by`` the ``other`` one
- ``alert``        the requester posts an alert, ``name``
- ``send``         ``what`` comes on ``topic`` (``{jti}`` stands for the request's own),
                   ``retained`` or not, to this ``device`` or to another; with the ``proof``
                   that it stands in the log: its ``own``, ``another``'s, or a ``fork``'s
- ``link``         the log shows how it grew; or a ``fork`` of it does
- ``restart``      the gateway ends and starts anew
- ``wait``         ``seconds`` pass; ``step-clock`` moves the wall clock alone, by ``seconds``
                   or ``to`` a time; ``unsync`` and ``sync``: the device (no longer) knows it

``by`` is the ``owner`` who decides if nothing is said, or the ``partner``. A vector's
``house`` says what it is played in: ``two`` owners who must agree, a pinned ``log``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from agent import config
from agent.consent import signing
from agent.consent.statements import Command, Request, Withdrawal
from agent.consent.transparency import merkle
from agent.mqtt import topics
from agent.vault.database.index import Clip
from tests.consent.logs import FakeLog
from tests.support import feed
from tests.support.gateway_world import FEED, World
from tests.support.house import LATITUDE, LONGITUDE, Person

_OTHER_DEVICE = "back-door"


class Player:
    """A gateway in ``root`` that lives through steps."""

    def __init__(self, root: Path, *, two: bool = False, log: bool = False) -> None:
        self._root = root
        self._log = FakeLog(3)
        changes: dict[str, Any] = {"partner": True, "approvals_needed": 2} if two else {}
        if log:
            changes["feed"] = config.Feed(topic=FEED, log_key=self._log.key.text)
        self.world = World(root / "front", **changes)
        self._other = feed.second_requester(self.world)
        self._neighbour = Person()
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
        """The result of the last step: a rule, ``not-ours``, ``waits``, or an empty text."""
        lines = self._judge.events()[self._lines :]
        rules = [detail["rule"] for _, detail in lines if "rule" in detail]
        if rules or lines:
            return str(rules[-1]) if rules else ""
        return "waits" if self._judge.broker.unacknowledged else "not-ours"

    @property
    def state(self) -> str:
        """The state of the first request."""
        return self.world.request_state(self._made["request"].decode())

    @property
    def notices(self) -> int:
        """The number of the owner's notices."""
        return len(feed.notices(self.world))

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

    def _approve(
        self, name: str, request: str = "request", jti_of: str = "", by: str = "owner"
    ) -> None:
        house, owner = self.world.house, self._owner(by)
        post = self._made[request].decode()
        changes = {"jti": self._jtis[jti_of]} if jti_of else {}
        approval = house.approval(post, self._clips, iss=owner.id, **changes)
        self._jtis[name] = approval.jti
        self._made[name] = house.letter(approval, house.clip_keys(self._clips), by=owner)

    def _owner(self, name: str) -> Person:
        return {"owner": self.world.house.owner, "partner": self.world.house.partner}[name]

    def _decline(self, name: str, by: str = "owner") -> None:
        post = self._made["request"].decode()
        self._made[name] = self.world.house.decline(post, by=self._owner(by))

    def _share(self, name: str, by: str = "owner") -> None:
        house = self.world.house
        self._made[name] = house.share(self._clips, self._neighbour, by=self._owner(by))

    def _command(self, name: str, what: dict[str, Any], by: str = "owner") -> None:
        if what.get("requester") == "{requester}":
            what = what | {"requester": self.world.house.requester.id}
        told = msgspec.convert(what, get_type_hints(Command)["command"])
        self._made[name] = self.world.house.command(told, by=self._owner(by))

    def _alert(self, name: str) -> None:
        said = feed.alert(self.world)
        self._jtis[name] = said.jti
        self._made[name] = feed.publish(self.world, said).encode()

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

    def _send(
        self, what: str, topic: str, retained: bool = False, device: str = "", proof: str = ""
    ) -> None:
        if device:
            place = config.Place(latitude=LATITUDE, longitude=LONGITUDE)
            named = config.Device(name=_OTHER_DEVICE, place=place)
            self._judge = World(self._root / "back", device=named)
            self._lines = len(self._judge.events())
            topic = topics.owner(device)
        topic = topic.replace("{jti}", self._jtis.get(what, ""))
        payload = self._made[what]
        if proof:
            payload += b"\n" + self._proof(payload, proof)
        self._judge.broker.send(topic, payload, retained=retained)
        self._judge.run()

    def _proof(self, post: bytes, whose: str) -> bytes:
        if whose == "another":
            return self._log.proof(0)
        log = self._fork() if whose == "fork" else self._log
        if post not in log.entries:
            log.entries.append(post)
            log._tree.append(merkle.leaf_hash(post))
        return log.proof(log.entries.index(post))

    def _fork(self) -> FakeLog:
        """The same log, as somebody else is shown it."""
        other = FakeLog(3)
        other.grow(len(self._log.entries) - 4, past="other")
        return other

    def _link(self, fork: bool = False) -> None:
        log = self._fork() if fork else self._log
        size = len(log.entries)
        self.world.broker.send(topics.log_link(FEED, 3), log.link(3, size), retained=True)
        self.world.run()

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
