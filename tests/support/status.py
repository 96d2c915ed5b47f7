"""A status letter that a device has left at the broker."""

from __future__ import annotations

from agent.consent import letters, signing
from agent.consent.letters import Letter
from agent.consent.signing import SigningKey
from agent.consent.statements import (
    Arming,
    HouseholdOwner,
    LedgerHead,
    PartHealth,
    Space,
    Status,
)
from agent.gateway import device_keys
from agent.mqtt import topics
from agent.vault.records.ledger import Ledger
from tests.support.gateway_world import DEVICE
from tests.support.house import House
from tests.support.peers import FakeBroker


def leave_status(
    house: House, broker: FakeBroker, *, by: SigningKey | None = None, lines_ahead: int = 0
) -> None:
    """The device leaves its status letter at the broker, sealed to an owner and to itself."""
    keys = device_keys.load_or_create(house.config.state_dir, name=DEVICE)
    now = int(house.clock.now())
    health = PartHealth(state="connected", detail="", at=now, version="1")
    with house.open_database() as database:
        head = Ledger(database).head()
    if lines_ahead:
        head = LedgerHead(size=head.size + lines_ahead, root="0" * 64)
    signer = by or keys.signing
    status = Status(
        iss=signer.public.fingerprint, jti=signing.new_jti(b"0" * 16), iat=now, device=DEVICE,
        camera=health, gateway=health, clock_synced=True, seals_to=(), approvals_needed=1,
        owners=(HouseholdOwner(fingerprint=house.owner.id, name="Olive"),),
        open=(), more_open=0, held=(), pause=None, muted=(), arming=Arming(armed=True),
        space=Space(clips=0, clip_bytes=0, free_bytes=0), ledger=head, proofs=(),
    )  # fmt: skip
    letter = Letter(jws=signer.sign(status), keys={})
    payload = letters.seal(letter, [house.owner.recipient, keys.card(DEVICE).seal])
    broker.retained[topics.status(DEVICE, house.owner.id)] = payload
