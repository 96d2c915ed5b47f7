"""The gate in front of every clip: the nine rules of an approval, and those of a share.

:func:`check_approval` checks an approval, :func:`check_share` a share, which an owner sends
unasked, and :func:`disagreement` compares those of two owners who have to say the same. Each
rule is a small function that raises :class:`ApprovalRefused` with the rule's number and the name
of what is wrong; a statement that does not decode raises :class:`MalformedStatement`. The rules
that all decisions share are in :mod:`agent.consent.decisions.common`.

The letter has been opened already (:mod:`agent.consent.letters`), so it was sealed to this
device. :class:`Holdings` answers for what the device holds: nothing is read or written here.
The caller sees that the clock is synced before it asks, and in one transaction remembers the
``jti`` and acts. Keys are handed to ``key_opens`` and nowhere else; no message quotes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec
import pyrage

from agent.consent.cards import PublicKey, RequesterCard
from agent.consent.decisions.common import DecisionContext, check_decision
from agent.consent.letters import Letter
from agent.consent.policy import upload
from agent.consent.statements import Approval, ApprovedClip, Share
from agent.errors import ApprovalRefused

Consent = Approval | Share  # statements that release clips


@dataclass(frozen=True)
class HeldRequest:
    """A request as the device holds it.

    ``matches`` maps the id of each clip in the match set to the SHA-256 of its
    sealed file when it matched; ``expires_at`` is in Unix seconds.
    """

    digest: str
    is_open: bool
    expires_at: float
    requester: RequesterCard
    upload_url: str
    matches: Mapping[str, str]


class Holdings(Protocol):
    """The requests and clips that the device holds."""

    def request(self, digest: str) -> HeldRequest | None:
        """The request with this digest."""

    def digest_on_disk(self, clip_id: str) -> str | None:
        """The SHA-256 of a clip's sealed file; None if it is gone."""

    def key_opens(self, clip_id: str, identity: str) -> bool:
        """True if ``identity`` opens the clip on disk."""


def check_approval(
    letter: Letter,
    context: DecisionContext,
    holdings: Holdings,
    *,
    may_lack_keys: bool = False,
    allow_loopback_http: bool = False,
) -> Approval:
    """The approval in ``letter``, if all nine rules of an approval hold:

    1. it is signed by the key of an enrolled owner;
    2. its ``typ`` is that of an approval, and its ``aud`` is this device;
    3. its ``jti`` was never seen;
    4. it was issued and expires in the allowed span of time, and not before the time from
       which such ids are known;
    5. it names a request that the device holds, open and unexpired;
    6. every clip is in that request's match set, once, its digest unchanged;
    7. the letter brings the keys of exactly these clips, and each opens its clip; or, where
       two owners must agree (``may_lack_keys``), no key at all;
    8. the upload goes to a host that the requester's card allows;
    9. it did not arrive as a retained message.

    Checked in the order 9, 2 (``typ``), 1 to 5, 8, 6, 7: nothing in a retained
    message counts, and neither a clip is read nor a key tried before signature,
    ids and times are right.

    Raises :class:`ApprovalRefused`, or :class:`MalformedStatement`.
    """
    approval = check_decision(letter.jws, Approval, context)
    request = _held_open(holdings.request(approval.request), context.now)
    _upload_allowed(request, allow_loopback_http)
    _clips_once(approval.clips)
    _clips_matched(approval.clips, request.matches)
    _clips_unchanged(approval.clips, holdings)
    if letter.keys or not may_lack_keys:
        _keys_open(approval.clips, letter.keys, holdings)
    return approval


def check_share(
    letter: Letter,
    context: DecisionContext,
    holdings: Holdings,
    *,
    may_lack_keys: bool = False,
    allow_loopback_http: bool = False,
) -> Share:
    """The share in ``letter``, if the rules of an approval hold as far as they concern it.

    It answers no request, so rule 5 does not apply; rule 6 demands of every clip that it is
    held, and named once with the digest it has; and rule 8 that the recipient's keys are
    keys and the upload goes to a plain https URL, on the host that the owner signed.

    Raises :class:`ApprovalRefused`, or :class:`MalformedStatement`.
    """
    share = check_decision(letter.jws, Share, context)
    _recipient_usable(share, allow_loopback_http)
    _clips_once(share.clips)
    _clips_unchanged(share.clips, holdings)
    if letter.keys or not may_lack_keys:
        _keys_open(share.clips, letter.keys, holdings)
    return share


def same_content(first: Consent, second: Consent) -> bool:
    """True if both let exactly the same leave; signer, times and order of clips may differ."""
    return type(first) is type(second) and _content(first) == _content(second)


def disagreement(first: Consent, second: Consent) -> str:
    """The reason why these are not two owners who approve the same; empty if they are."""
    if first.iss == second.iss:
        return "both are by the same owner"
    if not same_content(first, second):
        return "the two owners approved different things"
    return ""


def _content(consent: Consent) -> Consent:
    clips = tuple(sorted(consent.clips, key=lambda clip: clip.id))
    return msgspec.structs.replace(consent, iss="", jti="", iat=0, exp=0, clips=clips)


def _held_open(request: HeldRequest | None, now: float) -> HeldRequest:
    """Rule 5: the request that the owner read is one we hold, and can be answered."""
    if request is None:
        raise ApprovalRefused(5, "unknown-request", "it names a request that is not held here")
    if not request.is_open:
        raise ApprovalRefused(5, "request-closed", "it names a request that is closed")
    if request.expires_at <= now:
        raise ApprovalRefused(5, "request-expired", "it names a request that has expired")
    return request


def _clips_once(clips: tuple[ApprovedClip, ...]) -> None:
    """Rule 6: no clip is named twice, once redacted and once not."""
    ids = [clip.id for clip in clips]
    for clip in ids:
        if ids.count(clip) > 1:
            raise ApprovalRefused(6, "clip-twice", f"it names the clip {clip} twice")


def _clips_matched(clips: tuple[ApprovedClip, ...], matches: Mapping[str, str]) -> None:
    """Rule 6, by what is known: each clip was matched, with this digest."""
    for clip in clips:
        if clip.id not in matches:
            raise ApprovalRefused(
                6, "clip-not-matched", f"the clip {clip.id} does not belong to the request"
            )
        if clip.sha256 != matches[clip.id]:
            raise ApprovalRefused(
                6, "wrong-digest", f"the clip {clip.id} is approved with another digest"
            )


def _clips_unchanged(clips: tuple[ApprovedClip, ...], holdings: Holdings) -> None:
    """Rule 6, by what is on the disk: each clip is there and is what was matched."""
    for clip in clips:
        found = holdings.digest_on_disk(clip.id)
        if found is None:
            raise ApprovalRefused(6, "clip-gone", f"the clip {clip.id} is no longer kept")
        if found != clip.sha256:
            raise ApprovalRefused(6, "clip-changed", f"the clip {clip.id} was changed on disk")


def _keys_open(
    clips: tuple[ApprovedClip, ...], keys: Mapping[str, str], holdings: Holdings
) -> None:
    """Rule 7: the letter carries the keys, all that are needed and no others."""
    approved = {clip.id for clip in clips}
    for clip_id in sorted(approved - keys.keys()):
        raise ApprovalRefused(7, "key-missing", f"there is no key for the clip {clip_id}")
    for clip_id in sorted(keys.keys() - approved):
        why = f"there is a key for the clip {clip_id}, which is not approved"
        raise ApprovalRefused(7, "key-surplus", why)
    for clip in clips:
        if not holdings.key_opens(clip.id, keys[clip.id]):
            why = f"the key for the clip {clip.id} does not open it"
            raise ApprovalRefused(7, "wrong-key", why)


def _upload_allowed(request: HeldRequest, allow_loopback_http: bool) -> None:
    """Rule 8, by the card as it is now: it may have changed since the request was admitted."""
    problem = upload.problem(request.upload_url, request.requester, allow_loopback_http)
    if problem:
        raise ApprovalRefused(8, "upload-not-allowed", problem)


def _recipient_usable(share: Share, allow_loopback_http: bool) -> None:
    """Rule 8 of a share: the recipient's keys are keys, and the upload goes to a plain URL."""
    try:
        PublicKey.from_text(share.recipient.key)
        pyrage.x25519.Recipient.from_str(share.recipient.seal)
    except (ValueError, pyrage.RecipientError) as error:
        raise ApprovalRefused(8, "bad-recipient", "the recipient's keys are no keys") from error
    if problem := upload.form_problem(share.upload.url, allow_loopback_http):
        raise ApprovalRefused(8, "upload-not-allowed", problem)
