"""What a release rests on: its approvals and its request, verified again at each step.

The rows of a release lie in a file that the camera's process can write to. So they
are believed only as far as the signatures in them reach: the approval must be the one
that gave the release its name, the second one another owner's of exactly the same, no
end later than theirs, the request the one that the approval names, and the requester's
card, as it is today, must still allow the upload. A share names whom it goes to, and
where, by itself. Nothing is decided here that :mod:`agent.consent.decisions.approval` has not
decided before.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    """What one owner signed, verified, as it was signed and with the key that did."""

    consent: Consent
    jws: str
    owner: PublicKey


@dataclass(frozen=True, slots=True)
class Authorization:
    """The verified statements of one release, whom it goes to, and where.

    ``request_jws`` is None for a share. ``reader`` is the fingerprint of whoever receives the
    bundle, ``seal`` their age recipient.
    """

    first: Signed
    second: Signed | None
    request_jws: str | None
    reader: str
    seal: str
    upload_url: str


class Authorizer:
    """Finds and verifies the papers of releases."""

    def __init__(
        self,
        *,
        requests: RequestTable,
        parties: Parties,
        allow_loopback_http: bool,
    ) -> None:
        self._requests = requests
        self._parties = parties
        self._allow_loopback_http = allow_loopback_http

    def of(self, case: ReleaseRow) -> Authorization:
        """The papers of ``case``; :class:`Refused` names what does not hold.

        ``unknown-requester``, ``other-approval``, ``no-agreement``, ``second-missing``,
        ``wrong-device``, ``request-gone``, ``other-request`` or ``upload-not-allowed``, or what
        :func:`agent.consent.signing.verify` refuses.
        """
        first, second = self.first(case), self._second(case)
        ends = [signed.consent.exp for signed in (first, second) if signed is not None]
        if case.expires_at > min(ends):
            raise Refused("other-approval", "the release has another end than was approved")
        if isinstance(first.consent, Share):
            return self._of_share(first, first.consent, second)
        return self._of_approval(case, first, first.consent, second)

    def first(self, case: ReleaseRow) -> Signed:
        """What the owner signed that gave ``case`` its name."""
        if signing.digest(case.approval)[:16] != case.id:
            raise Refused("other-approval", "the release is not the one that was approved")
        return self._signed(case, case.approval)

    def _second(self, case: ReleaseRow) -> Signed | None:
        if case.second:
            second = self._signed(case, case.second)
            if problem := rules.disagreement(self.first(case).consent, second.consent):
                raise Refused("no-agreement", problem)
            return second
        if self._parties.approvals_needed > 1:
            raise Refused("second-missing", "another owner has not approved the same")
        return None

    def _signed(self, case: ReleaseRow, jws: str) -> Signed:
        consent: Consent
        if case.request is None:
            consent = signing.verify(jws, Share, self._parties.owner_keys)
        else:
            consent = signing.verify(jws, Approval, self._parties.owner_keys)
        if consent.aud != self._parties.device_id:
            raise Refused("wrong-device", "the approval was given to another device")
        return Signed(consent, jws, self._parties.owner_keys[consent.iss])

    def _of_share(self, first: Signed, share: Share, second: Signed | None) -> Authorization:
        if problem := upload.form_problem(share.upload.url, self._allow_loopback_http):
            raise Refused("upload-not-allowed", problem)
        try:
            reader = PublicKey.from_text(share.recipient.key)
        except ValueError as error:
            raise Refused("bad-recipient", "the recipient's key is no key") from error
        return Authorization(
            first, second, None, reader.fingerprint, share.recipient.seal, share.upload.url
        )

    def _of_approval(
        self, case: ReleaseRow, first: Signed, approval: Approval, second: Signed | None
    ) -> Authorization:
        row = self._requests.get(case.request or "")
        if row is None:
            raise Refused("request-gone", "the request that was approved is not on record any more")
        card = self._parties.requesters.get(signing.signer(row.jws, Request))
        if card is None:
            raise Refused("unknown-requester", "the requester's card was taken away since")
        request = signing.verify(row.jws, Request, {card.fingerprint: card.key})
        if signing.digest(row.jws) != approval.request:
            raise Refused("other-request", "the request is not the one that was approved")
        if problem := upload.problem(request.upload.url, card, self._allow_loopback_http):
            raise Refused("upload-not-allowed", problem)
        return Authorization(
            first, second, row.jws, card.fingerprint, card.seal, request.upload.url
        )
