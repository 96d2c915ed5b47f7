"""Whether an owner's decision may be acted on at all: what every decision has to keep.

:func:`check_decision` asks rules 1 to 4 and 9 of an approval, by their numbers in
:mod:`agent.consent.decisions.approval`. For declines and commands, which bring no keys and name
no upload, that is all; what an approval or a share has to keep beside is there.

Each rule is a small function that raises :class:`ApprovalRefused` with the rule's
number and the name of what is wrong; what does not even decode raises
:class:`MalformedStatement`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


def check_decision(
    jws: str,
    kind: type[D],
    *,
    retained: bool,
    owners: Mapping[str, PublicKey],
    device_id: str,
    now: float,
    seen: Callable[[str], bool],
    since: float,
) -> D:
    """The owner's decision in ``jws``, if rules 1 to 4 and 9 of an approval hold.

    Arguments and errors are those of :func:`agent.consent.decisions.approval.check_approval`.
    """
    _not_retained(retained)
    decision = _signed_by_owner(jws, kind, owners)
    _for_this_device(decision, device_id)
    _never_seen(decision, seen)
    _in_time(decision, now, since)
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
    """Rule 4: it holds now, does not hold for long, and what was done with it is on record."""
    if decision.iat > now + MAX_SKEW_SECONDS:
        raise ApprovalRefused(4, "issued-in-future", "it was issued in the future")
    if decision.exp <= max(now, decision.iat):
        raise ApprovalRefused(4, "expired", "it has expired")
    if decision.exp - decision.iat > MAX_LIFE_SECONDS:
        raise ApprovalRefused(4, "lives-too-long", "it is to hold for more than 7 days")
    if decision.iat < int(since):
        why = "it was issued before this record began, so it may have been acted on or revoked"
        raise ApprovalRefused(4, "before-the-ledger", why)


def _not_retained(retained: bool) -> None:
    """Rule 9: a broker that keeps a decision could bring it back at any time."""
    if retained:
        raise ApprovalRefused(9, RETAINED, "it arrived as a retained message")
