"""The file of a request: YAML such as :func:`example`, which becomes a signed request."""

from __future__ import annotations

import math
import os
from datetime import datetime, timedelta
from typing import Annotated, Literal

from msgspec import Meta

from agent import config
from agent.consent import signing
from agent.consent.cards import RequesterCard
from agent.consent.policy import requests
from agent.consent.policy.requests import History
from agent.consent.statements import (
    LEGAL_ORDER,
    LegalOrder,
    Line,
    Name,
    Request,
    Text,
    UploadTarget,
    Url,
    Window,
)
from agent.errors import ConfigError
from agent.keyfile import Keys
from agent.requester.posts.area_file import DAY_SECONDS, AreaFile, Section

_OLDEST_CLIP_SECONDS = 3_650 * DAY_SECONDS  # an owner can keep clips this long at most


class Times(Section, frozen=True, rename={"start": "from", "end": "to"}):
    """The time asked about, RFC 3339 with a zone."""

    start: Annotated[datetime, Meta(tz=True)]
    end: Annotated[datetime, Meta(tz=True)]


class RequestFile(AreaFile, frozen=True, kw_only=True):
    """The file of a request as it is written."""

    title: Name
    text: Text
    incident: Name
    reference: Name
    contact: Line
    window: Times
    upload: Url
    kind: Literal["voluntary", "legal-order"] = "voluntary"
    order: LegalOrder | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.kind == LEGAL_ORDER) != (self.order is not None):
            raise ValueError("the key `order` belongs to `kind: legal-order`, and only there")
        if self.window.start >= self.window.end:
            raise ValueError("the window must end after it begins")

    def sign(
        self,
        keys: Keys,
        card: RequesterCard,
        *,
        name: str,
        now: float,
        allow_loopback_http: bool = False,
    ) -> str:
        """The signed request. ConfigError names the file ``name`` and the key to change."""
        if card.fingerprint != keys.fingerprint:
            raise ConfigError("the card is not that of these keys", advice="Make it anew")
        request = self._request(keys, now)
        case = requests.Case(
            request=request,
            rules=config.Requests(),
            place=self.place,
            requester=card,
            history=History(open=0, last_day=0, same_reference=0, jti_used=False),
            now=now,
            max_clip_age_seconds=_OLDEST_CLIP_SECONDS,
            allow_loopback_http=allow_loopback_http,
        )
        return self.sign_admitted(request, keys, lambda: requests.judge(case), name=name)

    def _request(self, keys: Keys, now: float) -> Request:
        return Request(
            iss=keys.fingerprint,
            jti=signing.new_jti(os.urandom(16)),
            iat=int(now),
            exp=int(now + self.open_days * DAY_SECONDS),
            kind=self.kind,
            reference=self.reference,
            incident=self.incident,
            title=self.title,
            text=self.text,
            contact=self.contact,
            area=self.polygon,
            window=Window(
                start=int(self.window.start.timestamp()),
                end=math.ceil(self.window.end.timestamp()),
            ),
            upload=UploadTarget(protocol="tus", url=self.upload),
            order=self.order,
        )


_EXAMPLE = """\
# A request. Anybody can read all of it: name no victim, witness or house.
# clip-agent requester post FILE signs and posts it.

title: Bicycle theft on Elm Street
text: |
  A red bicycle was taken from the rack at the library.
  Did your camera see who rode it away?
incident: theft              # one word or two
reference: 2024-001234       # your own number; at most two posts under one
contact: Det. A. Example, 413 555 0100

# The time you ask about: 15 minutes to 12 hours, and it must have begun.
window: {{from: {start}, to: {end}}}

# Where: 0.025 to 0.5 square miles. Or `area:`, a GeoJSON Polygon (RFC 7946).
around: {{latitude: 42.1015, longitude: -72.5898, square_miles: 0.25}}

# Where bundles are uploaded (tus): a host on your key card.
upload: https://evidence.example.org/files/

# How many days owners have to answer, at most 7.
open_days: 5

# For a legal order add this; `sha256sum FILE` prints the digest of the document.
#kind: legal-order
#order:
#  court: District Court of Hampden County
#  docket: 24-CV-1234
#  document_sha256: "{digest}"
"""


def example(now: datetime) -> str:
    """A template that asks about the evening before ``now``, which has a time zone."""
    evening = (now - timedelta(days=1)).replace(hour=18, minute=0, second=0, microsecond=0)
    return _EXAMPLE.format(
        start=evening.isoformat(),
        end=(evening + timedelta(hours=2)).isoformat(),
        digest="0" * 64,
    )
