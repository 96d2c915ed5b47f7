"""The digest of a plan: the name of exactly what a page shows before the owner decides.

It covers all that will be signed, and all that a confirmation page shows of a plan: camera,
request, clips with their edits, recipient, times, what was seen, who has the clips already. A page
puts the digest into its form; the plan that is signed must have the same one, and a passkey's
signature names it (:mod:`agent.owner.passkeys`).

A camera sends the same request anew with each change of its ledger or of the requester's record, so
of its letter only the request itself, and the warnings about it, count.

The digest is the SHA-256 of a domain name and the plan as JSON whose keys are sorted.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from agent.errors import InternalFault
from agent.owner.decisions.sign import Plan, ReleasePlan
from agent.owner.inbox.items import OpenRequest

_DOMAIN = b"clip-agent plan v2\n"


def of(*plans: Plan) -> str:
    """The digest of the ``plans`` that one page shows, in their order: 64 hexadecimal digits."""
    shown = [_release(one) if isinstance(one, ReleasePlan) else _common(one) for one in plans]
    text = msgspec.json.encode(shown, enc_hook=_plain, order="deterministic")
    return hashlib.sha256(_DOMAIN + text).hexdigest()


def _common(plan: Plan) -> dict[str, Any]:
    """The parts that are signed."""
    return {
        "device": plan.device,
        "kind": plan.kind,
        "content": plan.content,
        "until": plan.until,
        "remember": plan.remember,
    }


def _release(plan: ReleasePlan) -> dict[str, Any]:
    """The parts that are signed, and those that a page shows beside them."""
    terms, chosen = plan.terms, {clip.id for clip in plan.clips}
    return _common(plan) | {
        "to": (plan.to, plan.fingerprint, plan.url),
        "request": _request(plan.request),
        "numbers": [at for at, offer in enumerate(plan.offers) if offer.id in chosen],
        "offers": [offer for offer in plan.offers if offer.id in chosen],
        "seen": [plan.seen(clip) for clip in plan.clips],
        "released": [one for one in terms.sent_before if one.may_be_out and chosen & {*one.clips}],
        "terms": (terms.disclose, terms.now, terms.days, terms.me),
        "agreement": (plan.two_owners, plan.household, plan.joins),
    }


def _request(item: OpenRequest | None) -> tuple[object, ...]:
    if item is None:
        return ()
    log = item.report.log
    return item.digest, item.name, item.changed, item.reposts, log is not None and log.forked


def _plain(value: object) -> str:
    """The type of the statement that the plan becomes."""
    if not isinstance(value, type):
        raise InternalFault(f"a plan holds {type(value).__name__}, which has no plain form")
    return value.__name__
