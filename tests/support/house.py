"""A household on paper: keys, cards, a configuration and clips, for tests of any room.

>>> house = House.build(tmp_path)
>>> clip = house.record(seconds_ago=600)
>>> post = house.post(house.request())
>>> house = House.build(tmp_path, partner=True, approvals_needed=2)   # a second owner

Everything is real (keys, sealing, files, SQLite) but the clock.
"""

from __future__ import annotations

import functools
import io
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import msgspec
import pyrage
import yaml

from agent import config
from agent.clock import Clock
from agent.consent import letters as mail
from agent.consent import signing
from agent.consent.cards import (
    DeviceCard,
    Notification,
    OwnerCard,
    RequesterCard,
    format_card,
    parse_card,
)
from agent.consent.letters import Letter
from agent.consent.signing import SigningKey
from agent.consent.statements import (
    Approval,
    Recipient,
    Request,
    Share,
    Window,
)
from agent.gateway.device_keys import card_of
from agent.vault.clips import seal
from agent.vault.clips.store import Clip, ClipStore
from agent.vault.database import gateway, index
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.database.index import Index
from tests.support import statements
from tests.support.clock import SimulatedClock
from tests.support.statements import LATITUDE as LATITUDE
from tests.support.statements import LONGITUDE as LONGITUDE

UPLOAD_URL = "http://127.0.0.1:1/files/"


@dataclass
class Person:
    """A signing key and an age identity."""

    signing: SigningKey = field(default_factory=SigningKey.generate)
    identity: str = field(default_factory=lambda: str(pyrage.x25519.Identity.generate()))

    @property
    def id(self) -> str:
        return self.signing.public.fingerprint

    @property
    def recipient(self) -> str:
        return str(mail.parse_identity(self.identity).to_public())


@functools.cache
def fragmented_mp4(
    seconds: int = 2, size: int = 64, *, noisy: bool = False, shade: int = 0
) -> bytes:
    """A small recording as a camera would write it: H.264, fragments of a second.

    Recordings of other ``shade`` show other greys.
    """
    noise = random.Random(1)
    out = io.BytesIO()
    options = {"movflags": "empty_moov+default_base_moof+frag_keyframe+skip_trailer"}
    with av.open(out, "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 10
        stream.codec_context.max_b_frames = 0
        for number in range(seconds * 10):
            frame = av.VideoFrame(size, size, "yuv420p")
            for plane in frame.planes:
                flat = (
                    bytes([(number * 7 + plane.line_size + shade * 11) % 256]) * plane.buffer_size
                )
                plane.update(noise.randbytes(plane.buffer_size) if noisy else flat)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def record(
    state_dir: Path,
    recipients: Sequence[str],
    clock: Clock,
    *,
    seconds_ago: float,
    video: bytes | None = None,
    seconds: float = 2.0,
    thumbnail: bytes | None = None,
) -> Clip:
    """A finished clip of ``seconds`` that began ``seconds_ago``, written as the camera does."""
    with Index.open(index.path_of(state_dir)) as clips:
        draft = ClipStore(state_dir, clips, recipients=recipients, clock=clock).create(
            started_at=clock.now() - seconds_ago,
            monotonic_seconds=clock.monotonic() - seconds_ago,
            codec="h264",
            width=64,
            height=64,
        )
        draft.write(video or fragmented_mp4())
        return draft.finish(duration_seconds=seconds, thumbnail=thumbnail)


@functools.cache
def _device_card(text: str) -> DeviceCard:
    return parse_card(text, DeviceCard, "device.card.yaml")


@dataclass
class House:
    """A device with its owner, perhaps a second, and one requester the owner lets ask."""

    root: Path
    clock: SimulatedClock
    owner: Person
    recovery: Person
    requester: Person
    config: config.Config
    partner: Person = field(default_factory=Person)
    watchers: dict[str, Person] = field(default_factory=dict)  # by their owner's fingerprint
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @classmethod
    def build(
        cls,
        root: Path,
        *,
        clock: SimulatedClock | None = None,
        partner: bool = False,
        content: bool = False,
        **changes: Any,
    ) -> House:
        """A house in ``root``; ``changes`` replace sections of the configuration.

        With ``partner`` the second owner is enrolled too; with ``content`` the owners' watchers
        are told titles and names.
        """
        owner, second, recovery, requester = Person(), Person(), Person(), Person()
        watchers = {owner.id: Person(), second.id: Person()}
        root.mkdir(parents=True, exist_ok=True)
        enrolled = {"owner": ("Olive", owner)} | ({"partner": ("Otto", second)} if partner else {})
        for file, (name, person) in enrolled.items():
            owner_card = OwnerCard(
                role="owner",
                name=name,
                sign=person.signing.public.text,
                seal=person.recipient,
                recovery=recovery.recipient,
                notify=Notification(recipient=watchers[person.id].recipient, content=content),
            )
            (root / f"{file}.card.yaml").write_text(format_card(owner_card))
        card = RequesterCard(
            role="requester",
            name="Springfield Police Department",
            sign=requester.signing.public.text,
            seal=requester.recipient,
            upload_hosts=("127.0.0.1:1",),
        )
        book = {"requesters": [msgspec.to_builtins(card)]}
        (root / "requesters.yaml").write_text(yaml.safe_dump(book))
        place = config.Place(latitude=LATITUDE, longitude=LONGITUDE)
        made = config.Config(
            device=config.Device(name="front-door", place=place),
            owners=tuple(root / f"{file}.card.yaml" for file in enrolled),
            requesters=root / "requesters.yaml",
            state_dir=root / "state",
            upload=config.Upload(allow_loopback_http=True),
            time=config.Time(synced_marker=None),
        )
        made = msgspec.structs.replace(made, **changes)
        clock = clock or SimulatedClock()
        return cls(root, clock, owner, recovery, requester, made, second, watchers)

    # The camera's side

    @property
    def recipients(self) -> list[str]:
        """Whom clips are sealed to."""
        second = [self.partner.recipient] if len(self.config.owners) > 1 else []
        return [self.owner.recipient, *second, self.recovery.recipient]

    def open_index(self) -> Index:
        """The camera's index."""
        return Index.open(index.path_of(self.config.state_dir))

    def open_database(self) -> GatewayDatabase:
        return GatewayDatabase.open(gateway.path_of(self.config.state_dir))

    def record(
        self,
        *,
        seconds_ago: float = 60.0,
        video: bytes | None = None,
        seconds: float = 2.0,
        thumbnail: bytes | None = None,
    ) -> Clip:
        """A finished clip that began ``seconds_ago``, written as the camera does."""
        return record(
            self.config.state_dir,
            self.recipients,
            self.clock,
            seconds_ago=seconds_ago,
            video=video,
            seconds=seconds,
            thumbnail=thumbnail,
        )

    # The requester's side

    def request(self, **changes: Any) -> Request:
        """A request that the default policy admits, unless ``changes`` see to it."""
        now = int(self.clock.now())
        ordinary: dict[str, Any] = {
            "exp": now + 2 * 86_400,
            "reference": f"2024-{next(self._numbers):05d}",
            "incident": "burglary",
            "title": "Burglary on Elm Street",
            "text": "We look for a person in a red coat.",
            "contact": "detective@springfield.example",
            "window": Window(start=now - 3600, end=now + 600),
            "upload": statements.upload(UPLOAD_URL),
        }
        return statements.request(self.requester.id, now=now, **{**ordinary, **changes})

    def post(self, request: Request) -> str:
        """The public text of ``request``."""
        return self.requester.signing.sign(request)

    # The owner's side

    def device_card(self) -> DeviceCard:
        """Written by the gateway at its first start."""
        return _device_card(card_of(self.config.state_dir).read_text())

    def approval(self, post: str, clips: list[Clip], /, **changes: Any) -> Approval:
        """The owner's approval of ``clips`` for the request posted as ``post``."""
        approved = [statements.approved(clip.id, clip.sha256) for clip in clips]
        now = int(self.clock.now())
        return statements.approval(
            *self._parties(), signing.digest(post), approved, now=now, **changes
        )

    def clip_keys(self, clips: list[Clip]) -> dict[str, str]:
        """The clips' keys, which the owner opens on their computer and sends along."""
        return {
            clip.id: seal.open_key(clip.sealed_key, self.owner.identity, clip_id=clip.id).identity
            for clip in clips
        }

    def letter(self, statement: Any, keys: dict[str, str], *, by: Person | None = None) -> bytes:
        """``statement`` signed by the owner, or by somebody else, and sealed to the device."""
        return self.seal_letter((by or self.owner).signing.sign(statement), keys)

    def seal_letter(self, jws: str, keys: dict[str, str]) -> bytes:
        return mail.seal(Letter(jws=jws, keys=keys), [self.device_card().seal])

    def approve(
        self, post: str, clips: list[Clip], /, *, by: Person | None = None, **changes: Any
    ) -> bytes:
        """The whole of an approval, as it travels."""
        approval = self.approval(post, clips, **{"iss": (by or self.owner).id, **changes})
        return self.letter(approval, self.clip_keys(clips), by=by)

    def decline(self, post: str, *, by: Person | None = None, **changes: Any) -> bytes:
        parties, now = self._parties(by), int(self.clock.now())
        declined = statements.decline(*parties, signing.digest(post), now=now, **changes)
        return self.letter(declined, {}, by=by)

    def command(self, what: Any, *, by: Person | None = None, **changes: Any) -> bytes:
        """A command as it travels: ``what`` is a PauseRequests(), a Mute(...), ..."""
        parties, now = self._parties(by), int(self.clock.now())
        return self.letter(statements.command(*parties, what, now=now, **changes), {}, by=by)

    def _parties(self, by: Person | None = None) -> tuple[str, str]:
        return ((by or self.owner).id, self.device_card().fingerprint)

    def sharing(self, clips: list[Clip], to: Person, /, **changes: Any) -> Share:
        """The owner gives ``clips`` to somebody who has not asked."""
        recipient = Recipient(name="Neighbour", key=to.signing.public.text, seal=to.recipient)
        approved = [statements.approved(clip.id, clip.sha256) for clip in clips]
        ordinary = {"upload": statements.upload(UPLOAD_URL), **changes}
        now = int(self.clock.now())
        return statements.share(*self._parties(), recipient, approved, now=now, **ordinary)

    def share(
        self, clips: list[Clip], to: Person, /, *, by: Person | None = None, **changes: Any
    ) -> bytes:
        """The whole of a share, as it travels."""
        sharing = self.sharing(clips, to, **{"iss": (by or self.owner).id, **changes})
        return self.letter(sharing, self.clip_keys(clips), by=by)
