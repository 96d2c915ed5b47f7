"""Alerts, from YAML such as :data:`EXAMPLE`, and withdrawals of one's own requests."""

from __future__ import annotations

import os

from agent import config
from agent.consent import signing
from agent.consent.cards import RequesterCard
from agent.consent.policy import alerts
from agent.consent.statements import Alert, Name, Text, Withdrawal
from agent.keyfile import Keys
from agent.requester.posts.area_file import DAY_SECONDS, AreaFile

EXAMPLE = """\
# An alert informs the public; nobody can reply to it.
# clip-agent requester alert FILE signs and posts it.

title: Water main broken on Elm Street
text: |
  Boil your water until Friday evening.

# Where it matters. Or `area:`, a GeoJSON Polygon (RFC 7946).
around: {latitude: 42.1015, longitude: -72.5898, square_miles: 2}

# How many days it is shown, at most 7.
open_days: 2
"""


class AlertFile(AreaFile, frozen=True, kw_only=True):
    """The file of an alert as it is written."""

    title: Name
    text: Text

    def sign(
        self,
        keys: Keys,
        _card: RequesterCard,
        *,
        name: str,
        now: float,
        allow_loopback_http: bool = False,  # noqa: ARG002 - an alert has no upload
    ) -> str:
        """The signed alert. ConfigError names the file ``name`` and the key to change."""
        alert = Alert(
            iss=keys.fingerprint,
            jti=signing.new_jti(os.urandom(16)),
            iat=int(now),
            exp=int(now + self.open_days * DAY_SECONDS),
            title=self.title,
            text=self.text,
            area=self.polygon,
        )

        def judge() -> None:
            alerts.judge(alert, rules=config.Requests(), place=self.place, now=now)

        return self.sign_admitted(alert, keys, judge, name=name)


def sign_withdrawal(request: str, keys: Keys, *, now: float) -> str:
    """The signed withdrawal of the request with this digest."""
    jti = signing.new_jti(os.urandom(16))
    return keys.signing.sign(
        Withdrawal(iss=keys.fingerprint, jti=jti, iat=int(now), request=request)
    )
