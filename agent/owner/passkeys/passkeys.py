"""Enrol, unlock, approve and remove: all that an owner does with passkeys.

>>> options = passkeys.begin_approval(asker, digest.of(plan))     # for the browser
>>> keys = passkeys.approve(asker, digest.of(plan), answer)       # what the browser sent

Enrolling takes two answers. The first makes the credential; the second opens nothing yet, and
gives the secret in the very way in which it will be given later. Browsers exist whose
authenticators give another secret when they make a credential.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from agent.clock import Clock
from agent.consent.cards import encode_base64url
from agent.errors import Refused
from agent.keyfile import Keys
from agent.owner.home.folder import OwnerFolder
from agent.owner.passkeys import webauthn_rules as rules
from agent.owner.passkeys import wrap
from agent.owner.passkeys.challenges import Asker, Challenges, Purpose
from agent.owner.passkeys.record import MAX_NAME_CHARACTERS, SALT_BYTES, Passkey
from agent.owner.passkeys.store import MOST_PASSKEYS, Enrolled, PasskeyStore

Options = dict[str, Any]


@dataclass(frozen=True)
class _Draft:
    """A passkey on its way: its name, and all else once the credential was made."""

    name: str
    passkey: Passkey | None = None


class Passkeys:
    """The passkeys of the owner whose ``folder`` this is."""

    def __init__(
        self,
        folder: OwnerFolder,
        clock: Clock,
        *,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._random = random
        self._store = PasskeyStore(folder)
        self._challenges = Challenges[_Draft | None](clock, random=random)

    def enrolled(self) -> Enrolled:
        """All passkeys."""
        return self._store.enrolled()

    def remove(self, passkey_id: str) -> None:
        """Delete the file of a passkey, so that it opens nothing here any more."""
        self._store.remove(passkey_id)

    # Enrol

    def begin_enrolment(self, asker: Asker, name: str) -> Options:
        """The options by which a browser makes a credential named ``name``."""
        name = " ".join(name.split())[:MAX_NAME_CHARACTERS] or "passkey"
        known = self.enrolled()
        if len(known.passkeys) >= MOST_PASSKEYS:
            raise Refused("too-many-passkeys", f"there are {MOST_PASSKEYS} passkeys already")
        challenge = self._challenges.ask(asker, "enrol", _Draft(name))
        card = self._folder.card()
        return rules.creation_options(
            asker.party,
            challenge,
            owner=card.fingerprint,
            name=card.name,
            known=known.at(asker.party.id),
        )

    def confirm_enrolment(self, asker: Asker, answer: bytes) -> Options:
        """Take the new credential; the options by which the browser then asks for its secret."""
        challenge, draft = self._challenges.take(asker, "enrol")
        made = rules.registration(answer, challenge, asker.party)
        if draft is None or any(one.credential == made.id for one in self.enrolled().passkeys):
            raise Refused("passkey-refused", "this passkey is enrolled already")
        now = int(self._clock.now())
        passkey = Passkey(
            version=1,
            credential=made.id,
            name=draft.name,
            rp_id=asker.party.id,
            owner=self._folder.card().fingerprint,
            public_key=made.public_key,
            salt=encode_base64url(self._random(SALT_BYTES)),
            sign_count=made.sign_count,
            backup_eligible=made.backup_eligible,
            backed_up=made.backed_up,
            made_at=now,
            used_at=now,
        )
        challenge = self._challenges.ask(asker, "confirm", _Draft(draft.name, passkey))
        return rules.request_options(asker.party, challenge, {passkey.credential: passkey.salt})

    def finish_enrolment(self, asker: Asker, answer: bytes, keys: Keys) -> Passkey:
        """Wrap ``keys`` under the secret of the new passkey, and keep it."""
        challenge, draft = self._challenges.take(asker, "confirm")
        said = rules.parse_assertion(answer)
        if draft is None or draft.passkey is None or draft.passkey.credential != said.id:
            raise Refused("passkey-refused", "another passkey answered than the new one")
        use, secret = rules.assertion(said, challenge, asker.party, draft.passkey)
        passkey = self._used(draft.passkey, use)
        self._folder.check_keys(keys)
        with self._store.locked():
            self._store.write(wrap.seal(passkey, keys, secret, random=self._random))
        return passkey

    # Use

    def begin_unlock(self, asker: Asker) -> Options:
        """The options by which a browser asks a passkey to unlock."""
        return self._begin(asker, "unlock", "")

    def unlock(self, asker: Asker, answer: bytes) -> Keys:
        """The owner's keys for an answer to :meth:`begin_unlock`."""
        return self._open(asker, "unlock", "", answer)

    def begin_approval(self, asker: Asker, plan: str) -> Options:
        """The options by which a browser asks a passkey to sign the digest of a plan."""
        return self._begin(asker, "approve", plan)

    def approve(self, asker: Asker, plan: str, answer: bytes) -> Keys:
        """The owner's keys for signing the plan with this digest, and for nothing else."""
        return self._open(asker, "approve", plan, answer)

    def _begin(self, asker: Asker, purpose: Purpose, subject: str) -> Options:
        salts = {one.credential: one.salt for one in self.enrolled().at(asker.party.id)}
        if not salts:
            raise Refused(
                "no-passkey",
                f"no passkey is enrolled for {asker.party.id}",
                advice="Unlock with the passphrase, and enrol one in the settings",
            )
        challenge = self._challenges.ask(asker, purpose, None, subject=subject)
        return rules.request_options(asker.party, challenge, salts)

    def _open(self, asker: Asker, purpose: Purpose, subject: str, answer: bytes) -> Keys:
        challenge, _ = self._challenges.take(asker, purpose, subject=subject)
        said = rules.parse_assertion(answer)
        with self._store.locked():
            record = self._store.find(said.id)
            use, secret = rules.assertion(said, challenge, asker.party, record.passkey)
            keys = wrap.open_keys(record, secret)
            passkey = self._used(record.passkey, use)
            self._store.write(wrap.seal(passkey, keys, secret, random=self._random))
        self._folder.check_keys(keys)
        return keys

    def _used(self, passkey: Passkey, use: rules.Use) -> Passkey:
        now = int(self._clock.now())
        return msgspec.structs.replace(
            passkey, sign_count=use.sign_count, backed_up=use.backed_up, used_at=now
        )
