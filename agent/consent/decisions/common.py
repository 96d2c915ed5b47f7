"""The rules that every decision of an owner must satisfy.

:func:`check_decision` checks rules 1 to 4 and 9 of an approval, by their numbers in
:mod:`agent.consent.decisions.approval`. Declines and commands bring no keys and name
no upload, so these are all of their rules; approvals and shares have more.

Each rule is a small function that raises :class:`ApprovalRefused` with the rule's
number and the name of what is wrong; a statement that does not decode raises
:class:`MalformedStatement`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from agent.consent import signing
from agent.consent.cards import PublicKey
from agent.consent.statements import Approval, Command, Decline, Share
from agent.errors import ApprovalRefused, MalformedStatement, UntrustedSignature

MAX_SKEW_SECONDS = 300  # by which an owner's clock may be ahead of the device's
# A decision waits for a camera that is off or offline, yet not for ever: a week, as long as
# a request may be open by default.
MAX_LIFE_SECONDS = 7 * 86_400

RETAINED: Final = "retained"  # the name of rule 9

D = TypeVar("D", Approval, Share, Decline, Command)

_Decision = Approval | Share | Decline | Command


@dataclass(frozen=True)
class DecisionContext:
    """The circumstances in which a decision arrives.

    ``owners`` maps fingerprints to keys; ``device_id`` is this device's fingerprint; ``now``
    comes from a synced clock, in Unix seconds. ``seen`` says of a ``jti`` that it was acted on
    since the time ``since``; ``retained`` says that the message was a retained one.
    """

    owners: Mapping[str, PublicKey]
    device_id: str
    now: float
    since: float
    seen: Callable[[str], bool]
    retained: bool


def check_decision(jws: str, kind: type[D], context: DecisionContext) -> D:
    """The owner's decision in ``jws``, if rules 1 to 4 and 9 of an approval hold.

    Raises :class:`ApprovalRefused`, or :class:`MalformedStatement`.
    """
    _not_retained(context.retained)
    decision = _signed_by_owner(jws, kind, context.owners)
    _for_this_device(decision, context.device_id)
    _never_seen(decision, context.seen)
    _in_time(decision, context.now, context.since)
    return decision


def _signed_by_owner(jws: str, kind: type[D], owners: Mapping[str, PublicKey]) -> D:
    """Rule 1, and of rule 2 the ``typ``: decoding needs to know it first."""
    try:
        return signing.verify(jws, kind, owners)
    except UntrustedSignature as error:
        raise ApprovalRefused(1, error.rule, error.message) from error
    except MalformedStatement as error:
        if error.rule != "wrong-typ":
            raise
        raise ApprovalRefused(2, error.rule, error.message) from error


def _for_this_device(decision: _Decision, device_id: str) -> None:
    """Rule 2: it is addressed to this device."""
    if decision.aud != device_id:
        raise ApprovalRefused(2, "wrong-device", "it is addressed to another device")


def _never_seen(decision: _Decision, seen: Callable[[str], bool]) -> None:
    """Rule 3: it was not acted on before."""
    if seen(decision.jti):
        raise ApprovalRefused(3, "replayed", "it was acted on already")


def _in_time(decision: _Decision, now: float, since: float) -> None:
    """Rule 4: it holds now, not for long, and its ``jti`` would be known if it had been used."""
    if decision.iat > now + MAX_SKEW_SECONDS:
        raise ApprovalRefused(4, "issued-in-future", "it was issued in the future")
    if decision.exp <= max(now, decision.iat):
        raise ApprovalRefused(4, "expired", "it has expired")
    if decision.exp - decision.iat > MAX_LIFE_SECONDS:
        raise ApprovalRefused(4, "lives-too-long", "it is to hold for more than 7 days")
    if decision.iat < int(since):
        why = "it was issued before this ledger began, so it may have been acted on or revoked"
        raise ApprovalRefused(4, "before-the-ledger", why)


def _not_retained(retained: bool) -> None:
    """Rule 9: a broker that keeps a decision could bring it back at any time."""
    if retained:
        raise ApprovalRefused(9, RETAINED, "it arrived as a retained message")
