"""Targets: passkeys' files, and what a browser answers for its authenticator."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import msgspec

from agent.errors import KeyFileError, Refused
from agent.keyfile import Keys
from agent.owner.passkeys import record, wrap
from agent.owner.passkeys import webauthn_rules as rules
from agent.owner.passkeys.record import Passkey
from agent.owner.passkeys.relying_party import RelyingParty
from tests.fuzz.target import Target
from tests.support.authenticator import SoftAuthenticator

_PARTY = RelyingParty.of("http://localhost:8642")
_CHALLENGE, _OWNER, _SALT = bytes(32), "A" * 43, "A" * 43
_PHONE = SoftAuthenticator(_PARTY.origin)
_OPTIONS = rules.creation_options(_PARTY, _CHALLENGE, owner=_OWNER, name="Ann", known=[])
_REGISTRATION = _PHONE.create(_OPTIONS)
_CREDENTIAL = rules.registration(_REGISTRATION, _CHALLENGE, _PARTY)
_PASSKEY = Passkey(
    version=1,
    credential=_CREDENTIAL.id,
    name="phone",
    rp_id=_PARTY.id,
    owner=_OWNER,
    public_key=_CREDENTIAL.public_key,
    salt=_SALT,
    sign_count=0,
    backup_eligible=False,
    backed_up=False,
    made_at=0,
    used_at=0,
)


def run_file(data: bytes) -> None:
    """A file of a passkey; without its secret it opens nothing."""
    try:
        read = record.parse(data, "passkey.json")
    except KeyFileError:
        return
    assert record.parse(msgspec.json.encode(read), "again") == read
    with suppress(KeyFileError):
        wrap.open_keys(read, bytes(32))
        raise AssertionError("a guessed secret opened a file")


def seeds_file() -> Sequence[bytes]:
    return [msgspec.json.encode(wrap.seal(_PASSKEY, Keys.generate(), b"\x01" * 32))]


def run_registration(data: bytes) -> None:
    """A new credential."""
    with suppress(Refused):
        rules.registration(data, _CHALLENGE, _PARTY)


def seeds_registration() -> Sequence[bytes]:
    return [_REGISTRATION]


def run_assertion(data: bytes) -> None:
    """An answer of an enrolled credential."""
    with suppress(Refused):
        answer = rules.parse_assertion(data)
        rules.assertion(answer, _CHALLENGE, _PARTY, _PASSKEY)


def seeds_assertion() -> Sequence[bytes]:
    options = rules.request_options(_PARTY, _CHALLENGE, {_CREDENTIAL.id: _SALT})
    return [_PHONE.get(options)]


TARGETS = (
    Target("passkey-file", run_file, seeds_file),
    Target("passkey-registration", run_registration, seeds_registration),
    Target("passkey-assertion", run_assertion, seeds_assertion),
)
