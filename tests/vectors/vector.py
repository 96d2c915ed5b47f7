"""What a vector is: a JSON object, complete but for the keys and papers in ``world.json``.

- ``about``    what it is; in ``hostile/``, the attack
- ``check``    what must judge it: ``statement`` (verify it as ``typ``), ``policy``
               (verify it as a request and judge it), ``letter`` (open it), ``approval``
               (the nine rules)
- ``input``    a compact JWS; for a letter its bytes in base64; for an approval the
               opened letter
- ``context``  what differs from ``world.json``: ``history``, ``retained``,
               ``seen``, ``request`` (what the device holds of it), ``disk`` (clip id to
               the id of the clip that lies in its place, or null)
- ``rule``     the rule that must refuse it, and ``number`` that of an approval's rule;
               absent where nothing may refuse it
"""

from __future__ import annotations

import base64
from typing import Any

from agent.consent.mail import Letter
from agent.consent.statements import Request
from tests.consent import world

Vector = dict[str, Any]
Named = tuple[str, Vector]


def statement(about: str, compact: str, typ: str = Request.TYP, **rule: str) -> Vector:
    """A vector to verify as a statement of ``typ``."""
    return {"about": about, "check": "statement", "typ": typ, "input": compact, **rule}


def policy(about: str, request: Request | None = None, **more: Any) -> Vector:
    """A vector to judge by the default policy."""
    compact = world.REQUESTER.sign(request or world.request())
    return {"about": about, "check": "policy", "typ": Request.TYP, "input": compact, **more}


def approval(about: str, letter: Letter, **more: Any) -> Vector:
    """A vector to judge by the nine rules."""
    opened = {"jws": letter.jws, "keys": dict(letter.keys)}
    return {"about": about, "check": "approval", "input": opened, **more}


def letter(about: str, sealed: bytes, **rule: str) -> Vector:
    """A vector to open as a letter to the device."""
    text = base64.b64encode(sealed).decode("ascii")
    return {"about": about, "check": "letter", "input": text, **rule}
