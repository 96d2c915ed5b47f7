"""Authorization of a release: its statements, verified again before each step.

The disk may have been edited or restored, so of a release's row only the signatures count:
the approval must be the one that named the release, a second approval another owner's of
exactly the same, and the request the one that the approval names. The release must not
end later than the approvals, and the requester's card must still allow the upload. A
share names its recipient and the place itself. All of this was decided before, by
:mod:`agent.consent.decisions.approval`.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from agent.consent import signing
from agent.consent.cards import PublicKey
from agent.consent.decisions import approval as rules
from agent.consent.decisions.approval import Consent
from agent.consent.policy import upload
from agent.consent.statements import Approval, Request, Share
from agent.errors import Refused
from agent.parties import Parties
from agent.vault.records.releases import ReleaseRow
from agent.vault.records.requests import RequestTable


@dataclass(frozen=True, slots=True)
class Signed:
    """A verified decision of one owner, with its text and the owner's key."""

    consent: Consent
    jws: str
    owner: PublicKey


@dataclass(frozen=True, slots=True)
class Authorization:
    """The verified statements of one release, its recipient, and the place to upload to.

    ``request_jws`` is None for a share. ``reader`` is the recipient's signing key, ``seal``
    their age recipient.
    """

    first: Signed
    second: Signed | None
    request_jws: str | None
    reader: PublicKey
    seal: str
    upload_url: str


@dataclass(frozen=True, eq=False)
class Authorizer:
    """Verifies the statements of releases."""

    _: KW_ONLY
    requests: RequestTable
    parties: Parties
    allow_loopback_http: bool

    def of(self, row: ReleaseRow) -> Authorization:
        """The authorization of ``row``; :class:`Refused` names the rule it breaks.

        ``unknown-requester``, ``other-approval``, ``no-agreement``, ``second-missing``,
        ``wrong-device``, ``request-gone``, ``other-request`` or ``upload-not-allowed``, or what
        :func:`agent.consent.signing.verify` refuses.
        """
        first, second = self.first(row), self._second(row)
        ends = [signed.consent.exp for signed in (first, second) if signed is not None]
        if row.expires_at > min(ends):
            raise Refused("other-approval", "the release ends later than was approved")
        if isinstance(first.consent, Share):
            return self._of_share(first, first.consent, second)
        return self._of_approval(row, first, first.consent, second)

    def first(self, row: ReleaseRow) -> Signed:
        """The decision that named ``row``."""
        if signing.digest(row.approval)[:16] != row.id:
            raise Refused("other-approval", "the release is not the one that was approved")
        return self._signed(row, row.approval)

    def signed(self, row: ReleaseRow) -> tuple[Signed, ...]:
        """The decisions behind ``row``, which may still wait for another owner."""
        second = (self._signed(row, row.second),) if row.second else ()
        return (self.first(row), *second)

    def _second(self, row: ReleaseRow) -> Signed | None:
        if row.second:
            second = self._signed(row, row.second)
            if problem := rules.disagreement(self.first(row).consent, second.consent):
                raise Refused("no-agreement", problem)
            return second
        if self.parties.approvals_needed > 1:
            raise Refused("second-missing", "another owner has not approved the same")
        return None

    def _signed(self, row: ReleaseRow, jws: str) -> Signed:
        owners = self.parties.owner_keys
        consent: Consent
        if row.request is None:
            consent = signing.verify(jws, Share, owners)
        else:
            consent = signing.verify(jws, Approval, owners)
        if consent.aud != self.parties.device_id:
            raise Refused("wrong-device", "the approval was given to another device")
        return Signed(consent, jws, owners[consent.iss])

    def _of_share(self, first: Signed, share: Share, second: Signed | None) -> Authorization:
        if problem := upload.form_problem(share.upload.url, self.allow_loopback_http):
            raise Refused("upload-not-allowed", problem)
        try:
            reader = PublicKey.from_text(share.recipient.key)
        except ValueError as error:
            raise Refused("bad-recipient", "the recipient's key is no key") from error
        return Authorization(first, second, None, reader, share.recipient.seal, share.upload.url)

    def _of_approval(
        self, row: ReleaseRow, first: Signed, approval: Approval, second: Signed | None
    ) -> Authorization:
        asked = self.requests.get(row.request or "")
        if asked is None:
            raise Refused("request-gone", "the approved request is no longer stored")
        card = self.parties.requesters.get(signing.signer(asked.jws, Request))
        if card is None:
            raise Refused("unknown-requester", "the requester's card was removed since")
        request = signing.verify(asked.jws, Request, {card.fingerprint: card.key})
        if signing.digest(asked.jws) != approval.request:
            raise Refused("other-request", "the request is not the one that was approved")
        if problem := upload.problem(request.upload.url, card, self.allow_loopback_http):
            raise Refused("upload-not-allowed", problem)
        return Authorization(first, second, asked.jws, card.key, card.seal, request.upload.url)
