"""The site that a passkey belongs to, in WebAuthn's words the relying party.

Its id is the host of the console's address: ``localhost`` at home, the household's name behind
HTTPS. Browsers use a passkey at its own host only, and at no IP address (Web Authentication
Level 3, section 5.1.2).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from agent.errors import Refused

LOCALHOST = "localhost"


@dataclass(frozen=True)
class RelyingParty:
    """``origin`` is an address of the console without a path, ``id`` its host."""

    id: str
    origin: str

    @classmethod
    def of(cls, origin: str) -> Self:
        """The relying party of an origin; Refused ``no-passkeys-here`` if browsers allow none."""
        parts = urlsplit(origin)
        host = (parts.hostname or "").rstrip(".")
        if _is_address(host):
            port = f":{parts.port}" if parts.port else ""
            raise Refused(
                "no-passkeys-here",
                f"browsers use no passkey at {host}",
                advice=f"Open the console at http://{LOCALHOST}{port} or by its HTTPS name",
            )
        if parts.scheme != "https" and host != LOCALHOST:
            raise Refused("no-passkeys-here", "browsers use passkeys over HTTPS only")
        return cls(host, origin)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return not host
    return True
