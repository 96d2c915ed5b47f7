"""A renumbered stream shows the same pictures; one of another form is refused, not damaged."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress

import av
import numpy as np
import pytest
from av.codec import CodecContext
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.media.h265_numbers import Renumbered
from agent.media.parameter_sets import MalformedSet, is_set, kind_of, picture_set_of, read_set
from agent.media.set_records import record_sets
from tests.support.footage import packets, pictures, record, units

pytestmark = pytest.mark.traced  # each row is another kind of stream

_PLAIN = "log-level=none:bframes=0:weightp=0:open-gop=0"


def sets_of(clip: bytes) -> list[bytes]:
    with av.open(io.BytesIO(clip), "r") as container:
        extradata = container.streams.video[0].codec_context.extradata or b""
    return sorted(record_sets("hevc", extradata)[1], key=lambda unit: kind_of(unit, "hevc"))


def renumbered(clip: bytes, number: int) -> Iterator[bytes]:
    """All units of ``clip`` behind start codes."""
    stream = Renumbered(sets_of(clip), number)
    yield from stream.sets
    for packet in packets(clip):
        for unit in units(packet):
            if kind_of(unit, "hevc") < 32:
                yield stream.slice(unit)


CLIPS = {
    "plain": _PLAIN,
    "offsets, motion over time, rows": f"{_PLAIN}:sao=1:temporal-mvp=1:wpp=1:ref=3",
    "one row": f"{_PLAIN}:wpp=0:no-deblock=1",
    "quantisers": f"{_PLAIN}:aq-mode=1:cbqpoffs=3:crqpoffs=-2:no-cutree=1",
    "deblocking": f"{_PLAIN}:deblock=-2,1:amp=1:rect=1",
}


@pytest.mark.parametrize("number", [1, 7, 15])
@pytest.mark.parametrize("name", CLIPS)
def test_a_renumbered_stream_shows_the_same_pictures(name: str, number: int) -> None:
    clip = record(1.2, codec="libx265", width=192, height=112, params=CLIPS[name])
    found = list(renumbered(clip, number))
    for unit in found:
        if is_set(unit, "hevc"):
            known = read_set(unit, "hevc")
            assert known.key[1] == number
            assert known.needs is None or known.needs[1] == number
        else:
            assert picture_set_of(unit, "hevc") == ("picture", number)
    decoder = CodecContext.create("hevc", "r")
    stream = b"".join(b"\0\0\0\1" + unit for unit in found)
    shown = [
        frame.to_ndarray(format="rgb24")
        for packet in [*decoder.parse(stream), *decoder.parse(), None]
        for frame in decoder.decode(packet)
    ]
    expected = pictures(clip)
    assert len(shown) == len(expected) == 12
    assert all(np.array_equal(*pair) for pair in zip(shown, expected, strict=True))


@pytest.mark.parametrize("params", ["bframes=2:b-adapt=0", "weightp=1", "slices=2"])
def test_a_stream_of_another_form_is_refused(params: str) -> None:
    clip = record(1, codec="libx265", height=320, params=f"log-level=none:open-gop=0:{params}")
    with pytest.raises(MalformedSet):
        list(renumbered(clip, 15))


_CLIP = record(0.3, codec="libx265", width=64, height=64, params=_PLAIN)
_SETS = sets_of(_CLIP)
_SLICE = next(unit for unit in units(packets(_CLIP)[-1]) if kind_of(unit, "hevc") < 32)


@settings(max_examples=200, deadline=None)
@given(
    kind=st.integers(0, 3),
    place=st.integers(2, 60),
    noise=st.binary(min_size=0, max_size=6),
    keep=st.integers(2, 200),
)
def test_damage_is_refused_or_renumbered(kind: int, place: int, noise: bytes, keep: int) -> None:
    all_units = [*_SETS, _SLICE]
    unit = all_units[kind]
    all_units[kind] = (unit[:place] + noise + unit[place + len(noise) :])[:keep]
    with suppress(MalformedSet):
        Renumbered(all_units[:3], 15).slice(all_units[3])
