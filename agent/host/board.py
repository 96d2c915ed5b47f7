"""The board's temperature, power supply and memory, read from sysfs and procfs.

Nothing is stored. A value that the machine does not report is None.

- Temperature: ``class/thermal/thermal_zone*``, the zone of type ``cpu-thermal``.
- Under-voltage: the kernel's ``rpi_volt`` sensor (Documentation/hwmon/raspberrypi-hwmon),
  whose alarm covers the last two seconds.
- Throttled: from 80 degrees on the firmware slows a Raspberry Pi down, says its manual.
  ``get_throttled`` in sysfs is not read: kernels since March 2025 no longer have it
  (raspberrypi/linux #6697), and older ones log a warning and a backtrace.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.clock import Clock

THROTTLED_CELSIUS = 80.0
_PI = "Raspberry Pi"

_LOOK_SECONDS = 5.0
_STEP_CELSIUS = 5
_SLACK_CELSIUS = 1.5  # beyond the middle between two steps before the next is taken
_HOLD_SECONDS = 60.0  # an alarm that comes and goes is one alarm


@dataclass(frozen=True, slots=True)
class Vitals:
    """Temperature and alarms of the board; None for a value that it does not report."""

    celsius: float | None = None
    under_voltage: bool | None = None
    throttled: bool | None = None

    def __str__(self) -> str:
        """For a person, with alarms in words; empty when nothing is known."""
        said = [] if self.celsius is None else [f"{self.celsius:.0f} °C"]
        if self.throttled:
            said.append("too hot: it slows down")
        if self.under_voltage:
            said.append("under-voltage")
        return ", ".join(said)


@dataclass(frozen=True, slots=True)
class MemoryGuards:
    """Settings of the kernel by which memory stays in memory.

    ``limits`` says if the memory cgroup works, on which ``MemoryMax=`` and ``MemorySwapMax=``
    depend; None where it cannot be seen. ``swaps`` are those that end on a disk.
    ``dump_socket`` says if core dumps go to a socket, which no ``LimitCORE=`` stops.
    """

    limits: bool | None = None
    swaps: tuple[str, ...] = ()
    dump_socket: bool = False


class Machine:
    """The board, read below ``sys`` and ``proc``, which tests put elsewhere."""

    def __init__(self, sys: Path = Path("/sys"), proc: Path = Path("/proc")) -> None:
        self._sys = sys
        self._proc = proc

    def memory(self) -> MemoryGuards:
        """The settings that keep memory from reaching a disk."""
        controllers = _text(self._sys / "fs/cgroup/cgroup.controllers")
        swaps = (_text(self._proc / "swaps") or "").splitlines()[1:]
        names = [line.split()[0] for line in swaps if line]
        return MemoryGuards(
            limits=None if controllers is None else "memory" in controllers.split(),
            swaps=tuple(name for name in names if self._is_on_disk(name)),
            dump_socket=(_text(self._proc / "sys/kernel/core_pattern") or "").startswith("@"),
        )

    def _is_on_disk(self, swap: str) -> bool:
        """zram is memory, unless the kernel may write it back to a disk (``backing_dev``)."""
        name = Path(swap).name
        if not name.startswith("zram"):
            return True
        return _text(self._sys / "block" / name / "backing_dev") not in (None, "none")

    def vitals(self) -> Vitals:
        """The present values; a few small reads of memory, none of a disk."""
        celsius = self._celsius()
        alarm = _first_number(self._named("class/hwmon/hwmon*/name", "rpi_volt", "in0_lcrit_alarm"))
        throttled = None
        if celsius is not None and self._is_pi():
            throttled = celsius >= THROTTLED_CELSIUS
        return Vitals(celsius, None if alarm is None else alarm != 0, throttled)

    def _celsius(self) -> float | None:
        zones = self._named("class/thermal/thermal_zone*/type", "cpu-thermal", "temp")
        millidegrees = _first_number(zones)
        return None if millidegrees is None else millidegrees / 1000

    def _is_pi(self) -> bool:
        model = _text(self._sys / "firmware/devicetree/base/model")
        return model is not None and model.startswith(_PI)

    def _named(self, labels: str, name: str, value: str) -> Iterator[Path]:
        """The files ``value`` beside each label that contains ``name``."""
        for label in sorted(self._sys.glob(labels)):
            if _text(label) == name:
                yield label.with_name(value)


def _text(path: Path) -> str | None:
    """The text of a file of sysfs; None for one that is gone or cannot be read now."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip("\0\n ")
    except OSError:
        return None


def _first_number(paths: Iterator[Path]) -> int | None:
    for path in paths:
        try:
            return int(_text(path) or "")
        except ValueError:
            continue
    return None


class Steady:
    """The vitals of ``machine``, rounded and held so that they change seldom.

    The temperature moves in steps of 5 degrees, and only when the next step is clearly
    nearer; an alarm lasts for a minute after it was last seen.
    """

    def __init__(self, machine: Machine, *, clock: Clock) -> None:
        self._machine = machine
        self._clock = clock
        self._next_look = -math.inf
        self._celsius: float | None = None
        self._alarms: dict[str, float] = {}  # when each was last seen
        self._vitals = Vitals()

    def vitals(self) -> Vitals:
        """The vitals to publish; the machine is read every few seconds at most."""
        now = self._clock.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            seen = self._machine.vitals()
            self._vitals = Vitals(
                self._stepped(seen.celsius),
                self._held("under_voltage", seen.under_voltage, now),
                self._held("throttled", seen.throttled, now),
            )
        return self._vitals

    def _stepped(self, celsius: float | None) -> float | None:
        known = self._celsius
        if (
            celsius is None
            or known is None
            or abs(celsius - known) > _STEP_CELSIUS / 2 + _SLACK_CELSIUS
        ):
            nearest = None if celsius is None else _STEP_CELSIUS * round(celsius / _STEP_CELSIUS)
            self._celsius = nearest
        return self._celsius

    def _held(self, alarm: str, seen: bool | None, now: float) -> bool | None:
        if seen:
            self._alarms[alarm] = now
        if seen is None:
            return None
        return now - self._alarms.get(alarm, -math.inf) < _HOLD_SECONDS
