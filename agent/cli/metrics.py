"""The device's health as Prometheus metrics (text exposition format 0.0.4), for a textfile.

They go to whoever reads the owner's dashboards, so they tell of the machine and its two services,
and nothing of requests, releases or the last motion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_GAUGES: Final = {  # key of `status --json`: name and unit of the metric, and its meaning
    "clips": ("clips", "Clips on the device."),
    "bytes": ("clip_bytes", "Size of all clips."),
    "clock_synced": ("clock_synced", "1 if the clock is set."),
    "temperature": ("temperature_celsius", "Temperature of the board."),
    "under_voltage": ("under_voltage", "1 if the board's power is weak."),
    "throttled": ("throttled", "1 if the board runs slower than it could."),
}


def text(status: Mapping[str, Any]) -> str:
    """Metrics of what ``status --json`` prints; a value that is not known is left out."""
    return "".join(f"{line}\n" for line in _lines(status))


def _lines(status: Mapping[str, Any]) -> Iterator[str]:
    yield from _metric("info", "The version of clip-agent.", 1, version=status["version"])
    for service in ("camera", "gateway"):
        state = status[f"{service}_state"]
        yield from _metric(f"{service}_state", f"1 for the {service}'s state.", 1, state=state)
    for key, (name, meaning) in _GAUGES.items():
        if status[key] is not None:
            yield from _metric(name, meaning, status[key])
    share = int(status["recorded_last_hour"].rstrip("%")) / 100
    yield from _metric("recorded_hour_ratio", "Share of the last hour that was recorded.", share)


def _metric(name: str, meaning: str, value: float, **labels: str) -> Iterator[str]:
    yield f"# HELP clip_agent_{name} {meaning}"
    yield f"# TYPE clip_agent_{name} gauge"
    pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    shown = f"{{{pairs}}}" if pairs else ""
    yield f"clip_agent_{name}{shown} {value if isinstance(value, float) else int(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
