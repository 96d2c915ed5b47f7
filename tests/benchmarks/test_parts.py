"""From what was measured to figures: the arithmetic of each part, without measuring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from agent.camera.source import Packet, VideoFormat
from benchmarks.ablations import ABLATIONS
from benchmarks.figures import Figure
from benchmarks.marathon_process import Recorded, Result, Sample, bytes_between
from benchmarks.parts import continuity, detector, disk, latency, memory, peer, weather
from benchmarks.parts.continuity import Opened, compare
from benchmarks.player import rhythm
from tests.support.video import Video

SCORE = {
    "events": 27,
    "found": 27,
    "found_within_1s": 26,
    "false_events": 0,
    "negatives_false_events": 0,
    "empty_flagged_share": 0.0066,
    "microseconds_per_frame": 210.0,
}


def verdicts(figures: list[Figure]) -> list[str]:
    return [figure.verdict for figure in figures if figure.target is not None]


def sample(seconds: float, rss: float = 80, stored: int = 0) -> Sample:
    return Sample(seconds, rss, rss - 10, 0, stored)


def packets(count: int) -> list[Packet]:
    return [Packet(bytes([n]), n % 5 == 0, 100 + n / 10, 0.1) for n in range(count)]


def clip(sent: list[Packet], first: int, end: int) -> Opened:
    began = sent[first].seconds
    return Opened(began, tuple((p.seconds - began, p.data) for p in sent[first:end]))


# Detector


def test_a_good_detector_meets_all_six() -> None:
    scores = {"candidate": SCORE, "MOG2": SCORE | {"microseconds_per_frame": 1260.0}}
    figures = detector.figures(scores)
    assert verdicts(figures) == ["met"] * 6
    assert figures[1].value == pytest.approx(1 / 6)
    assert figures[-1].what == "peer: MOG2"


def test_a_missed_and_two_late_events() -> None:
    figures = detector.figures({"candidate": SCORE | {"found": 26, "found_within_1s": 24}})
    assert verdicts(figures) == ["met", "not measured", "MISSED", "MISSED", "met", "met"]


def test_without_footage_nothing_is_met() -> None:
    assert verdicts(detector.figures({}, "no footage")) == ["not measured"] * 6


# Weather


@dataclass
class Sums:
    """The sums of the scorer that the part reads."""

    events: int = 68
    found: int = 68
    found_within_1s: int = 66
    flagged_share: float = 0.017
    recorded_seconds: float = 46.0
    scored_seconds: float = 1000.0


def in_weather(**changes: Any) -> list[Figure]:
    ours = {"nobody": Sums(), "somebody": Sums(), "rain": Sums(recorded_seconds=25)}
    ours |= changes
    blind = {"nobody": Sums(recorded_seconds=5), "somebody": Sums(found=10), "rain": Sums()}
    return weather.figures({"ours": ours, "eyes": blind}, {"storm": 0.2})


def test_a_detector_that_tells_rain_from_people_meets_all_six() -> None:
    assert verdicts(in_weather()) == ["met"] * 6


def test_rain_that_is_recorded_and_people_who_are_missed_are_said() -> None:
    found = in_weather(rain=Sums(recorded_seconds=31), somebody=Sums(found=67, found_within_1s=65))
    assert verdicts(found) == ["met", "met", "MISSED", "MISSED", "MISSED", "met"]


def test_each_step_taken_out_has_its_line() -> None:
    (line,) = [figure for figure in in_weather() if figure.what == "without: eyes"]
    assert line.value == 0.5
    assert line.note == "2 events later than 1 s, 58 missed"


@pytest.mark.parametrize("name", ABLATIONS)
def test_each_ablation_is_a_detector_that_runs(name: str) -> None:
    look, random = ABLATIONS[name](7.5), np.random.default_rng(1)
    for number in range(30):
        picture = random.integers(60, 70, (180, 320)).astype(np.uint8)
        picture[40:80, number * 8 : number * 8 + 30] = 200
        look(picture, number / 7.5)
    assert look.explain().size > 0


# Beside motion


def test_a_ratio_of_cpu_time_meets_its_target_or_not() -> None:
    good = peer.Costs(ours=1.0, ours_decoding=5.0, motion=16.0, motion_copying=8.0)
    assert verdicts(peer.figures("1080p", "busy", good)) == ["met"]
    assert verdicts(peer.figures("1080p", "busy", replace(good, ours=1.2))) == ["MISSED"]
    assert verdicts(peer.figures("1080p", "still", replace(good, ours=1.2))) == ["met"]
    assert verdicts(peer.figures("1080p", "still", replace(good, motion=None))) == ["not measured"]
    assert peer.per_minute(0.5, 30) == 1


# Memory


def test_memory_that_wavers_does_not_grow() -> None:
    samples = [sample(20 * n, 80 + n % 2) for n in range(1002)]
    first_hour, growth, peak = memory.growth(samples)
    assert (first_hour.verdict, growth.verdict) == ("met", "met")
    assert peak.value == 81


@pytest.mark.parametrize("leak_bytes", [48, 1000])
def test_memory_that_leaks_an_object_a_clip_grows(leak_bytes: int) -> None:
    samples = [sample(20 * n, 80 + n * leak_bytes / 1e6) for n in range(1002)]
    growth = memory.growth(samples)[1]
    assert growth.value == pytest.approx(leak_bytes * 500 / 1e6)
    assert growth.verdict == "MISSED"


# Disk


def test_bytes_count_from_when_the_camera_had_settled() -> None:
    idle = Result(sample(5, stored=900), [sample(1), sample(3610, stored=900)], [])
    clips = [Recorded(10.0, 1010, 1000)] * 2
    short = Result(sample(5, stored=900), [sample(1), sample(90, stored=2940)], clips)
    hour, recording = disk.simulated(idle, short)
    assert (hour.value, hour.verdict) == (0, "met")
    assert recording.value == pytest.approx(1.02)


def test_a_byte_in_an_idle_hour_is_one_too_many() -> None:
    idle = Result(sample(5), [sample(1), sample(3610, stored=4096)], [])
    assert disk.simulated(idle, idle)[0].verdict == "MISSED"


def test_bytes_of_a_film_that_is_played_over_and_over() -> None:
    film = Video(
        VideoFormat("h264", 2, 2, b""),
        tuple(replace(p, seconds=p.seconds - 100, data=bytes(3)) for p in packets(10)),
    )
    assert bytes_between(film, 0.0, 1.0) == 30
    assert bytes_between(film, 0.5, 2.5) == 60
    assert bytes_between(film, 0.3, 0.5) == 6


# Latency


def test_old_pictures_are_found_and_the_first_seconds_left_out() -> None:
    ages = [(0.5, 900.0), *((3.0 + n, 60.0) for n in range(99)), (200.0, 151.0)]
    median, usual, oldest = latency.figures(ages)
    assert (median.value, usual.verdict) == (60, "met")
    assert (oldest.value, oldest.verdict) == (151, "MISSED")


def test_no_picture_at_all_is_no_latency() -> None:
    with pytest.raises(RuntimeError, match="no picture"):
        latency.figures([])


# Continuity


def test_clips_that_hold_all_that_was_wanted() -> None:
    sent = packets(40)
    found = compare(sent, [(100.6, 102.0)], [clip(sent, 5, 15), clip(sent, 15, 20)])
    assert found == continuity.Findings(missed=0, altered=0, joined=1)


def test_a_packet_between_two_clips_is_missed() -> None:
    sent = packets(40)
    found = compare(sent, [(100.6, 102.0)], [clip(sent, 5, 14), clip(sent, 15, 20)])
    assert (found.missed, found.joined) == (1, 0)


def test_a_changed_bit_and_a_shifted_time_are_found() -> None:
    sent = packets(40)
    whole = clip(sent, 5, 20)
    changed = Opened(whole.began, (*whole.packets[:-1], (whole.packets[-1][0], b"\xff")))
    assert compare(sent, [(100.6, 102.0)], [changed]) == continuity.Findings(1, 1, 0)
    late = Opened(whole.began, (*whole.packets[:-1], (9.9, whole.packets[-1][1])))
    assert compare(sent, [(100.6, 102.0)], [late]).altered == 1


def test_what_came_before_the_first_keyframe_cannot_be_kept() -> None:
    sent = packets(40)[3:]
    assert compare(sent, [(90.0, 102.0)], [clip(sent, 2, 17)]).missed == 0


def test_a_rhythm_takes_its_pauses_in_turn() -> None:
    assert rhythm(10, 2, (5, 8), 3) == [(10, 12), (17, 19), (27, 29)]
