"""Faults that last: each is told only when it has lasted, and so is its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(eq=False)
class Faults:
    """The faults of one camera, or of the broker. ``patience_seconds``: the time to last.

    A camera that comes and goes is told when it has stayed away for that time, and again when
    it has been back for as long.
    """

    patience_seconds: float
    _since: dict[str, tuple[bool, float]] = field(default_factory=dict)  # by kind; monotonic

    def note(self, kinds: Iterable[str], present: Iterable[str], now: float) -> None:
        """Note which of ``kinds`` are ``present``; nothing is known of other kinds."""
        here = set(present)
        for kind in kinds:
            known = self._since.get(kind)
            if known is None or known[0] != (kind in here):
                self._since[kind] = (kind in here, now)

    def pause(self, seconds: float) -> None:
        """Count the last ``seconds`` for nothing: nobody could see what was there."""
        self._since = {kind: (here, at + seconds) for kind, (here, at) in self._since.items()}

    def forget(self, kinds: Iterable[str]) -> None:
        """Begin anew with ``kinds``: they cannot be seen."""
        for kind in kinds:
            self._since.pop(kind, None)

    def lasting(self, *, present: bool, now: float) -> list[str]:
        """The kinds that have been ``present``, or gone, for long enough."""
        return [
            kind
            for kind, (here, since) in self._since.items()
            if here == present and now - since >= self.patience_seconds
        ]
