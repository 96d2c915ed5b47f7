"""Pairing codes: nine digits, of which three name the channel and six are secret."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Final

from agent.errors import Refused

CODE_SECONDS: Final = 600.0  # a code lives so long

_CHANNEL_DIGITS: Final = 3
_DIGITS: Final = 9


@dataclass(frozen=True)
class PairingCode:
    """A code such as 417-062-913. ``channel`` is public; ``secret`` is worth one guess."""

    channel: str
    secret: str = field(repr=False)

    @classmethod
    def generate(cls) -> PairingCode:
        """A new code from the system's random source."""
        digits = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}d}"
        return cls(digits[:_CHANNEL_DIGITS], digits[_CHANNEL_DIGITS:])

    @classmethod
    def parse(cls, text: str) -> PairingCode:
        """The code that somebody typed; spaces and hyphens do not count. Raises Refused."""
        digits = re.sub(r"[\s-]", "", text)
        if not re.fullmatch(f"[0-9]{{{_DIGITS}}}", digits):
            raise Refused(
                "not-a-code",
                f"{text!r} is not a pairing code",
                advice=f"Type the {_DIGITS} digits that the device shows, such as 417-062-913",
            )
        return cls(digits[:_CHANNEL_DIGITS], digits[_CHANNEL_DIGITS:])

    def __str__(self) -> str:
        return f"{self.channel}-{self.secret[:3]}-{self.secret[3:]}"
