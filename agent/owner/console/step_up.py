"""Step-up authentication: the passphrase again, or a passkey, for one decision.

The last page of a decision includes the template ``step_up.html`` in its form, and loads
``passkeys.js``. The form holds a hidden field ``plan`` with the digest of what the page shows
(:func:`agent.owner.decisions.digest.of`). Where the form arrives, the page calls :func:`keys_for`
with the digest of the plan that it is about to sign, computed anew::

    keys = step_up.keys_for(context, digest.of(plan))
    client.send(plan, keys)
"""

from __future__ import annotations

from agent.keyfile import Keys
from agent.owner.console.context import Context
from agent.owner.passkeys.challenges import Asker
from agent.owner.passkeys.relying_party import RelyingParty

PLAN, PASSKEY, PASSPHRASE = "plan", "passkey", "passphrase"  # fields of the form


def keys_for(context: Context, plan: str) -> Keys:
    """The owner's keys for signing the plan with this digest, by the form's passkey or passphrase.

    Raises KeyFileError for a wrong passphrase, Refused for an answer of a passkey that was given
    for something else, and ``too-many-tries``.
    """
    answer = context.field(PASSKEY)
    if answer:
        return context.console.passkeys.approve(asker(context), plan, answer.encode())
    return context.console.sessions.check(context.field(PASSPHRASE))


def asker(context: Context) -> Asker:
    """The unlocked session, at the address where its browser is."""
    return Asker(RelyingParty.of(context.origin), context.session.id)


def locked_asker(context: Context) -> Asker:
    """An admitted browser that is not unlocked."""
    return Asker(RelyingParty.of(context.origin), context.browser.id)
