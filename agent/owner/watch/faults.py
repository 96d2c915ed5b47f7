"""Lasting faults: a fault is told once it has lasted for some time, and so is its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(eq=False)
class Faults:
    """Faults of one camera, or of the broker, that are told after ``patience_seconds``.

    A camera that comes and goes is told after it was away for that time without a break, and again
    after it was back for as long.
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
        """Leave the last ``seconds`` out: faults could not be seen in them."""
        self._since = {kind: (here, at + seconds) for kind, (here, at) in self._since.items()}

    def forget(self, kinds: Iterable[str]) -> None:
        """Forget ``kinds``, which cannot be seen now."""
        for kind in kinds:
            self._since.pop(kind, None)

    def lasting(self, *, present: bool, now: float) -> list[str]:
        """The kinds that have been ``present``, or gone, for long enough."""
        return [
            kind
            for kind, (here, since) in self._since.items()
            if here == present and now - since >= self.patience_seconds
        ]
