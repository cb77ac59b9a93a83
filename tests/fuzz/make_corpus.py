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
        return (b"\xc4" + bytes([len(value)]) if len(value) < 256 else b"\xc5" + struct.pack(">H", len(value))) + value
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

def held(value, hlc=HLC, device=KEY1):
    """A register: a value and its stamp."""
    return [value, hlc, device]


r_tag = [TAG, KEY1, {0: held("Caf\u00e9"), 1: held(True, HLC + 1)}]
r_pair = [TAGGING, KEY2, {0: held(b"a\xff.jpg"), 1: held(False), 2: held(bytes(16))}]
r_device = [DEVICE, KEY1, {0: held("Laptop"), 1: held(bytes(32)), 2: held(True), 3: held(KEY1), 4: held(bytes(32))}]
r_good = pack([r_device, r_tag, r_pair, [METADATA, KEY2, {1: held(True)}]])
REGISTERS = {
    "all_kinds": r_good,
    "none": pack([]),
    "no_discovery": pack([[DEVICE, KEY1, {4: held(b"")}]]),
    "split_row": pack([[TAG, KEY1, {0: held("t")}], [TAG, KEY1, {1: held(True)}]]),
    "many": pack([[TAG, i.to_bytes(16, "big"), {1: held(True, HLC + i)}] for i in range(40)]),
    "bad_empty": b"",
    "bad_cut": r_good[: len(r_good) // 2],
    "bad_trailing": r_good + b"\0",
    "bad_no_field": pack([[TAG, KEY1, {}]]),
    "bad_bare_value": pack([[TAG, KEY1, {1: True}]]),
    "bad_stamp_zero": pack([[TAG, KEY1, {1: held(True, 0)}]]),
    "bad_stamp_late": pack([[TAG, KEY1, {1: held(True, 1 << 63)}]]),
    "bad_stamp_device": pack([[TAG, KEY1, {1: held(True, HLC, KEY2)}]]),
    "bad_double_field": pack([[TAG, KEY1, Raw(b"\x82" + (b"\x01" + pack(held(True))) * 2)]]),
    "bad_double_row": pack([r_tag, r_tag]),
    "bad_owned_kind": pack([[LOCATION, KEY1, {0: held("here")}]]),
    "bad_discovery": pack([[DEVICE, KEY1, {4: held(bytes(31))}]]),
    "bad_count": b"\xdd\xff\xff\xff\xff" + pack(r_tag),
}

# Patterns and messages by number (net/pattern.h); 0x80 replaces the message, else it is changed by xor.
NOISE = {f"genuine_{i}": bytes([i, 0]) for i in range(10)} | {
    f"flip_{pattern}_{message}_{at}": bytes([pattern, message]) + bytes(at) + b"\x01"
    for pattern, message, at in [(0, 0, 0), (0, 1, 40), (0, 2, 50), (1, 0, 0), (1, 0, 33), (1, 1, 47), (2, 0, 40), (2, 0, 90),
                                 (4, 0, 40), (4, 1, 95), (4, 2, 0), (4, 2, 63), (5, 0, 47), (9, 1, 31)]
} | {
    f"replace_{pattern}_{message}_{size}": bytes([pattern, 0x80 | message]) + bytes(range(1, size + 1))
    for pattern, message, size in [(0, 0, 0), (0, 0, 32), (0, 1, 96), (1, 0, 15), (1, 0, 47), (1, 0, 48), (1, 0, 49), (1, 1, 48),
                                   (2, 0, 96), (4, 0, 48), (4, 2, 64), (4, 2, 200)]
} | {"zero_point": bytes([0, 0x80]) + bytes(32), "one_point": bytes([1, 0x80]) + b"\1" + bytes(47)}

# Steps of fuzz_pairing.c: 8 more is "to the shower".
DELIVER, PART, FLIP, INJECT, WAIT, HANG_UP, RIGHT, WRONG = range(8)
TO_SHOWER = 8
PAIR = bytes([DELIVER, DELIVER | TO_SHOWER] * 4 + [DELIVER])
GUESS = bytes([WRONG, DELIVER, DELIVER | TO_SHOWER, DELIVER, HANG_UP | TO_SHOWER, WAIT | TO_SHOWER, 4])
PAIRING = {
    "pairs": PAIR,
    "pairs_in_parts": bytes([PART, 200, PART | TO_SHOWER, 200] * 5),
    "pairs_by_bytes": bytes([PART, 1] * 30 + [PART | TO_SHOWER, 1] * 68),
    "burnt": PAIR + bytes([RIGHT]) + PAIR,
    "wrong": GUESS,
    "used_up": GUESS * 3 + bytes([RIGHT]) + PAIR,
    "third_time": GUESS * 2 + bytes([RIGHT]) + PAIR,
    "no_pause": GUESS[:-2] + bytes([RIGHT]) + PAIR,
    "expired": bytes([WAIT, 255] * 5 + [RIGHT]) + PAIR,
    "timed_out": PAIR[:3] + bytes([WAIT | TO_SHOWER, 100, WAIT, 100]),
    "hang_up": PAIR[:2] + bytes([HANG_UP, HANG_UP | TO_SHOWER]),
    "inject_http": bytes([INJECT | TO_SHOWER, 14]) + b"GET / HTTP/1.1",
    "inject_version": bytes([INJECT | TO_SHOWER, 14, 0, 12, 2]) + b"shelf-pair\2",
    "inject_start": bytes([INJECT | TO_SHOWER, 68, 0, 66, 2]) + b"shelf-pair\1" + bytes(48) + b"\1I\0\0\0\0",
    "inject_refusal": PAIR[:1] + bytes([INJECT, 4, 0, 2, 4, 5]),
} | {
    f"flip_{message}_{at}": PAIR[:message] + bytes([FLIP | (TO_SHOWER if message % 2 else 0), at, 0]) + PAIR[message:]
    for message, at in [(0, 1), (0, 13), (0, 20), (1, 13), (1, 30), (2, 3), (2, 50), (3, 5), (3, 80), (4, 60), (5, 9), (6, 4),
                        (7, 10), (8, 3)]
}


def zstd(size, blocks):
    """A zstd frame by hand (RFC 8878): blocks are (type, bytes, length)."""
    out = b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", size)
    for i, (kind, data, length) in enumerate(blocks):
        out += struct.pack("<I", (i == len(blocks) - 1) | kind << 1 | length << 3)[:3] + data
    return out


def text(flags, data):
    return bytes([flags]) + struct.pack(">H", len(data)) + data


FULL = b"\xff\xff"
WIRE, TEXTS, ROUND_TRIP = range(3)
SLOW, FAST = 0, 255
FRAME = {
    "round_trip_empty": bytes([ROUND_TRIP, SLOW]),
    "round_trip_short": bytes([ROUND_TRIP, SLOW]) + b"hello",
    "round_trip_text": bytes([ROUND_TRIP, 1]) + b"a text that repeats itself, " * 40,
    "round_trip_zeros": bytes([ROUND_TRIP, FAST]) + bytes(5000),
    "wire_empty": bytes([WIRE, SLOW]),
    "wire_short": bytes([WIRE, SLOW, 0, 16]) + bytes(16),
    "wire_forged": bytes([WIRE, 9, 0, 20]) + bytes(20),
    "wire_cut": bytes([WIRE, FAST]) + FULL + bytes(100),
    "goodbye": bytes([TEXTS, SLOW]) + text(0, b"one") + text(4, b"") + b"\0",
    "after_goodbye": bytes([TEXTS, FAST]) + text(4, b"") + text(0, b"x"),
    "pieces": bytes([TEXTS, FAST]) + b"\1" + FULL + b"\1" + FULL + text(0, b"end") + text(4, b"") + b"\0",
    "pieces_slow": bytes([TEXTS, 100]) + b"\1" + FULL + text(0, b"end"),
    "endless": bytes([TEXTS, FAST]) + (b"\1" + FULL) * 70,
    "short_piece": bytes([TEXTS, FAST]) + text(1, b"x"),
    "empty_last": bytes([TEXTS, FAST]) + b"\1" + FULL + text(0, b"") + b"\0",
    "unknown_flag": bytes([TEXTS, FAST]) + text(8, b"x"),
    "zstd_raw": bytes([TEXTS, FAST]) + text(2, zstd(5, [(0, b"hello", 5)])),
    "zstd_repeat": bytes([TEXTS, FAST]) + text(2, zstd(600, [(1, b"x", 600)])),
    "zstd_bomb": bytes([TEXTS, FAST]) + text(2, zstd(131072, [(1, b"x", 131072)])),
    "zstd_bomb_large": bytes([TEXTS, FAST]) + text(2, zstd(1 << 31, [(1, b"x", 131072)] * 16)),
    "zstd_more_than_said": bytes([TEXTS, FAST]) + text(2, zstd(5, [(1, b"x", 6)])),
    "zstd_less_than_said": bytes([TEXTS, FAST]) + text(2, zstd(7, [(1, b"x", 6)])),
    "zstd_two": bytes([TEXTS, FAST]) + text(2, zstd(5, [(0, b"hello", 5)]) * 2),
    "zstd_skippable": bytes([TEXTS, FAST]) + text(2, b"\x50\x2a\x4d\x18\1\0\0\0x"),
    "zstd_cut": bytes([TEXTS, FAST]) + text(2, zstd(5, [(0, b"hello", 5)])[:-2]),
    "mixed": bytes([TEXTS, FAST]) + b"\3" + FULL + text(0, b"x"),
}



def beacon(flags, port, instance, body, version=1, magic=b"\xd5shb"):
    """A datagram as it comes off the network (first byte of the input: 0)."""
    return b"\0" + magic + bytes([version, flags]) + struct.pack(">HQ", port, instance) + body


OPEN, LEAVING = 1, 2
BEACON = {
    "open": beacon(OPEN, 4000, 1, b"\7Kitchen"),
    "open_nameless": beacon(OPEN, 65535, 2, b"\0"),
    "open_longest": beacon(OPEN, 1, 3, b"\xff" + b"x" * 255),
    "open_leaving": beacon(OPEN | LEAVING, 4000, 1, b"\5Caf\xc3\xa9"),
    "open_unknown_flags": beacon(0xFF, 4000, 1, b"\1x"),
    "bad_name_control": beacon(OPEN, 4000, 1, b"\4\x1b[2J"),
    "bad_name_utf8": beacon(OPEN, 4000, 1, b"\2\xff\xfe"),
    "bad_name_slash": beacon(OPEN, 4000, 1, b"\3a/b"),
    "bad_name_nul": beacon(OPEN, 4000, 1, b"\3a\0b"),
    "bad_name_short": beacon(OPEN, 4000, 1, b"\4x"),
    "bad_name_trailing": beacon(OPEN, 4000, 1, b"\1xy"),
    "bad_port": beacon(OPEN, 0, 1, b"\1x"),
    "bad_version": beacon(OPEN, 4000, 1, b"\1x", version=2),
    "bad_magic": beacon(OPEN, 4000, 1, b"\1x", magic=b"\x2e\xa7\xd9\x0b"),
    "bad_cut": beacon(OPEN, 4000, 1, b"")[:-1],
    "bad_no_body": beacon(OPEN, 4000, 1, b""),
    "bad_long": beacon(OPEN, 4000, 1, bytes(600)),
    "sealed_forged": beacon(0, 4000, 1, bytes(56)),
    "sealed_short": beacon(LEAVING, 4000, 1, bytes(55)),
    "sealed_long": beacon(0, 4000, 1, bytes(57)),
    "round_trip": b"\1" + bytes(range(35)),
    "round_trip_leaving": b"\1" + bytes([LEAVING]) + b"\xff" * 34,
    "round_trip_short": b"\1\0\1",
}


HELLO, RANGE, RANGE_REQUEST, SNAPSHOT_REQUEST, SNAPSHOT, ACKS, HEARTBEAT, ERROR, GOODBYE = range(1, 10)
LOG, ENTRY, HASH = 0, 17, bytes([7] * 32)
vector = [12345, [[KEY1, 5, HLC, [[LOG, 3, 1, HLC, HASH], [LOCATION, 2, True, 99], [ENTRY, 7, False, 0]]],
                  [KEY1, 6, HLC + 1, [[LOG, 0, 0, 0, b""]]]]]
stream, entries = [KEY1, 5, LOG], [KEY1, 5, ENTRY]


def leb(*numbers):
    out = b""
    for n in numbers:
        while n >= 128:
            out += bytes([n & 127 | 128])
            n >>= 7
        out += bytes([n])
    return out


def zigzag(*numbers):
    return leb(*[n * 2 if n >= 0 else -n * 2 - 1 for n in numbers])


# Two entries: the root of a location, and a file in it.
columns = [zigzag(1, 2), zigzag(1 << 40, 0), zigzag(0, 1), zigzag(0, 1), leb(0, 5) + b"a.jpg", leb(0o40755, 0o100644), leb(0, 1000),
           zigzag(1760000000000000000, -5), leb(0, 16) + bytes(16), leb(0, 0)]
rows = pack([2, *columns])


def pushed(where, body, since=0, upto=3, head=3, listing=False, digest=b""):
    return pack([RANGE, 0, where, HLC, since, upto, head, 0, listing, digest, body])


def changed(column, data):
    return pushed(entries, pack([2, *columns[:column], data, *columns[column + 1:]]))


MESSAGE = {
    "hello": pack([HELLO, 1, 1, "shelf 1.0", KEY1, KEY1, 1760000000000, 5, 4000, good, vector]),
    "hello_alone": pack([HELLO, 1, 3, "", KEY1, KEY1, 0, 0, 0, b"", [0, []]]),
    "hello_of_later": pack([HELLO, 2, 3, [1, 2, 3], {}]),
    "hello_later_kinds": pack([HELLO, 1, 2, "", KEY1, KEY1, 0, 0, 0, b"", [0, [[KEY1, 5, 1, [[LOG, 0, 0, 0, b""], [40, 9, True, 1]]]]]]),
    "bad_hello_parts": pack([HELLO, 1, 1, "", KEY1, KEY1, 0, 0, 0, b"", [0, []], 1]),
    "heartbeat": pack([HEARTBEAT, 1760000000000, 5, 50, 77, 78, True, vector]),
    "range_log": pushed(stream, pack(record(tag)) + pack(good), upto=2, head=2, digest=HASH),
    "range_rows": pushed(entries, rows),
    "range_list": pushed(entries, rows, listing=True, head=90, upto=3),
    "range_empty": pushed(entries, b"", since=9, upto=9, head=9),
    "range_location": pushed([KEY1, 5, LOCATION], pack([1, zigzag(4), zigzag(-3), leb(4) + b"here", leb(5) + b"/home", leb(0), leb(1),
                                                      leb(9), leb(0)]), upto=4, head=4),
    "range_volume": pushed([KEY1, 5, 19], pack([1, zigzag(4), zigzag(9), leb(4) + b"disk", leb(4) + b"ext4", leb(1 << 40), leb(1)]),
                           upto=4, head=4),
    "range_audit": pushed([KEY1, 5, 18], pack([1, zigzag(4), zigzag(9), zigzag(HLC >> 16), leb(3) + b"add", leb(1) + b"x", leb(0)]),
                          upto=4, head=4),
    "request": pack([RANGE_REQUEST, 9, stream, 3, 0, False, HASH, 5000, 65536]),
    "request_list": pack([RANGE_REQUEST, 9, entries, 3, 2, True, b"", 1, 1]),
    "snapshot_request": pack([SNAPSHOT_REQUEST, 3, b""]),
    "snapshot": pack([SNAPSHOT, 3, b"rows", b"cursor", vector]),
    "acks": pack([ACKS, [[KEY1, KEY1, 5, LOG, 3, HLC], [KEY1, KEY1, 5, ENTRY, 9, 0]]]),
    "error": pack([ERROR, 2, 9, "another history"]),
    "goodbye": pack([GOODBYE, 0, 0, ""]),
    "bad_empty": b"",
    "bad_kind": pack([10, 1]),
    "bad_parts": pack([GOODBYE, 0, 0]),
    "bad_trailing": pack([GOODBYE, 0, 0, ""]) + b"\0",
    "bad_text": pack([GOODBYE, 0, 0, "\x1b[2J"]),
    "bad_versions": pack([HELLO, 3, 1, "", KEY1, KEY1, 0, 0, 0, b"", [0, []]]),
    "bad_vector_order": pack([HEARTBEAT, 0, 0, 0, 0, 0, False, [0, [[KEY1, 5, 1, [[ENTRY, 1, True, 0], [LOG, 0, 0, 0, b""]]]]]]),
    "bad_vector_kind": pack([HEARTBEAT, 0, 0, 0, 0, 0, False, [0, [[KEY1, 5, 1, [[TAG, 1, True, 0]]]]]]),
    "bad_vector_hash": pack([HEARTBEAT, 0, 0, 0, 0, 0, False, [0, [[KEY1, 5, 1, [[LOG, 3, 1, HLC, b""]]]]]]),
    "bad_range_backwards": pushed(entries, b"", since=9, upto=3, head=9),
    "bad_range_nowhere": pushed(entries, b"", since=3, upto=3, head=9),
    "bad_range_log_list": pushed(stream, b"", listing=True),
    "bad_range_long": pushed(stream, b"", upto=1 << 40, head=1 << 40),
    "bad_rows_version": changed(0, zigzag(2, -1)),
    "bad_rows_root_named": changed(4, leb(1, 5) + b"xa.jpg"),
    "bad_rows_nameless": changed(4, leb(0, 0)),
    "bad_rows_slash": changed(4, leb(0, 5) + b"a/jpg"),
    "bad_rows_nul": changed(4, leb(0, 5) + b"a\0jpg"),
    "bad_rows_own_parent": changed(3, zigzag(0, 2)),
    "bad_rows_mode": changed(5, leb(0o40755, 0o644)),
    "bad_rows_content": changed(8, leb(0, 15) + bytes(15)),
    "bad_rows_deleted": changed(9, leb(0, 2)),
    "bad_rows_size": changed(6, leb(0, 1 << 63)),
    "bad_rows_long_number": changed(6, leb(0) + b"\x80\0"),
    "bad_rows_left_over": changed(6, leb(0, 1, 2)),
    "bad_rows_short": changed(4, leb(0)),
    "bad_rows_lengths": changed(4, leb(0, 6) + b"a.jpg"),
    "bad_rows_count": pushed(entries, pack([1 << 40, *columns])),
    "bad_request_zero": pack([RANGE_REQUEST, 0, stream, 3, 0, False, HASH, 5000, 65536]),
    "bad_request_rows": pack([RANGE_REQUEST, 9, stream, 3, 0, False, HASH, 1 << 20, 65536]),
    "bad_acks_order": pack([ACKS, [[KEY1, KEY1, 5, ENTRY, 9, 0], [KEY1, KEY1, 5, LOG, 3, HLC]]]),
    "bad_acks_count": b"\x92\x06\xdd\xff\xff\xff\xff",
}

CORPORA = {"beacon": BEACON, "message": MESSAGE, "change": CHANGE, "cursor": CURSOR, "registers": REGISTERS, "noise": NOISE, "pairing": PAIRING, "frame": FRAME}
for target, files in CORPORA.items():
    folder = HERE / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
