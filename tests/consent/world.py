"""The people, keys and papers that the tests of ``consent`` and the vectors share.

Nobody's secrets: signing keys are hashes of names, age identities were made for
this file. ``request()`` is acceptable as it is and a change makes one thing wrong;
``approval()`` likewise. ``FakeDevice`` answers what the rules of an approval ask of a device.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pyrage

from agent import config
from agent.consent.cards import RequesterCard, encode_base64url
from agent.consent.decisions.approval import HeldRequest
from agent.consent.decisions.common import DecisionContext
from agent.consent.letters import Letter
from agent.consent.policy.requests import History
from agent.consent.signing import SigningKey, digest
from agent.consent.statements import (
    Approval,
    ApprovedClip,
    BoxPosition,
    Command,
    Decline,
    LegalOrder,
    PauseRequests,
    Polygon,
    Redaction,
    Request,
)
from tests.support import statements
from tests.support.statements import DAY as DAY
from tests.support.statements import HOUR as HOUR
from tests.support.statements import NOW as NOW
from tests.support.statements import polygon as polygon
from tests.support.statements import upload as upload

PLACE = config.Place(latitude=42.1015, longitude=-72.5898)
RULES = config.Requests()
MAX_CLIP_AGE = 30.0 * DAY
NO_HISTORY = History(open=0, last_day=0, same_reference=0, jti_used=False)


def signing_key(who: str) -> SigningKey:
    """The test key of ``who``: the hash of a sentence."""
    return SigningKey.from_text(
        encode_base64url(hashlib.sha256(f"clip-agent test key: {who}".encode()).digest())
    )


OWNER, OTHER_OWNER, STRANGER = map(signing_key, ("owner", "other owner", "stranger"))
DEVICE, OTHER_DEVICE = map(signing_key, ("device", "other device"))
REQUESTER, OTHER_REQUESTER = map(signing_key, ("requester", "other requester"))
OWNERS = {key.public.fingerprint: key.public for key in (OWNER, OTHER_OWNER)}
REQUESTERS = {key.public.fingerprint: key.public for key in (REQUESTER, OTHER_REQUESTER)}

OWNER_IDENTITY = "AGE-SECRET-KEY-1SVVZNCCXA7TWJ824KEJ4LKPRT2RWRQAUHEG6DFSXY7ZLSVYY2YYS8W8ZRU"
OWNER_RECIPIENT = "age1p0949tzeyvz0t0w32vnhhl3wcwklzse4nprgfde5g8zy8k0l0y3s6z0vsh"
DEVICE_IDENTITY = "AGE-SECRET-KEY-1QPCGMGP2GS69HNTWJ29HPKVY63ST39EU9XUPGW2C5GM2R3YRVD5QAXMYU9"
DEVICE_RECIPIENT = "age1lzwwddsnv3hfnpd0q57xpgkarfe8d6ht8p7wq82fez5jv9r60ykqvu7j4a"
REQUESTER_RECIPIENT = "age18j4hzgtfnvxk9zzz20wp3g9qedjk8ps4pry2cuakxqljewpxy5ysjm0xur"

# Three clips sealed each to its own identity. The first two match the request.
CLIP, CLIP_2, CLIP_3 = "20240124-171500-3f9a2c", "20240124-173000-b1e004", "20240124-180000-77aa01"
CLIP_KEYS = {
    CLIP: "AGE-SECRET-KEY-197NS8CYTUDUG5UCK0U2396WEGZTH4QC260DPFD2Z2MVSMCN4C32SZPN328",
    CLIP_2: "AGE-SECRET-KEY-1AQS5NDK4TAFUD6MMG28YMQ65KLWER42DVVCD9N05LE0TFXUXWGCQLMSSFU",
    CLIP_3: "AGE-SECRET-KEY-1K5K9X4ZLL2U2LUQVMCHAFY9FFCHVQHA0TSTJV643YYX2V50H0QPSRHQ2SJ",
}
# age never seals to the same bytes twice, so the sealed clips are files beside the vectors.
CLIP_FOLDER = Path(__file__).parent.parent / "vectors" / "clips"
SEALED_CLIPS = {clip: (CLIP_FOLDER / f"{clip}.age").read_bytes() for clip in CLIP_KEYS}

CARD = RequesterCard(
    name="Springfield Police",
    sign=REQUESTER.public.text,
    seal=REQUESTER_RECIPIENT,
    role="requester",
    upload_hosts=("evidence.example.org", "evidence.example.org:8443", "127.0.0.1:1080"),
)


def square(
    miles: float, latitude: float = PLACE.latitude, longitude: float = PLACE.longitude
) -> Polygon:
    """A square with sides of ``miles`` around a point."""
    north = miles * 1609.344 / 111_320 / 2
    east = north / math.cos(math.radians(latitude))
    return polygon(
        (longitude - east, latitude - north),
        (longitude + east, latitude - north),
        (longitude + east, latitude + north),
        (longitude - east, latitude + north),
    )


def request(**changes: Any) -> Request:
    """A request that every rule of the default policy admits, but for ``changes``."""
    fields: dict[str, Any] = {
        "jti": "request-0000-0001",
        "iat": NOW - HOUR,
        "reference": "2024-00117",
        "incident": "hit and run",
        "title": "Grey van, State Street",
        "text": "A grey van hit a cyclist and drove on.\nWho saw it?",
        "contact": "tips@springfield.example",
        "area": square(0.5),
    }
    return statements.request(REQUESTER.public.fingerprint, **(fields | changes))


def sign_raw(header: bytes, payload: bytes, key: SigningKey = REQUESTER) -> str:
    """A compact JWS of any header and payload, signed correctly: what an attacker can make."""
    signed = f"{encode_base64url(header)}.{encode_base64url(payload)}"
    return f"{signed}.{encode_base64url(key._key.sign(signed.encode()))}"


ORDER = LegalOrder(court="Hampden Superior Court", docket="2479CV00117", document_sha256="0" * 64)
REQUEST_JWS = REQUESTER.sign(request())


def sealed_digest(clip: str) -> str:
    """The SHA-256 of a sealed clip, as the device keeps it."""
    return hashlib.sha256(SEALED_CLIPS[clip]).hexdigest()


WALKER = Redaction(
    positions=(
        BoxPosition(at_seconds=2, x=0.1, y=0.2, width=0.1, height=0.4),
        BoxPosition(at_seconds=6.5, x=0.5, y=0.2, width=0.125, height=0.4),
    ),
    from_seconds=1,
    to_seconds=8,
)


def approved(clip: str = CLIP, **changes: Any) -> ApprovedClip:
    """``clip`` as an approval names it."""
    return statements.approved(clip, sealed_digest(clip), **changes)


PARTIES = (OWNER.public.fingerprint, DEVICE.public.fingerprint)


def _decision(changes: dict[str, Any]) -> dict[str, Any]:
    return {"jti": "decision-0000-0001", "iat": NOW - 60, **changes}


def approval(**changes: Any) -> Approval:
    """An approval of ``CLIP`` that all nine rules let pass, but for ``changes``."""
    asked = digest(REQUEST_JWS)
    return statements.approval(*PARTIES, asked, (approved(),), **_decision(changes))


def decline(**changes: Any) -> Decline:
    """A decline of the request."""
    return statements.decline(*PARTIES, digest(REQUEST_JWS), **_decision(changes))


def command(**changes: Any) -> Command:
    """A command to pause."""
    return statements.command(*PARTIES, PauseRequests(), **_decision(changes))


def letter(statement: Approval | None = None, *, signer: SigningKey = OWNER) -> Letter:
    """The letter of ``statement``, with the keys of the clips that it names."""
    statement = statement or approval()
    named = {clip.id: CLIP_KEYS[clip.id] for clip in statement.clips if clip.id in CLIP_KEYS}
    return Letter(jws=signer.sign(statement), keys=named)


@dataclass
class FakeDevice:
    """A device's holdings: one request with two matches, and the sealed clips."""

    held: HeldRequest = field(
        default_factory=lambda: HeldRequest(
            digest=digest(REQUEST_JWS),
            is_open=True,
            expires_at=request().exp,
            requester=CARD,
            upload_url=request().upload.url,
            matches={clip: sealed_digest(clip) for clip in (CLIP, CLIP_2)},
        )
    )
    sealed: dict[str, bytes] = field(default_factory=lambda: dict(SEALED_CLIPS))
    acted_on: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def request(self, name: str) -> HeldRequest | None:
        """The request with this digest."""
        return self.held if name == self.held.digest else None

    def digest_on_disk(self, clip: str) -> str | None:
        """Hash a sealed clip, and remember that it was asked to."""
        self.asked.append(f"hash {clip}")
        sealed = self.sealed.get(clip)
        return None if sealed is None else hashlib.sha256(sealed).hexdigest()

    def key_opens(self, clip: str, key: str) -> bool:
        """Try a key on a sealed clip, and remember that it was asked to."""
        self.asked.append(f"open {clip}")
        try:
            pyrage.decrypt(self.sealed[clip], [pyrage.x25519.Identity.from_str(key)])
        except (pyrage.DecryptError, pyrage.IdentityError):
            return False
        return True

    def context(self, **changes: Any) -> DecisionContext:
        """The circumstances of a decision that all rules let pass, but for ``changes``."""
        context = DecisionContext(
            owners=OWNERS,
            device_id=DEVICE.public.fingerprint,
            now=float(NOW),
            since=0.0,
            seen=self.acted_on.__contains__,
            retained=False,
        )
        return replace(context, **changes)

    def holds(self, **changes: Any) -> None:
        """Change what is known of the request."""
        self.held = replace(self.held, **changes)


def card(**changes: Any) -> RequesterCard:
    """The requester's card, changed."""
    return msgspec.structs.replace(CARD, **changes)
