"""Chromium's virtual authenticator: a phone's fingerprint reader for tests.

>>> finger = Authenticator.plugged_in(visitor)
>>> finger.verifies(False)     # the wrong finger

See https://chromedevtools.github.io/devtools-protocol/tot/WebAuthn/. Passkeys need the page on
``http://localhost``, since an address is no relying party.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import CDPSession

from tests.browser.chromium import Visitor


@dataclass(frozen=True)
class Authenticator:
    """An authenticator of CTAP 2.1 with user verification and the extension prf."""

    devtools: CDPSession
    id: str

    @classmethod
    def plugged_in(cls, visitor: Visitor, *, prf: bool = True) -> Authenticator:
        """Give the visitor's page an authenticator whose user is always verified."""
        devtools = visitor.context.new_cdp_session(visitor.page)
        devtools.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "ctap2Version": "ctap2_1",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
            "hasPrf": prf,
        }
        made = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return cls(devtools, made["authenticatorId"])

    def verifies(self, verified: bool) -> None:
        """Say whether the next finger is the right one."""
        about = {"authenticatorId": self.id, "isUserVerified": verified}
        self.devtools.send("WebAuthn.setUserVerified", about)

    def credentials(self) -> list[dict[str, Any]]:
        """The passkeys that it holds, with ``signCount``."""
        about = {"authenticatorId": self.id}
        return list(self.devtools.send("WebAuthn.getCredentials", about)["credentials"])

    def remove(self) -> None:
        """Unplug it."""
        self.devtools.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": self.id})
