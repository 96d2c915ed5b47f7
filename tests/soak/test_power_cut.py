"""The power cuts of `make soak`, briefly: two orders, and a gateway that sends too soon."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from unittest import mock

import pytest

from agent.cli import main as cli
from agent.gateway.release.holds import Holds
from agent.gateway.release.last_word import LastWord
from tests.soak.power_cut import evening

pytestmark = [pytest.mark.timeout(900), pytest.mark.no_cover]
LAST_BROKER, LAST_GATEWAY = ("receiver", "gateway", "broker"), ("broker", "receiver", "gateway")


def test_no_byte_leaves_after_a_power_cut_with_a_revocation_waiting(tmp_path: Path) -> None:
    draw = random.Random(1)
    with evening(tmp_path) as one:
        assert one.cut(LAST_BROKER, forgets=False, draw=draw) == 0
        assert one.cut(LAST_GATEWAY, forgets=True, draw=draw) == 0
        assert one.deliver()


def test_a_gateway_that_does_not_wait_for_its_owners_is_noticed(tmp_path: Path) -> None:
    with evening(tmp_path, command=("-m", __name__)) as one:
        assert one.cut(LAST_BROKER, forgets=False, draw=random.Random(1)) > 0


if __name__ == "__main__":  # the real gateway without its defences
    mock.patch.object(LastWord, "hears", return_value=True).start()
    mock.patch.object(Holds, "hold_all").start()
    sys.exit(cli.main(sys.argv[1:]))
