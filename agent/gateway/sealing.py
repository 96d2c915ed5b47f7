"""The contents of a bundle: approved clips, opened, prepared, and signed for.

Each approved clip is opened with the key that its approval brought, in memory,
cut and blurred as the owner said, and written straight into the bundle, which is
sealed to the requester as it grows: plaintext never touches the disk, and at most
one clip is in memory. ``release.jws`` comes last, since it names the digest of
everything else. How a bag, a tar and an age file are made is for :mod:`.bundle`,
how a video is prepared for :mod:`.media`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from agent.consent import signing
from agent.consent.signing import PublicKey, RequesterCard
from agent.consent.statements import (
    Approval,
    ApprovedClip,
    BundledFile,
    Release,
    ReleasedClip,
    SignerKeys,
)
from agent.errors import ClipDamaged
from agent.gateway import bundle, media
from agent.gateway.bundle import SealedBundle
from agent.gateway.keys import DeviceKeys
from agent.vault import seal
from agent.vault.clips import ClipStore
from agent.vault.index import Index


class Sealer:
    """Makes bundles in the device's name."""

    def __init__(
        self,
        *,
        index: Index,
        store: ClipStore,
        keys: DeviceKeys,
        random: Callable[[int], bytes],
    ) -> None:
        self._index = index
        self._store = store
        self._keys = keys
        self._random = random
