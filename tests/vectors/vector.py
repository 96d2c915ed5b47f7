"""A vector: a JSON object, complete except for the keys and cards in ``world.json``.

- ``about``    what it is; in ``hostile/``, the attack
- ``check``    what must judge it:

  - ``statement``  verify it as ``typ``
  - ``policy``, ``alert``  verify it as a request, or as an alert, and judge it
  - ``letter``     open it
  - ``approval``, ``share``  an opened letter: the nine rules
  - ``decision``   a JWS of ``typ``: the rules that hold for every decision
  - ``proof``      ``{entry, proof}``: is the entry public?
  - ``link``       the text of a link between two states of the log
  - ``card``, ``log-key``    a file or a key that a person wrote down
  - ``gateway``    no input, but ``steps``: a whole gateway lives through them
                   (:mod:`tests.vectors.play`)

- ``input``    a compact JWS; for a letter its bytes in base64; for others as above. A list
               instead of a text is the text in parts: ``[part, times]`` stands for a part
               that is repeated
- ``context``  what differs from ``world.json``: ``history``, ``retained``,
               ``seen``, ``request`` (what the device holds of it), ``disk`` (clip id to
               the id of the clip that lies in its place, or null), ``log`` (what was
               learnt from it before, and how many witnesses are needed)
- ``rule``     the rule that must refuse it, and ``number`` that of an approval's rule;
               absent where nothing may refuse it. ``ConfigError`` stands for the refusal of
               a file, and ``says`` for a part of its message; ``not-ours`` for a message that
               the gateway lets lie, without a line and without an answer; ``waits`` for one
               that it keeps until it knows the time
- ``uploads``, ``letters``, ``notices``, ``state``   of a gateway's vector: how many bundles
               have arrived in the end (none, if not said), how many letters lie in the inbox,
               how many notices there are, and what became of the first request
"""

from __future__ import annotations

import base64
from typing import Any

from agent.consent.letters import Letter
from agent.consent.statements import Command, Decline, Request
from tests.consent import world

Vector = dict[str, Any]
Named = tuple[str, Vector]
Parts = list[str | tuple[str, int]]


def statement(about: str, compact: str | Parts, typ: str = Request.TYP, **rule: str) -> Vector:
    """A vector to verify as a statement of ``typ``."""
    return {"about": about, "check": "statement", "typ": typ, "input": compact, **rule}


def policy(about: str, request: Request | None = None, **more: Any) -> Vector:
    """A vector to judge by the default policy."""
    compact = world.REQUESTER.sign(request or world.request())
    return {"about": about, "check": "policy", "typ": Request.TYP, "input": compact, **more}


def approval(about: str, letter: Letter, check: str = "approval", **more: Any) -> Vector:
    """A vector to judge by the nine rules, those of an approval or those of a ``share``."""
    opened = {"jws": letter.jws, "keys": dict(letter.keys)}
    return {"about": about, "check": check, "input": opened, **more}


def decision(about: str, compact: str, kind: type[Decline | Command], **more: Any) -> Vector:
    """A vector to judge by the rules of every decision."""
    return {"about": about, "check": "decision", "typ": kind.TYP, "input": compact, **more}


def letter(about: str, sealed: bytes, **rule: str) -> Vector:
    """A vector to open as a letter to the device."""
    text = base64.b64encode(sealed).decode("ascii")
    return {"about": about, "check": "letter", "input": text, **rule}


def proof(about: str, entry: bytes, text: str, **more: Any) -> Vector:
    """A post, and the lines after it that are to show that it is public."""
    given = {"entry": entry.decode("ascii"), "proof": text}
    return {"about": about, "check": "proof", "input": given, **more}


def link(about: str, text: str, **more: Any) -> Vector:
    """A link between two states of the log."""
    return {"about": about, "check": "link", "input": text, **more}


def written(about: str, check: str, text: str, says: str = "") -> Vector:
    """A card or a key in a file that a person wrote, or was made to; refused if it ``says`` why."""
    refusal = {"rule": "ConfigError", "says": says} if says else {}
    return {"about": about, "check": check, "input": text, **refusal}


def played(about: str, *steps: Vector, **more: Any) -> Vector:
    """Events at a gateway, step by step."""
    return {"about": about, "check": "gateway", "steps": list(steps), **more}
