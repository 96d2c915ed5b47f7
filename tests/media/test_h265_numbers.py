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


# Units made by hand, each field by itself: those of x265 have few forms


def golomb(number: int) -> str:
    """An unsigned Exp-Golomb code, section 9.2."""
    binary = f"{number + 1:b}"
    return "0" * (len(binary) - 1) + binary


def made_unit(kind: int, bits: str, data: bytes = b"") -> bytes:
    """A unit whose ``bits`` a one bit ends, before ``data`` from the next whole byte on."""
    ended = bits + "1"
    ended += "0" * (-len(ended) % 8)
    plain = int(ended, 2).to_bytes(len(ended) // 8, "big") + data
    assert b"\0\0" not in plain  # so nothing is escaped
    return bytes([kind << 1, 1]) + plain


_VIDEO = {"number": "0000", "rest": "1" * 28}
_SEQUENCE = {
    "video": "0000",
    "layers": "000",
    "profile": "1" * 97,
    "number": golomb(0),
    "colours": golomb(1),
    "size": golomb(63) + golomb(63),
    "window": "0",
    "depths": golomb(0) * 2,
    "order": golomb(4),  # eight bits of it in each slice
    "buffers and blocks": "1" + golomb(0) * 9,
    "scales": "0",
    "asymmetric": "0",
    "offsets": "0",
    "pcm": "0",
    "lists of references": golomb(0),
    "long-term references": "0",
    "motion over time": "0",
    "rest": "000",
}
_PICTURE = {
    "number": golomb(0),
    "sequence": golomb(0),
    "slices": "00000",
    "hides signs": "0",
    "cabac": "0",
    "active": golomb(0) * 2,
    "quantiser": golomb(0) + "00",
    "quantiser changes": "0",
    "chroma quantisers": golomb(0) * 2,
    "chroma in slices": "0",
    "weights": "0",
    "lossless": "00",
    "tiles": "0",
    "rows": "0",
    "across": "0",
    "deblocking": "0",
    "lists": "00",
    "merging": golomb(0),
    "slice extension": "0",
    "extension": "0",
}
_P, _I = golomb(1), golomb(2)
_TIME = (
    "10101010" + "0" + golomb(1) + golomb(0) + golomb(0) + "1"
)  # one reference, to the picture before
_DATA = b"\x42\xff\x80"


def made_sets(
    number: int = 0,
    *,
    sequence: dict[str, str] | None = None,
    picture: dict[str, str] | None = None,
) -> tuple[bytes, bytes, bytes]:
    """The three sets under ``number``, with these fields instead of the plain ones."""
    own = {"number": golomb(number)}
    in_sequence = own | {"video": f"{number:04b}"} | (sequence or {})
    in_picture = own | {"sequence": golomb(number)} | (picture or {})
    return (
        made_unit(32, "".join((_VIDEO | {"number": f"{number:04b}"}).values())),
        made_unit(33, "".join((_SEQUENCE | in_sequence).values())),
        made_unit(34, "".join((_PICTURE | in_picture).values())),
    )


def made_slice(rest: str, number: int = 0, *, kind: int = 1, first: str = "1") -> bytes:
    """A slice that needs the picture set ``number``; ``rest`` is its header behind that."""
    return made_unit(kind, first + golomb(number) + rest, _DATA)


@pytest.mark.parametrize(
    ("field", "bits", "why"),
    [
        ("layers", "010", "has several layers"),
        ("colours", golomb(0), "has other colours than are read here"),
        ("colours", golomb(3), "has other colours than are read here"),
        ("order", golomb(13), "holds a number that is too large"),
        ("scales", "1", "has lists of scales"),
        ("pcm", "1", "has more than is read here"),
        ("lists of references", golomb(1), "has more than is read here"),
        ("long-term references", "1", "has more than is read here"),
    ],
)
def test_a_sequence_set_with_what_slices_are_not_read_for_is_refused(
    field: str, bits: str, why: str
) -> None:
    with pytest.raises(MalformedSet, match=f"^{why}$"):
        Renumbered(made_sets(sequence={field: bits}), 15)


@pytest.mark.parametrize(
    ("field", "bits", "why"),
    [
        ("slices", "10000", "has more in its slices than is read here"),
        ("slices", "00001", "has more in its slices than is read here"),
        ("weights", "1", "has weights"),
        ("tiles", "1", "has tiles"),
        ("lists", "10", "has lists"),
        ("lists", "01", "has lists"),
        ("slice extension", "1", "has more in its slices than is read here"),
    ],
)
def test_a_picture_set_with_what_slices_are_not_read_for_is_refused(
    field: str, bits: str, why: str
) -> None:
    with pytest.raises(MalformedSet, match=f"^{why}$"):
        Renumbered(made_sets(picture={field: bits}), 15)


def test_a_slice_needs_one_set_of_each_kind() -> None:
    video, sequence, picture = made_sets()
    for few in ([], [video, sequence], [sequence, video, picture], [video, sequence, picture] * 2):
        with pytest.raises(MalformedSet, match=r"^is not one set of each kind$"):
            Renumbered(few, 15)


@pytest.mark.parametrize(
    ("slice_unit", "why"),
    [
        (made_slice(_P, first="0"), "is not the first slice of its picture"),
        (made_slice(golomb(0) + _TIME), "is neither P nor I"),
        (made_slice(golomb(3) + _TIME), "is neither P nor I"),
        (made_slice(_P + "10101010" + "1"), "refers to a list of references"),
        (made_slice(_I + _TIME + golomb(0) + "0" * 3), "has a header of another form"),
        (made_slice(_I + _TIME + golomb(0) + "1" * 9), "has a header of another form"),
        (made_slice(_I)[:3], "ends too early"),
        (made_slice(_I + _TIME)[:4], "ends too early"),
    ],
)
def test_a_slice_of_another_form_is_refused(slice_unit: bytes, why: str) -> None:
    with pytest.raises(MalformedSet, match=f"^{why}$"):
        Renumbered(made_sets(), 15).slice(slice_unit)


_DEBLOCKING = "1" + "1" + "0" + golomb(1) + golomb(2)  # slices may change it; it has offsets


@pytest.mark.parametrize(
    ("sequence", "picture", "rest"),
    [
        ({}, {}, _I + _TIME + golomb(0)),
        (
            {"window": "1" + golomb(0) + golomb(4) + golomb(0) + golomb(4)},
            {},
            _I + _TIME + golomb(0),
        ),
        ({}, {"quantiser changes": "1" + golomb(1)}, _I + _TIME + golomb(3)),
        ({}, {}, _P + _TIME + "0" + golomb(0) + golomb(0)),
        ({}, {"cabac": "1"}, _P + _TIME + "1" + golomb(2) + "1" + golomb(0) + golomb(0)),
        (
            {"motion over time": "1"},
            {"active": golomb(1) + golomb(0)},
            _P + _TIME + "1" + "0" + golomb(1) + golomb(0) + golomb(0),
        ),
        ({"motion over time": "1"}, {}, _P + _TIME + "1" + "0" + golomb(0) + golomb(0)),
        ({}, {"chroma in slices": "1"}, _I + _TIME + golomb(0) + golomb(5) + golomb(6)),
        ({}, {"deblocking": _DEBLOCKING}, _I + _TIME + golomb(0) + "0"),
        ({}, {"deblocking": _DEBLOCKING}, _I + _TIME + golomb(0) + "11"),
        ({}, {"deblocking": _DEBLOCKING}, _I + _TIME + golomb(0) + "10" + golomb(3) + golomb(4)),
        ({}, {"deblocking": "101", "across": "1"}, _I + _TIME + golomb(0)),
        ({}, {"across": "1"}, _I + _TIME + golomb(0) + "1"),
        (
            {"offsets": "1"},
            {"deblocking": "101", "across": "1"},
            _I + _TIME + "01" + golomb(0) + "1",
        ),
        ({}, {"rows": "1"}, _I + _TIME + golomb(0) + golomb(2) + golomb(7) + "1000100111001010"),
        ({}, {"rows": "1"}, _I + _TIME + golomb(0) + golomb(0)),
    ],
)
def test_only_the_numbers_change_in_any_form_of_sets_and_slices(
    sequence: dict[str, str], picture: dict[str, str], rest: str
) -> None:
    for number in (1, 6, 15):
        renumbering = Renumbered(made_sets(sequence=sequence, picture=picture), number)
        assert renumbering.sets == made_sets(number, sequence=sequence, picture=picture)
        assert renumbering.slice(made_slice(rest)) == made_slice(rest, number)


def test_only_the_number_changes_in_the_slice_of_an_entry_point() -> None:
    for kind, time in ((19, ""), (20, ""), (21, _TIME)):
        one, other = (
            made_slice(_I + time + golomb(0), number, kind=kind, first="10") for number in (0, 15)
        )
        assert Renumbered(made_sets(), 15).slice(one) == other
