"""``homeassistant:`` in ``agent.yaml``: entities of this camera in Home Assistant, by MQTT."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from agent.config.base import Section, doc

Subject = Literal["motion", "armed", "requests"]


class HomeAssistant(Section, frozen=True):
    """Entities in Home Assistant, by device discovery on the owner's broker (config/homeassistant).

    The broker and all its readers see what Home Assistant is told.
    """

    discovery_prefix: Annotated[
        str,
        doc(
            "Topic prefix of Home Assistant's discovery.",
            pattern=r"\A[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,3}\Z",
        ),
    ] = "homeassistant"
    tells: Annotated[
        tuple[Subject, ...],
        doc(
            "Facts that are told beside health and space: motion, armed, requests (how many match,"
            " until when, and what becomes of them). []: none of them."
        ),
    ] = ("motion", "armed", "requests")
    may_arm: Annotated[
        bool,
        doc(
            "true: a switch in Home Assistant arms and disarms where no owner has done so. Whoever"
            " may write its topic can, and so could a gateway that was taken over."
        ),
    ] = False
    url: Annotated[
        Annotated[str, Meta(pattern=r"\Ahttps?://[!-~]{1,200}\Z")] | None,
        doc("Address of the owner's console, to which notifications lead. null: none."),
    ] = None

    def __post_init__(self) -> None:
        """Refuse a switch whose position nobody may see."""
        if self.may_arm and "armed" not in self.tells:
            raise ValueError("may_arm: true needs `armed` in `tells`, or the switch shows nothing")
