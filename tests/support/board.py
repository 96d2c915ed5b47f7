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
        self._write("firmware/devicetree/base/model", model + "\0")
        self._write("class/thermal/thermal_zone0/type", "gpu-thermal\n")
        self._write("class/thermal/thermal_zone0/temp", "99000\n")
        self._write("class/thermal/thermal_zone1/type", "cpu-thermal\n")
        self._write("class/hwmon/hwmon0/name", "cpu_thermal\n")
        self._write("class/hwmon/hwmon1/name", "rpi_volt\n")
        self.celsius(50.0)
        self.under_voltage(False)

    @property
    def machine(self) -> Machine:
        return Machine(self.sys)

    def celsius(self, degrees: float) -> None:
        self._write("class/thermal/thermal_zone1/temp", f"{round(degrees * 1000)}\n")

    def under_voltage(self, alarm: bool) -> None:
        self._write("class/hwmon/hwmon1/in0_lcrit_alarm", f"{int(alarm)}\n")

    def break_sensors(self, text: str = "") -> None:
        """They are there and say nothing that is a number."""
        self._write("class/thermal/thermal_zone1/temp", text)
        self._write("class/hwmon/hwmon1/in0_lcrit_alarm", text)

    def _write(self, path: str, text: str) -> None:
        file = self.sys / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
