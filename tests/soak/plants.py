"""The gateway's model is shown gateways without one of their defences: it must notice each.

::

    python -m tests.soak.plants [NAME]...

A model that finds nothing may be blind. So one defence at a time is taken out of the real
gateway, and the model is played until it objects: within :data:`MOST_STEPS` steps, or this fails.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from itertools import count
from typing import Any, BinaryIO, Final
from unittest import mock

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from agent.consent.statements import ApprovedClip
from agent.gateway.decisions.holdings import DeviceHoldings
from agent.gateway.release.bundle.contents import BundleContents
from agent.gateway.release.holds import FORGOTTEN, Holds
from agent.gateway.release.upload import Uploader
from agent.gateway.release.worker import ReleaseWorker
from agent.media.editing.content import Prepared
from agent.media.editing.prepare import prepare
from agent.vault.clips import unseal
from agent.vault.records.holds import HoldTable
from agent.vault.records.releases import ReleaseTable
from tests.gateway.model.machine import GatewayModel
from tests.soak.model import MEMORY

MOST_STEPS: Final = 8_000
_PROCESSES = 2

Patch = AbstractContextManager[Any]


def _prepare_unchecked(
    self: BundleContents, approved: ApprovedClip, key: str, target: BinaryIO
) -> Prepared:
    with (
        self.store.open_sealed(approved.id) as file,
        unseal.open_stream(file, key, truncated=False) as plain,
    ):
        return prepare(plain, target, trim=approved.trim, redact=approved.redact)


def _digest_as_the_sidecar_says(self: DeviceHoldings, clip_id: str) -> str | None:
    clip = self.work.database.clip(clip_id)
    return None if clip is None else clip.sha256


_hold_all = Holds.hold_all


def _hold_unless_forgotten(self: Holds, why: str) -> None:
    if why != FORGOTTEN:
        _hold_all(self, why)


def _replaced(kind: type, name: str, function: Callable[..., Any]) -> Callable[[], Patch]:
    return partial(mock.patch.object, kind, name, function)


PLANTS: Final[dict[str, tuple[Callable[[], Patch], ...]]] = {
    "changed-digest": (  # finding 2: what leaves is what was signed
        _replaced(BundleContents, "_prepare", _prepare_unchecked),
        _replaced(DeviceHoldings, "digest_on_disk", _digest_as_the_sidecar_says),
    ),
    "lost-revocation": (_replaced(Holds, "hold_all", _hold_unless_forgotten),),  # finding 12
    "restored-state": (_replaced(Holds, "is_ahead", lambda *_: False),),  # finding 13
    "late-approval": (_replaced(Holds, "admit", lambda *_: None),),  # finding 13
    "unheld": (_replaced(HoldTable, "why", lambda *_: ""),),  # findings 12 and 13
    "other-owners-name": (_replaced(ReleaseTable, "completed_by", lambda *_: None),),
    "revoked-once-sealed": (
        _replaced(ReleaseWorker, "_stopped", lambda *_: False),
        _replaced(Uploader, "_must_stop", lambda *_: False),
    ),
}


def find(name: str, seed: str) -> tuple[str, int, str]:
    """The steps until the model objected to the plant, and its words; none if it never did."""
    tempfile.tempdir = str(MEMORY) if MEMORY.is_dir() else None
    logging.disable()
    GatewayModel.told.clear()
    with ExitStack() as stack:
        for plant in PLANTS[name]:
            stack.enter_context(plant())
        for turn in count():
            if GatewayModel.told["steps"] > MOST_STEPS:
                break
            try:
                _play(f"{seed}/{turn}")
            except AssertionError as objection:
                return name, GatewayModel.told["steps"], str(objection).splitlines()[0]
    return name, GatewayModel.told["steps"], ""


def _play(seed: str) -> None:
    run_state_machine_as_test(
        hypothesis.seed(seed)(type("Planted", (GatewayModel,), {})),
        settings=settings(
            max_examples=10,
            stateful_step_count=50,
            database=None,
            deadline=None,
            phases=[Phase.generate],  # what it finds need not be made short
            suppress_health_check=list(HealthCheck),
        ),
    )


def main(names: list[str]) -> int:
    """Print what the model said to each plant; 1 if it noticed one not at all."""
    seed = os.environ.get("SOAK_SEED") or secrets.token_hex(8)
    print(f"plants in the gateway, SOAK_SEED={seed}", flush=True)
    chosen, missed, began = names or list(PLANTS), 0, time.monotonic()
    with ProcessPoolExecutor(_PROCESSES) as processes:
        for name, steps, said in processes.map(find, chosen, [seed] * len(chosen)):
            missed += not said
            print(f"  {name:20} {steps:6} steps: {said or 'NOT NOTICED'}", flush=True)
    print(f"noticed {len(chosen) - missed} of {len(chosen)}, {time.monotonic() - began:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
