"""Another camera's broker: get a login there under the code that it shows."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from agent import tls
from agent.consent.cards import DeviceCard, format_card
from agent.errors import Refused
from agent.mqtt.link import MqttLink, Settings
from agent.mqtt.session import Session
from agent.pairing import meeting
from agent.pairing.code import PairingCode
from agent.pairing.knock import knock
from agent.pairing.messages import BrokerLogin, Introduction, Offer

_COMPUTER: Final = "0" * 16  # a camera is one computer
_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Joined:
    """A login at another camera's broker, which was tried, and the certificate to trust."""

    login: BrokerLogin
    ca: str | None


def join(
    card: DeviceCard, code: PairingCode, host: str, port: int, *, is_encrypted: bool
) -> Joined:
    """Meet the camera that shows ``code`` at ``host``; raises what :func:`knock` raises."""
    broker = Settings(
        client_id="",
        host=host,
        port=port,
        username=meeting.USERNAME,
        password=meeting.PASSWORD,
        tls=tls.trusting_anybody() if is_encrypted else None,
    )

    def store(offer: Offer) -> Joined:
        if offer.login is None:
            raise Refused("no-login", "the other camera offers no login at its broker")
        context = None
        if is_encrypted:
            context = tls.trusting(None) if offer.ca is None else tls.trusting_text(offer.ca)
        own = Settings(
            client_id=f"clip-setup-{secrets.token_hex(6)}",
            host=host,
            port=port,
            username=offer.login.username,
            password=offer.login.password,
            tls=context,
        )
        with Session(MqttLink(own), seconds=_SECONDS):
            return Joined(offer.login, offer.ca)

    introduction = Introduction(card=format_card(card), computer=_COMPUTER)
    return knock(code, broker, introduction, store)
