"""An owner's passkeys, a clock, and an authenticator at the console's address."""

from __future__ import annotations

import pytest

from agent.keyfile import Keys
from agent.owner.home.folder import OwnerFolder
from agent.owner.passkeys.challenges import Asker
from agent.owner.passkeys.passkeys import Passkeys
from agent.owner.passkeys.record import Passkey
from agent.owner.passkeys.relying_party import RelyingParty
from tests.support.authenticator import SoftAuthenticator
from tests.support.clock import SimulatedClock

ORIGIN = "http://localhost:8765"


def asker(session: str = "session-1", origin: str = ORIGIN) -> Asker:
    """A browser at the console."""
    return Asker(RelyingParty.of(origin), session)


def enrol(passkeys: Passkeys, phone: SoftAuthenticator, keys: Keys, name: str = "phone") -> Passkey:
    """Enrol a new credential of ``phone`` by its browser's two answers."""
    at = asker(origin=phone.origin)
    created = phone.create(passkeys.begin_enrolment(at, name))
    confirmed = phone.get(passkeys.confirm_enrolment(at, created))
    return passkeys.finish_enrolment(at, confirmed, keys)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def passkeys(home: OwnerFolder, clock: SimulatedClock) -> Passkeys:
    return Passkeys(home, clock)


@pytest.fixture
def phone() -> SoftAuthenticator:
    return SoftAuthenticator(ORIGIN)


@pytest.fixture
def enrolled(passkeys: Passkeys, phone: SoftAuthenticator, keys: Keys) -> Passkey:
    return enrol(passkeys, phone, keys)
