"""What a release rests on: its approval and its request, verified again at each step.

The rows of a release lie in a file that the camera's process can write to. So they
are believed only as far as the signatures in them reach: the approval must be the one
that gave the release its name and its end, the request the one that the approval
names, and the requester's card, as it is today, must still allow the upload. Nothing
is decided here that :mod:`agent.consent.approval` has not decided before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.consent import signing, upload
from agent.consent.signing import PublicKey, RequesterCard
from agent.consent.statements import Approval, Request
from agent.errors import InternalFault, Refused
from agent.vault.cases import Cases, ReleaseCase


@dataclass(frozen=True, slots=True)
class Papers:
    """The verified statements of one release, and whose they are."""

    approval: Approval
    request: Request
    request_jws: str
    owner: PublicKey
    requester: RequesterCard


class PaperTrail:
    """Finds and verifies the papers of releases."""

    def __init__(
        self,
        *,
        cases: Cases,
        owners: Mapping[str, PublicKey],
        requesters: Mapping[str, RequesterCard],
        allow_loopback_http: bool,
    ) -> None:
        self._cases = cases
        self._owners = owners
        self._requesters = requesters
        self._allow_loopback_http = allow_loopback_http

    def of(self, case: ReleaseCase) -> Papers:
        """The papers of ``case``; :class:`Refused` names what does not hold.

        ``unknown-requester``, ``other-approval``, ``other-request`` or
        ``upload-not-allowed``, or what :func:`agent.consent.signing.verify` refuses.
        """
        row = self._cases.request(case.request or "")
        if row is None:
            raise InternalFault(f"release {case.id} has no request")
        card = self._requesters.get(signing.signer_id(row.jws, Request))
        if card is None:
            raise Refused("unknown-requester", "the requester's card was taken away since")
        approval = signing.verify(case.approval, Approval, self._owners)
        request = signing.verify(row.jws, Request, {card.id: card.key})
        if signing.digest(case.approval)[:16] != case.id or case.expires_at > approval.exp:
            raise Refused("other-approval", "the release is not the one that was approved")
        if signing.digest(row.jws) != approval.request:
            raise Refused("other-request", "the request is not the one that was approved")
        if problem := upload.problem(request.upload.url, card, self._allow_loopback_http):
            raise Refused("upload-not-allowed", problem)
        return Papers(approval, request, row.jws, self._owners[approval.iss], card)
