"""What a requester posts beside requests: information for the public, and withdrawals.

An alert's file is YAML, such as :data:`EXAMPLE`. Nobody can answer an alert. A withdrawal
closes a request of one's own. As with requests (:mod:`.posting`), what every owner's
default rules would refuse is not signed.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from agent import config
from agent.config import Place
from agent.consent import signing
from agent.consent.policy import alerts
from agent.consent.statements import Alert, Name, Text, Withdrawal
from agent.errors import ConfigError, MalformedStatement, RequestRefused
from agent.keyfile import Keys
from agent.requester.posts.request_file import Local, key_of

Random = Callable[[int], bytes]

_DAY_SECONDS = 86_400


EXAMPLE = """\
# Information for the public, which nobody can answer.
# clip-agent requester alert FILE signs and posts it.

title: Water main broken on Elm Street
text: |
  Boil your water until Friday evening.

# Where it matters. Or `area:`, a GeoJSON Polygon (RFC 7946).
around: {latitude: 42.1015, longitude: -72.5898, square_miles: 2}

# How long it stands, 7 at most.
open_days: 2
"""


class Information(Local, frozen=True, kw_only=True):
    """An alert's file as it is written."""

    title: Name
    text: Text


def parse(text: str, name: str) -> Information:
    """The alert in YAML ``text``; ConfigError names the file ``name`` and the key."""
    return config.parse_yaml(text, Information, name)


def sign_alert(
    information: Information,
    keys: Keys,
    *,
    name: str,
    now: float,
    random: Random = os.urandom,
) -> str:
    """The signed alert. ConfigError names the file ``name`` and the key to change."""
    alert = Alert(
        iss=keys.fingerprint,
        jti=signing.new_jti(random(16)),
        iat=int(now),
        exp=int(now + information.open_days * _DAY_SECONDS),
        title=information.title,
        text=information.text,
        area=information.polygon,
    )
    longitude, latitude = alert.area.coordinates[0][0]  # its edge belongs to an area
    place = Place(latitude=latitude, longitude=longitude)
    try:
        alerts.judge(alert, rules=config.Requests(), place=place, now=now)
        return keys.signing.sign(alert)
    except RequestRefused as error:
        key = key_of(error.rule, around=information.around is not None)
        raise ConfigError(f"{name}: {key}: {error.message} ({error.rule})") from error
    except MalformedStatement as error:
        raise ConfigError(f"{name}: {error.message} ({error.rule})") from error


def sign_withdrawal(request: str, keys: Keys, *, now: float, random: Random = os.urandom) -> str:
    """The signed word that the request with this digest is no longer asked."""
    return keys.signing.sign(
        Withdrawal(
            iss=keys.fingerprint, jti=signing.new_jti(random(16)), iat=int(now), request=request
        )
    )
