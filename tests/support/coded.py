"""Small units of H.264 and H.265, field by field, as far as a reader of parameter sets looks."""

from __future__ import annotations


def _ue(number: int) -> str:
    """An unsigned Exp-Golomb code (ITU-T H.264, section 9.1)."""
    bits = f"{number + 1:b}"
    return "0" * (len(bits) - 1) + bits


def _unit(head: bytes, bits: str) -> bytes:
    """A unit: its header, the fields, and the bit that ends them, without emulation."""
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    body = int(bits, 2).to_bytes(len(bits) // 8, "big")
    escaped = bytearray()
    for byte in body:
        if escaped[-2:] == b"\0\0" and byte <= 3:
            escaped.append(3)
        escaped.append(byte)
    return head + bytes(escaped)


Crop = tuple[int, int, int, int]  # left, right, top, bottom


def _crop(crop: Crop) -> str:
    return "1" + "".join(map(_ue, crop)) if any(crop) else "0"


def h264_sequence_set(
    *,
    number: int = 0,
    profile: int = 77,
    frames: int = 1,
    fields: bool = False,
    crop: Crop = (0, 0, 0, 0),
) -> bytes:
    """A sequence parameter set of 1920x1088 pictures."""
    bits = f"{profile:08b}" + "00000000" + f"{31:08b}" + _ue(number)
    if profile == 100:
        lists = "1" + _ue(0) + "1" * 15 + "0" * 7  # one of 16 ones, the others absent
        bits += _ue(1) + _ue(0) + _ue(0) + "0" + "1" + lists
    bits += _ue(0) + _ue(1) + "0" + "1" + "1" + _ue(1) + "010"  # pictures in an order of one
    bits += _ue(frames) + "0" + _ue(119) + _ue(67) + ("00" if fields else "1") + "1"
    return _unit(b"\x67", bits + _crop(crop) + "0")


def h264_picture_set(*, number: int = 0, sequence: int = 0) -> bytes:
    """A picture parameter set."""
    return _unit(b"\x68", _ue(number) + _ue(sequence) + "00" + _ue(0))


def h264_slice(kind: int, *, picture_set: int = 0) -> bytes:
    """A slice: 5 is of an IDR picture, 1 of another."""
    return _unit(bytes([0x60 | kind]), _ue(0) + _ue(7) + _ue(picture_set) + "0110" * 8)


def h265_video_set(*, number: int = 0) -> bytes:
    """A video parameter set."""
    return _unit(b"\x40\x01", f"{number:04b}" + "11" + "000000" + "000" + "1")


def h265_sequence_set(
    *, number: int = 0, video: int = 0, crop: Crop = (0, 0, 0, 0), layers: int = 1
) -> bytes:
    """A sequence parameter set of 1920x1088 pictures."""
    general = "00000001" + "01100110" * 4 + "10010000" * 6 + f"{93:08b}"
    bits = f"{video:04b}" + f"{layers - 1:03b}" + "1" + general
    if layers > 1:
        bits += "11" * (layers - 1) + "00" * (9 - layers) + ("01100110" * 12) * (layers - 1)
    bits += _ue(number) + _ue(1) + _ue(1920) + _ue(1088) + _crop(crop)
    return _unit(b"\x42\x01", bits + _ue(0) + _ue(0) + _ue(4))


def h265_picture_set(*, number: int = 0, sequence: int = 0) -> bytes:
    """A picture parameter set."""
    return _unit(b"\x44\x01", _ue(number) + _ue(sequence) + "0000")


def h265_slice(kind: int, *, picture_set: int = 0) -> bytes:
    """A slice: 19 is of an IDR picture, 1 of another."""
    is_irap = "1" if 16 <= kind < 24 else ""
    return _unit(bytes([kind << 1, 1]), "1" + is_irap + _ue(picture_set) + "0110" * 8)
