"""The state of the device for all readers at the broker: coarse health alone, in JSON.

=================  ======================================================================
``at``             when this was published, Unix seconds; null while the clock is not synced
``camera``         ``running``, ``disk-full``, ``storage-failed``, ``no-frames``,
                   ``stopped``, ``failed``; ``not-running`` if it died; ``never started``
``encoder``        the encoder of the video, e.g. ``h264_v4l2m2m (hardware)``; null: not known
``clock_synced``   false: requests and decisions wait for the time service
``temperature``    degrees Celsius in steps of 5; null: the board does not say
``under_voltage``  true: the power supply is too weak, now or a minute ago; null as above
``throttled``      true: so hot that the board slows down; null as above
=================  ======================================================================

A broker may have other readers, so nothing here changes with a motion, a request, a match or an
owner's decision: a camera that records, waits or is disarmed is ``running`` all the same, and
there is no free text. The owners read the rest in their status letter. Wavering values are held
still (:class:`agent.host.board.Steady`), so that the retained topic is not written again and
again: also ``no-frames``, while systemd restarts a process that its camera ends again and again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.clock import Clock
from agent.gateway.catalog import Catalog
from agent.gateway.letters.outbox import letters_about_requests
from agent.host.board import Steady
from agent.vault.camera_state import CameraState, StateReader, judged_state
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.locks import is_camera_at_work

_AT_WORK = ("armed", "disarmed", "recording")  # which of them is for the owners alone
_RESTART_SECONDS = 60.0  # within which a process that is started again was seen at work


@dataclass(eq=False)
class DeviceState:
    """Reads the vault, the clock and the board."""

    state_dir: Path
    database: GatewayDatabase
    catalog: Catalog
    clock: Clock
    board: Steady
    _seen_at_work: float = field(default=-math.inf, init=False)  # monotonic

    def __post_init__(self) -> None:
        self._camera = StateReader(self.state_dir)

    def camera(self) -> tuple[CameraState | None, str]:
        """The camera's last word, and its state, held still while it is started again."""
        said = self._camera.now()
        return said, self._camera_state(said)

    def now(self) -> dict[str, Any]:
        """The keys above but ``at``, ready for JSON."""
        (camera, state), vitals = self.camera(), self.board.vitals()
        return {
            "camera": "running" if state in _AT_WORK else state,
            "encoder": (camera.encoder if camera else "") or None,
            "clock_synced": self.clock.synced(),
            "temperature": None if vitals.celsius is None else int(vitals.celsius),
            "under_voltage": vitals.under_voltage,
            "throttled": vitals.throttled,
        }

    def counts(self) -> str:
        """Clips and open requests, for systemd on this machine."""
        pending = letters_about_requests(self.database)
        return f"{self.catalog.totals.count} clips, {pending} open requests"

    def _camera_state(self, camera: CameraState | None) -> str:
        now, running = self.clock.monotonic(), is_camera_at_work(self.state_dir)
        if running:
            self._seen_at_work = now
        restarts = now - self._seen_at_work < _RESTART_SECONDS
        return judged_state(camera, running=running, restarts=restarts)
