"""The digest of a plan: the name of exactly what a page shows before the owner decides.

It covers all that a plan holds, so all that will be signed and all that a confirmation page can
show of it: camera, request, clips with their edits, recipient, times, what was seen. A page puts
the digest into its form; the plan that is signed must have the same one, and a passkey's signature
names it (:mod:`agent.owner.passkeys`).

The digest is the SHA-256 of a domain name and the plan as JSON whose keys are sorted.
"""

from __future__ import annotations

import hashlib

import msgspec

from agent.owner.decisions.sign import Plan

_DOMAIN = b"clip-agent plan v1\n"


def of(*plans: Plan) -> str:
    """The digest of the ``plans`` that one page shows, in their order: 64 hexadecimal digits."""
    text = msgspec.json.encode(plans, enc_hook=_plain, order="deterministic")
    return hashlib.sha256(_DOMAIN + text).hexdigest()


def _plain(value: object) -> str:
    """The type of the statement that the plan becomes."""
    if not isinstance(value, type):
        raise NotImplementedError
    return value.__name__
