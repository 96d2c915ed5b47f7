"""Numbers in the text that the kernel prints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import procfs
from benchmarks.machine import parse_model
from benchmarks.procfs import Memory, Written

TICKS = os.sysconf("SC_CLK_TCK")


def test_cpu_time_counts_children_and_any_name_is_borne() -> None:
    numbers = ["S", *(["0"] * 10), "300", "100", "50", "25", *(["7"] * 30)]
    stat = f"12 (a) b (c)) {' '.join(numbers)}"
    assert procfs.parse_cpu_seconds(stat) == pytest.approx(475 / TICKS)


def test_the_cpu_time_of_this_very_process() -> None:
    spent = sum(os.times()[:4])
    assert procfs.cpu_seconds(os.getpid()) == pytest.approx(spent, abs=0.5)


def test_memory_is_in_millions_of_bytes() -> None:
    rollup = "00400000-7ff0 ---p 00000000 00:00 0 [rollup]\nRss: 1000 kB\nPss:   500 kB\n"
    assert procfs.parse_memory(rollup) == Memory(rss=1.024, pss=0.512)
    assert 1 < procfs.memory("self").pss <= procfs.memory("self").rss


def test_bytes_written_are_those_handed_over_and_those_on_their_way() -> None:
    text = "rchar: 5\nwchar: 70\nsyscr: 1\nsyscw: 2\nwrite_bytes: 4096\ncancelled_write_bytes: 3\n"
    assert procfs.parse_written(text) == Written(70, 4096)
    assert Written(9, 8) - Written(4, 2) == Written(5, 6)


def test_what_this_process_writes_is_counted(tmp_path: Path) -> None:
    before = procfs.written("self")
    (tmp_path / "file").write_bytes(bytes(100_000))
    assert (procfs.written("self") - before).handed >= 100_000


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("processor\t: 0\nmodel name\t: AMD EPYC\n", "AMD EPYC"),
        ("processor\t: 0\nModel\t\t: Raspberry Pi Zero 2 W\n", "Raspberry Pi Zero 2 W"),
    ],
)
def test_the_model_of_a_processor(text: str, model: str) -> None:
    assert parse_model(text) == model
