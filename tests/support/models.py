"""Playing a model until it has told of everything that it is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

_MOST_ROUNDS = 8


def play(
    model: type[RuleBasedStateMachine],
    told: Counter[str],
    *,
    examples: int,
    steps: int,
    least: Mapping[str, int],
) -> None:
    """Play ``model``, until each event of ``least`` happened so often; fail if it never does.

    Hypothesis draws constants of the modules that happen to be loaded, so the same seed plays
    otherwise in each process, and a rare event may stay out of one round.
    """
    told.clear()
    for number in range(_MOST_ROUNDS):
        run_state_machine_as_test(
            seed(number)(type(model.__name__, (model,), {})),
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        if not (missing := [event for event, count in least.items() if told[event] < count]):
            return
    raise AssertionError(f"the model has hardly any of: {', '.join(missing)}")
