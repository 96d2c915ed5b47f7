"""Comparison of the owners' cards with the keys that the running camera seals to.

The camera reads the cards when it starts. After a change of ``owners:`` it seals new clips to
the owners of before until it is restarted.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.cli.as_owner import owner_of
from agent.config import Config
from agent.consent.cards import OwnerCard
from agent.errors import StorageFault
from agent.parties import recipients
from agent.vault import camera_state
from agent.vault.camera_state import CameraState
from agent.vault.database import index
from agent.vault.locks import is_camera_at_work


def running_camera(config: Config) -> CameraState | None:
    """The state of the camera that runs; None if none does, or the disk does not say."""
    try:
        with owner_of(index.path_of(config.state_dir).parent):
            said = camera_state.read(config.state_dir)
            running = is_camera_at_work(config.state_dir)
    except StorageFault:
        return None  # what else looks at the disk says so
    return said if running else None


def complaint(config: Config, owners: Sequence[OwnerCard]) -> str:
    """The difference, in a sentence; empty if there is none or no camera runs."""
    said = running_camera(config)
    if said is None:
        return ""
    sealed, wanted = set(said.seals_to), set(recipients(owners))
    lacking = [card.name for card in owners if not {card.seal, card.recovery} <= sealed]
    wrong = []
    if unknown := len(sealed - wanted):
        wrong.append(f"still seals to {unknown} {'key' if unknown == 1 else 'keys'} of no owner")
    if lacking:
        wrong.append(f"does not yet seal to {' and '.join(lacking)}")
    return f"the running camera {' and '.join(wrong)}" if wrong else ""
