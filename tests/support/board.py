"""A board whose sysfs is in the test's hand.

>>> board = Board(tmp_path)
>>> board.celsius(61.3)
>>> board.machine.vitals()
Vitals(celsius=61.3, under_voltage=False, throttled=False)
"""

from __future__ import annotations

from pathlib import Path

from agent.host.board import Machine


class Board:
    """A Raspberry Pi 4, as its kernel shows it: more zones and sensors than those that count."""

    def __init__(self, root: Path, *, model: str = "Raspberry Pi 4 Model B Rev 1.4") -> None:
        self.sys = root / "sys"
        self.proc = root / "proc"
        self._write("firmware/devicetree/base/model", model + "\0")
        self._write("class/thermal/thermal_zone0/type", "gpu-thermal\n")
        self._write("class/thermal/thermal_zone0/temp", "99000\n")
        self._write("class/thermal/thermal_zone1/type", "cpu-thermal\n")
        self._write("class/hwmon/hwmon0/name", "cpu_thermal\n")
        self._write("class/hwmon/hwmon1/name", "rpi_volt\n")
        self.celsius(50.0)
        self.under_voltage(False)
        self.memory_cgroup(True)
        self.swap()
        self.core_pattern("core")

    @property
    def machine(self) -> Machine:
        return Machine(self.sys, self.proc)

    def celsius(self, degrees: float) -> None:
        self._write("class/thermal/thermal_zone1/temp", f"{round(degrees * 1000)}\n")

    def under_voltage(self, alarm: bool) -> None:
        self._write("class/hwmon/hwmon1/in0_lcrit_alarm", f"{int(alarm)}\n")

    def memory_cgroup(self, on: bool) -> None:
        """Raspberry Pi OS starts with it off."""
        self._write("fs/cgroup/cgroup.controllers", f"cpuset cpu io{' memory' * on} pids\n")

    def swap(self, *names: str, written_back_to: str | None = None) -> None:
        """Swap on these devices or files; zram may be written back to a disk."""
        lines = [f"{name:39} partition 524284 0 100" for name in names]
        self._write("swaps", "\n".join(["Filename Type Size Used Priority", *lines, ""]), self.proc)
        for name in names:
            device = f"block/{Path(name).name}"
            self._write(f"{device}/backing_dev", f"{written_back_to or 'none'}\n")

    def core_pattern(self, pattern: str) -> None:
        self._write("sys/kernel/core_pattern", f"{pattern}\n", self.proc)

    def break_sensors(self, text: str = "") -> None:
        """They are there and say nothing that is a number."""
        self._write("class/thermal/thermal_zone1/temp", text)
        self._write("class/hwmon/hwmon1/in0_lcrit_alarm", text)

    def _write(self, path: str, text: str, root: Path | None = None) -> None:
        file = (root or self.sys) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
