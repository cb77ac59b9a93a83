#!/usr/bin/env python3
"""Writes the first corpus of each fuzz target, by hand-made msgpack, below corpus/. Files that a fuzzer found stay."""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent / "corpus"
HLC = 1760000000000 << 16
DEVICE, TAG, TAGGING, ALBUM, ALBUM_ITEM, METADATA, LOCATION = 1, 2, 3, 4, 5, 6, 16
KEY1 = bytes([1] * 16)
KEY2 = KEY1 + bytes([2] * 16)


class Raw(bytes):
    """Bytes that are msgpack already."""


def pack(value):
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return bytes([value]) if value < 128 else b"\xcf" + struct.pack(">Q", value)
    if isinstance(value, str):
        data = value.encode()
        return (bytes([0xA0 + len(data)]) if len(data) < 32 else b"\xd9" + bytes([len(data)])) + data
    if isinstance(value, bytes):
        return b"\xc4" + bytes([len(value)]) + value
    if isinstance(value, list):
        head = bytes([0x90 + len(value)]) if len(value) < 16 else b"\xdc" + struct.pack(">H", len(value))
        return head + b"".join(map(pack, value))
    pairs = value.items()
    return bytes([0x80 + len(pairs)]) + b"".join(pack(k) + pack(v) for k, v in pairs)


def record(*changes, hlc=HLC):
    return pack([hlc, list(changes)])


device = [DEVICE, KEY1, {0: "Laptop", 1: bytes(32), 2: True, 3: KEY1}]
tag = [TAG, KEY1, {0: "Caf\u00e9", 1: True}]
tagging = [TAGGING, KEY2, {0: b"a\xff.jpg", 1: True, 2: bytes(16)}]
item = [ALBUM_ITEM, KEY2, {0: b"b", 1: False, 2: b""}]
good = record(device, tag, tagging, [ALBUM, KEY1, {0: "x" * 60}], item, [METADATA, KEY2, {1: True}])

CHANGE = {
    "all_kinds": good,
    "one_tag": record(tag),
    "split_record": record([TAG, KEY1, {0: "t"}], [TAG, KEY1, {1: True}]),
    "many": record(*[[TAG, i.to_bytes(16, "big"), {1: True}] for i in range(40)]),
    "long_forms": b"\xdd\0\0\0\x02\xd3\0\0\0\0\0\0\0\x05\xdc\0\x01\xdd\0\0\0\x03\xcd\0\x02\xc6\0\0\0\x10" + KEY1
    + b"\xdf\0\0\0\x01\xcc\x01\xc3",
    "bad_empty": b"",
    "bad_cut": good[: len(good) // 2],
    "bad_trailing": good + b"\0",
    "bad_no_change": record(),
    "bad_no_field": record([TAG, KEY1, {}]),
    "bad_double_field": record([TAG, KEY1, Raw(b"\x82\x01\xc3\x01\xc3")]),
    "bad_double_record": record(tag, tag),
    "bad_owned_kind": record([LOCATION, KEY1, {0: "here"}]),
    "bad_key": record([TAGGING, KEY1, {1: True}]),
    "bad_title": record([TAG, KEY1, {0: "a/b"}]),
    "bad_content": record([TAGGING, KEY2, {2: bytes(15)}]),
    "bad_hlc": record(tag, hlc=1 << 63),
    "bad_hlc_zero": record(tag, hlc=0),
    "bad_count": b"\x92\x05\xdd\xff\xff\xff\xff" + pack(tag),
}

CURSOR = {
    "record": good,
    "uints": b"\x00\x7f\xcc\x80\xcd\1\0\xce\1\0\0\0\xcf" + b"\xff" * 8,
    "ints": b"\xd0\x05\xd1\x7f\xff\xd2\0\0\0\1\xd3" + bytes(8),
    "bools": b"\xc2\xc3",
    "bins": b"\xc4\2hi\xc5\0\2hi\xc6\0\0\0\2hi\xc4\0",
    "strs": b"\xa0\xa2hi\xd9\2hi\xda\0\2hi\xdb\0\0\0\2hi",
    "arrays": b"\x90\x92\1\2\xdc\0\1\1\xdd\0\0\0\1\1",
    "maps": b"\x80\x81\1\2\xde\0\1\1\2\xdf\0\0\0\1\1\2",
    "bad_empty": b"",
    "bad_negative": b"\xff\xe0\xd0\x80\xd1\xff\xff\xd2\xff\xff\xff\xff\xd3" + b"\xff" * 8,
    "bad_counts": b"\xdd\xff\xff\xff\xff\xdf\x80\0\0\1\xdc\xff\xff\xde\xff\xff\x9f",
    "bad_lengths": b"\xc6\xff\xff\xff\xff\xdb\xff\xff\xff\xff\xc5\xff\xff\xd9\xff",
    "bad_others": bytes([0xC0, 0xC1, 0xC7, 0xC8, 0xC9, 0xCA, 0xCB, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8]),
    "bad_cut_number": b"\xcf\0\0\0",
}

for target, files in {"change": CHANGE, "cursor": CURSOR}.items():
    folder = HERE / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
