"""A household on paper: keys, cards, a configuration and clips, for tests of any room.

>>> house = House.build(tmp_path)
>>> clip = house.record(seconds_ago=600)
>>> post = house.post(house.request())

Everything is real (keys, sealing, files, SQLite) but the clock.
"""

from __future__ import annotations

import functools
import io
import itertools
import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import msgspec
import pyrage
import yaml

from agent import config
from agent.clock import SimulatedClock
from agent.consent import mail, signing
from agent.consent.mail import Letter
from agent.consent.signing import DeviceCard, OwnerCard, RequesterCard, SigningKey
from agent.consent.statements import (
    Approval,
    ApprovedClip,
    Decline,
    Disclosure,
    Polygon,
    Request,
    UploadTarget,
    Window,
)
from agent.vault import seal
from agent.vault.clips import Clip, ClipStore
from agent.vault.index import Index

LATITUDE, LONGITUDE = 42.1015, -72.5898
UPLOAD_URL = "http://127.0.0.1:1/files/"


@dataclass
class Person:
    """A signing key and an age identity."""

    signing: SigningKey = field(default_factory=SigningKey.generate)
    identity: str = field(default_factory=lambda: str(pyrage.x25519.Identity.generate()))

    @property
    def id(self) -> str:
        return self.signing.public.id

    @property
    def recipient(self) -> str:
        return str(mail.parse_identity(self.identity).to_public())


def square_around(latitude: float, longitude: float, *, half: float = 0.004) -> Polygon:
    """About 0.2 square miles around a place."""
    west, east, south, north = longitude - half, longitude + half, latitude - half, latitude + half
    ring = ((west, south), (east, south), (east, north), (west, north), (west, south))
    return Polygon(type="Polygon", coordinates=(ring,))


@functools.cache
def fragmented_mp4(seconds: int = 2, size: int = 64, *, noisy: bool = False) -> bytes:
    """A small recording as a camera would write it: H.264, fragments of a second."""
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
                flat = bytes([(number * 7 + plane.line_size) % 256]) * plane.buffer_size
                plane.update(noise.randbytes(plane.buffer_size) if noisy else flat)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


@dataclass
class House:
    """A device with its owner, and one requester the owner lets ask."""

    root: Path
    clock: SimulatedClock
    owner: Person
    recovery: Person
    requester: Person
    config: config.Config
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @classmethod
    def build(cls, root: Path, *, clock: SimulatedClock | None = None, **changes: Any) -> House:
        """A house in ``root``; ``changes`` replace sections of the configuration."""
        owner, recovery, requester = Person(), Person(), Person()
        root.mkdir(parents=True, exist_ok=True)
        owner_card = OwnerCard(
            role="owner",
            name="Olive",
            sign=owner.signing.public.text,
            seal=owner.recipient,
            recovery=recovery.recipient,
        )
        (root / "owner.card.yaml").write_text(signing.format_card(owner_card))
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
            owners=(root / "owner.card.yaml",),
            requesters=root / "requesters.yaml",
            state_dir=root / "state",
            upload=config.Upload(allow_loopback_http=True),
            time=config.Time(synced_marker=None),
        )
        made = msgspec.structs.replace(made, **changes)
        return cls(root, clock or SimulatedClock(), owner, recovery, requester, made)

    # The camera's side

    @property
    def recipients(self) -> list[str]:
        """Whom clips are sealed to."""
        return [self.owner.recipient, self.recovery.recipient]

    def open_index(self) -> Index:
        self.config.state_dir.mkdir(exist_ok=True)
        return Index.open(self.config.state_dir / "agent.sqlite")

    def record(self, *, seconds_ago: float = 60.0, video: bytes | None = None) -> Clip:
        """A finished clip that began ``seconds_ago``, written as the camera does."""
        index = self.open_index()
        store = ClipStore(
            self.config.state_dir, index, recipients=self.recipients, clock=self.clock
        )
        draft = store.create(
            started_at=self.clock.now() - seconds_ago,
            monotonic_seconds=self.clock.monotonic() - seconds_ago,
            codec="h264",
            width=64,
            height=64,
        )
        draft.write(video or fragmented_mp4())
        clip = draft.finish(duration_seconds=2.0)
        index.close()
        return clip

    # The requester's side

    def request(self, **changes: Any) -> Request:
        """A request that the default policy admits, unless ``changes`` see to it."""
        now = int(self.clock.now())
        values: dict[str, Any] = {
            "iss": self.requester.id,
            "jti": signing.new_jti(os.urandom(16)),
            "iat": now,
            "exp": now + 2 * 86_400,
            "kind": "voluntary",
            "reference": f"2024-{next(self._numbers):05d}",
            "incident": "burglary",
            "title": "Burglary on Elm Street",
            "text": "We look for a person in a red coat.",
            "contact": "detective@springfield.example",
            "area": square_around(LATITUDE, LONGITUDE),
            "window": Window(start=now - 3600, end=now + 600),
            "upload": UploadTarget(protocol="tus", url=UPLOAD_URL),
        }
        return Request(**{**values, **changes})

    def post(self, request: Request) -> str:
        """The public text of ``request``."""
        return self.requester.signing.sign(request)

    # The owner's side

    def device_card(self) -> DeviceCard:
        """Written by the gateway at its first start."""
        path = self.config.state_dir / "device.card.yaml"
        return signing.parse_card(path.read_text(), DeviceCard, path.name)

    def approval(self, post: str, clips: list[Clip], **changes: Any) -> Approval:
        """The owner's approval of ``clips`` for the request posted as ``post``."""
        now = int(self.clock.now())
        values: dict[str, Any] = {
            "iss": self.owner.id,
            "jti": signing.new_jti(os.urandom(16)),
            "iat": now,
            "exp": now + 86_400,
            "aud": self.device_card().id,
            "request": signing.digest(post),
            "clips": tuple(
                ApprovedClip(id=clip.id, sha256=clip.sha256, cut=None, blur=()) for clip in clips
            ),
            "disclose": Disclosure(),
        }
        return Approval(**{**values, **changes})

    def clip_keys(self, clips: list[Clip]) -> dict[str, str]:
        """What the owner opens on their computer, and sends along."""
        return {
            clip.id: seal.open_key(clip.sealed_key, self.owner.identity, clip_id=clip.id)
            for clip in clips
        }

    def letter(self, statement: Approval | Decline | Any, keys: dict[str, str]) -> bytes:
        """``statement`` signed by the owner and sealed to the device."""
        return self.seal_letter(self.owner.signing.sign(statement), keys)

    def seal_letter(self, jws: str, keys: dict[str, str]) -> bytes:
        return mail.seal(Letter(jws=jws, keys=keys), [self.device_card().seal])

    def approve(self, post: str, clips: list[Clip], **changes: Any) -> bytes:
        """The whole of an approval, as it travels."""
        return self.letter(self.approval(post, clips, **changes), self.clip_keys(clips))

    def decline(self, post: str, **changes: Any) -> bytes:
        now = int(self.clock.now())
        values: dict[str, Any] = {
            "iss": self.owner.id,
            "jti": signing.new_jti(os.urandom(16)),
            "iat": now,
            "exp": now + 86_400,
            "aud": self.device_card().id,
            "request": signing.digest(post),
            "mute": False,
        }
        return self.letter(Decline(**{**values, **changes}), {})
