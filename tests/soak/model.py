"""The models of the gateway and of the camera, run for many thousand steps.

They are :mod:`tests.gateway.model` and :mod:`tests.camera.model`; of ten steps the camera's
model plays one.

::

    python -m tests.soak.model            SOAK_STEPS=2000 shortens it, SOAK_SEED repeats it
    SOAK_TURN=SEED/0/17 ...               plays the one turn that failed, and shrinks it

Each step is a whole one: a message through the real gateway to real files and a real
index, and then everything that must hold is looked at.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.camera.model import CameraModel
from tests.gateway.model.machine import GatewayModel

STEPS = 100_000
_PROCESSES = 2
MEMORY = Path("/dev/shm")
_EVENTS = (  # rare ones of the gateway's model
    "release.proposed", "request.withdrawn", "request.declined", "requester.muted",
    "requests.paused", "stopped in time", "alert.received", "second requester",
    "approved early", "revoked early", "withdrawn early", "too-many-open",
    "requester-muted", "jti-reused", "tricks", "keys came later", "revocation lost",
    "restored and noticed", "shared", "release.delivered", "release.rejected", "crashes",
)  # fmt: skip
_EXAMPLES_A_TURN, _STEPS_AN_EXAMPLE = 20, 50


def play(steps: int, seed: str) -> Counter[str]:
    """At least ``steps`` steps of both models; what happened. Raises what they find wrong."""
    _prepare()
    told = _play(CameraModel, -(-steps // 10), seed)
    seen = Counter({f"camera: {name}": number for name, number in told.items()})
    return seen + _play(GatewayModel, steps, seed)


def _play(model: type[CameraModel | GatewayModel], steps: int, seed: str) -> Counter[str]:
    model.told.clear()
    for turn in count():
        if model.told["steps"] >= steps:
            return model.told
        try:
            play_turn(model, f"{seed}/{turn}", Phase.generate)
        except Exception as error:  # said now: the other processes may play on for long
            print(f"wrong: {error}; SOAK_TURN={seed}/{turn} shrinks it", flush=True)
            raise
    raise AssertionError("never ends")


def play_turn(model: type[CameraModel | GatewayModel], seed: str, *phases: Phase) -> None:
    """Play the examples of one turn; shrinking takes minutes, and is a phase of its own."""
    run_state_machine_as_test(
        hypothesis.seed(seed)(type("Soak", (model,), {})),
        settings=settings(
            max_examples=_EXAMPLES_A_TURN,
            stateful_step_count=_STEPS_AN_EXAMPLE,
            phases=phases,
            database=None,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def _prepare() -> None:
    if MEMORY.is_dir():  # power cuts are the model's own: no step need wait for a disk
        tempfile.tempdir = str(MEMORY)
    logging.disable()  # the gateway says of every refusal why, thousands of times


def main() -> int:
    """Play, over all processes, and print what came of it."""
    if turn := os.environ.get("SOAK_TURN"):
        _prepare()
        for model in (CameraModel, GatewayModel):
            play_turn(model, turn, Phase.generate, Phase.shrink)
        return 0
    steps = int(os.environ.get("SOAK_STEPS", STEPS))
    seed = os.environ.get("SOAK_SEED") or secrets.token_hex(8)
    print(f"the model: {steps} steps, SOAK_SEED={seed}", flush=True)
    began, told = time.monotonic(), Counter[str]()
    with ProcessPoolExecutor(_PROCESSES) as processes:
        share = -(-steps // _PROCESSES)
        seeds = [f"{seed}/{number}" for number in range(_PROCESSES)]
        for part in processes.map(play, [share] * _PROCESSES, seeds):
            told += part
    minutes = (time.monotonic() - began) / 60
    print(f"the model: {told.pop('steps')} steps in {minutes:.1f} minutes, nothing wrong")
    print("  " + ", ".join(f"{name} {number}" for name, number in sorted(told.items())))
    missing = [event for event in _EVENTS if not told[event]]
    if missing:
        print(f"the model never saw: {', '.join(missing)}")
    return 0 if told["delivered"] > steps / 200 and not missing else 1


if __name__ == "__main__":
    sys.exit(main())
