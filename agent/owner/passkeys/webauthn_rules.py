"""Rules for the answers of authenticators (Web Authentication Level 3, sections 7.1 and 7.2).

The library ``webauthn`` checks form, type, challenge, origin, site, presence, verification of the
user and signature. The rules that it leaves to its callers are here, by name:

- ``embedded``         a page within another site's page asked
- ``other-owner``      the credential was made for another account
- ``backup-changed``   a credential says of itself that it may be copied, and did not before
- ``passkey-copied``   the counter did not grow: two authenticators hold the same credential
- ``no-secret``        the authenticator or browser has no PRF
- ``passkey-refused``  the library refused, with its reason
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import cryptography.exceptions
import webauthn
from msgspec import Meta
from webauthn.helpers import options_to_json_dict
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from agent.consent import decoding
from agent.consent.cards import decode_base64url, encode_base64url
from agent.consent.statements.base import Part
from agent.errors import MalformedStatement, Refused
from agent.owner.passkeys.challenges import LIFE_SECONDS
from agent.owner.passkeys.record import CredentialId, Passkey
from agent.owner.passkeys.relying_party import RelyingParty
from agent.owner.passkeys.wrap import SECRET_BYTES

P = TypeVar("P", bound=Part)

MAX_ANSWER_BYTES = 65_536
_MAX_CREDENTIAL_ID_BYTES = 1_023
_REQUIRED = UserVerificationRequirement.REQUIRED
_MILLISECONDS = int(LIFE_SECONDS * 1_000)
_BROKEN = (
    *(WebAuthnException, ValueError, KeyError, TypeError, IndexError, AttributeError),
    *(OverflowError, cryptography.exceptions.UnsupportedAlgorithm),
)

Bytes = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]*\Z")]


class Registration(Part, frozen=True):
    """A new credential, as our page sends it: bytes in base64url."""

    id: CredentialId
    client_data: Bytes
    attestation: Bytes


class Assertion(Part, frozen=True):
    """An answer of an enrolled credential. ``user``: the account it was made for, or empty.

    ``secret`` is the output of its PRF, empty if the browser has none.
    """

    id: CredentialId
    client_data: Bytes
    authenticator_data: Bytes
    signature: Bytes
    user: Bytes
    secret: Bytes


@dataclass(frozen=True)
class Credential:
    """A credential as its registration proved it, bytes in base64url."""

    id: str
    public_key: str
    sign_count: int
    backup_eligible: bool
    backed_up: bool


@dataclass(frozen=True)
class Use:
    """A use of a credential, as its assertion proved it."""

    sign_count: int
    backed_up: bool


def account(owner: str) -> bytes:
    """The id of the owner's account for authenticators, by the fingerprint of the owner."""
    return hashlib.sha256(b"clip-agent webauthn account v1\n" + owner.encode()).digest()


# Options of a browser


def creation_options(
    party: RelyingParty, challenge: bytes, *, owner: str, name: str, known: Sequence[Passkey]
) -> dict[str, Any]:
    """The options of ``navigator.credentials.create``, as JSON: bytes in base64url."""
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name="clip-agent",
        user_id=account(owner),
        user_name=name,
        challenge=challenge,
        timeout=_MILLISECONDS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_REQUIRED
        ),
        exclude_credentials=_descriptors([one.credential for one in known]),
    )
    return {**options_to_json_dict(options), "extensions": {"prf": {}}}


def request_options(party: RelyingParty, challenge: bytes, salts: dict[str, str]) -> dict[str, Any]:
    """The options of ``navigator.credentials.get``; ``salts`` by the credential's id."""
    options = webauthn.generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=_MILLISECONDS,
        allow_credentials=_descriptors(salts),
        user_verification=_REQUIRED,
    )
    by_credential = {credential: {"first": salt} for credential, salt in salts.items()}
    prf = {"prf": {"evalByCredential": by_credential}}
    return {**options_to_json_dict(options), "extensions": prf}


def _descriptors(credentials: Iterable[str]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=decode_base64url(one)) for one in credentials]


# Answers


def registration(data: bytes, challenge: bytes, party: RelyingParty) -> Credential:
    """The credential that an authenticator has made; Refused by a rule above."""
    answer = _decode(data, Registration)
    with _refusing():
        client_data = decode_base64url(answer.client_data)
        _refuse_embedded(client_data)
        made = webauthn.verify_registration_response(
            credential=RegistrationCredential(
                id=answer.id,
                raw_id=decode_base64url(answer.id),
                response=AuthenticatorAttestationResponse(
                    client_data_json=client_data,
                    attestation_object=decode_base64url(answer.attestation),
                ),
            ),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
        if made.credential_id != decode_base64url(answer.id):
            raise ValueError("the credential has another id than its answer says")
        if len(made.credential_id) > _MAX_CREDENTIAL_ID_BYTES:
            raise ValueError("the credential's id is too long")
    return Credential(
        id=answer.id,
        public_key=encode_base64url(made.credential_public_key),
        sign_count=made.sign_count,
        backup_eligible=_may_be_copied(made.credential_device_type),
        backed_up=made.credential_backed_up,
    )


def parse_assertion(data: bytes) -> Assertion:
    """The answer as the page sent it, unverified."""
    return _decode(data, Assertion)


def assertion(
    answer: Assertion, challenge: bytes, party: RelyingParty, passkey: Passkey
) -> tuple[Use, bytes]:
    """The use of ``passkey`` that the answer proves, and the PRF's secret; Refused by a rule."""
    with _refusing():
        client_data = decode_base64url(answer.client_data)
        _refuse_embedded(client_data)
        said = webauthn.verify_authentication_response(
            credential=AuthenticationCredential(
                id=answer.id,
                raw_id=decode_base64url(answer.id),
                response=AuthenticatorAssertionResponse(
                    client_data_json=client_data,
                    authenticator_data=decode_base64url(answer.authenticator_data),
                    signature=decode_base64url(answer.signature),
                ),
            ),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=decode_base64url(passkey.public_key),
            credential_current_sign_count=0,  # compared below, once the signature has proved it
            require_user_verification=True,
        )
        user, secret = decode_base64url(answer.user), decode_base64url(answer.secret)
    if user and user != account(passkey.owner):
        raise Refused("other-owner", "this passkey was made for another owner")
    if _may_be_copied(said.credential_device_type) != passkey.backup_eligible:
        why = "the passkey says otherwise than before whether it may be copied"
        raise Refused("backup-changed", why)
    _check_counter(said.new_sign_count, passkey)
    if len(secret) != SECRET_BYTES:
        raise Refused(
            "no-secret",
            "this browser or authenticator gave no secret for the passkey (WebAuthn PRF)",
            advice="Use another browser or authenticator, or the passphrase",
        )
    return Use(said.new_sign_count, said.credential_backed_up), secret


def _check_counter(count: int, passkey: Passkey) -> None:
    """Level 3, section 6.1.1: authenticators without a counter always say 0."""
    if (count or passkey.sign_count) and count <= passkey.sign_count:
        raise Refused(
            "passkey-copied",
            f"the counter of the passkey {passkey.name!r} did not grow: somebody may have a copy",
            advice="Unlock with the passphrase and remove this passkey; enrol a new one",
        )


def _refuse_embedded(client_data: bytes) -> None:
    said = decoding.strict_json(client_data, MAX_ANSWER_BYTES)
    if isinstance(said, dict) and (said.get("crossOrigin") or "topOrigin" in said):
        raise Refused("embedded", "the passkey was asked for within a page of another site")


def _may_be_copied(kind: CredentialDeviceType) -> bool:
    return kind is CredentialDeviceType.MULTI_DEVICE


def _decode(data: bytes, kind: type[P]) -> P:
    with _refusing():
        return decoding.decode(data, kind, MAX_ANSWER_BYTES)


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn the errors of the library, also those that it does not foresee, into Refused."""
    try:
        yield
    except MalformedStatement as error:
        raise Refused("passkey-refused", f"the passkey's answer was refused: {error}") from error
    except _BROKEN as error:
        why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise Refused("passkey-refused", f"the passkey's answer was refused: {why}") from error
