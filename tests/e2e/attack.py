#!/usr/bin/env python3
"""Devices with an enemy on their network: who listens, who stands in the middle, who pretends to be one of them, who floods."""

import json
import os
import select
import shutil
import sqlite3
import subprocess
import time

import lan
import lib
from lib import check, equal, must, within

lan.enter()

# --- the enemy: programs that run on a device of its own ---------------------------------------------------------------

# Passes connections on to another address; bends one bit of the N-th piece that comes from the side that dialled (odd) or
# from the other one (even). Prints all that it saw, in hexadecimal, one connection in a line.
MIDDLE = r"""
import select, socket, sys
target, bend = (sys.argv[1], int(sys.argv[2])), int(sys.argv[3])
listener = socket.create_server(("0.0.0.0", 4600))
print("there", flush=True)
while True:
    guest = listener.accept()[0]
    host = socket.create_connection(target)
    seen, pieces, going = b"", {guest: 0, host: 0}, True
    while going:
        for end in select.select([guest, host], [], [])[0]:
            try:
                piece = end.recv(65536)
                seen += piece
                pieces[end] += 1
                if piece and bend and pieces[end] * 2 - (end is guest) == bend:
                    piece = piece[:-1] + bytes([piece[-1] ^ 1])
                (host if end is guest else guest).sendall(piece)
            except OSError:
                piece = b""
            going = going and bool(piece)
    guest.close()
    host.close()
    print(seen.hex(), flush=True)
"""

# Listens where another device was, says nonsense, and prints what each caller said.
PRETENDER = r"""
import os, socket, sys
listener = socket.create_server(("0.0.0.0", int(sys.argv[1])))
print("there", flush=True)
while True:
    caller = listener.accept()[0]
    caller.settimeout(1)
    seen = b""
    try:
        while True:
            piece = caller.recv(65536)
            if not piece:
                break
            seen += piece
            caller.sendall(os.urandom(48))
    except OSError:
        pass
    caller.close()
    print(seen.hex(), flush=True)
"""

# Garbage connections, connections that say a byte now and then, and nonsense in masses, for some seconds.
FLOOD = r"""
import os, socket, sys, time
address, seconds, calls = (sys.argv[1], int(sys.argv[2])), float(sys.argv[3]), int(sys.argv[4])
begin = b"shelf\0\x01"
slow = []
for i in range(100):
    try:
        s = socket.create_connection(address, 2)
        s.send(begin[:1 + i % 7])
        slow.append(s)
    except OSError:
        pass
for i in range(calls):
    try:
        s = socket.create_connection(address, 2)
        s.send((begin + (b"L", b"P")[i // 2 % 2] if i % 2 else b"") + os.urandom(i % 300))
        s.close()
    except OSError:
        pass
nonsense, sent, end = os.urandom(1 << 20), 0, time.monotonic() + seconds
while sent < 1 << 30 and time.monotonic() < end:
    try:
        s = socket.create_connection(address, 2)
        s.send(begin + (b"L", b"P")[(sent >> 20) % 2])
        s.settimeout(2)
        while sent < 1 << 30 and time.monotonic() < end:
            sent += s.send(nonsense)
    except OSError:
        pass
    finally:
        s.close()
print(sent)
"""


def begin(net, *names):
    devices = [net.device(name) for name in names]
    devices[0].create()
    devices[0].mount()
    return devices


def start(device, program, *args):
    process = device.python(program, *args)
    must(process.stdout.readline() == b"there\n", "the enemy is there")
    return process


def end(process):
    process.kill()
    return [bytes.fromhex(line.decode()) for line in process.communicate()[0].split()]


def port_of(device):
    """Where its daemon listens."""
    done = subprocess.run(["nsenter", "-t", str(device.net.pid), "-n", "ss", "-tlnHp"], capture_output=True, check=True)
    lines = [line for line in done.stdout.decode().splitlines() if "pid=" in line]
    must(lines, f"{device.name} listens: {done.stdout!r}")
    return int(lines[0].split()[3].rsplit(":", 1)[1])


def state_file(device, name):
    return os.path.join(device.state, os.listdir(device.state)[0], name)


def each_sees_the_other(a, b, seconds=30):
    within(seconds, "they see each other", lambda: a.sees(b) and b.sees(a))


def secrets_of(device):
    key = lib.read_file(state_file(device, "key"))
    must(len(key) == 32, "the key file holds the key")
    ident = next(d["id"] for d in device.devices().values() if d["this"])
    return {f"secret key of {device.name}": key, f"id of {device.name}": bytes.fromhex(ident.replace("-", ""))}


# --- the tests ---------------------------------------------------------------------------------------------------------


def listener(home):
    """Whoever listens to pairing and traffic learns no name, path, code or key."""
    with lan.Lan(home) as net:
        a, b = begin(net, "Kitchentable", "Bedroomlaptop")
        tape = net.listen()
        code, process = a.pair()
        done = b.join(code)
        equal(done.returncode, 0, f"it joins: {done.stderr!r}")
        process.communicate(timeout=30 * lib.PATIENCE)
        b.mount()
        each_sees_the_other(a, b)
        os.mkdir(os.path.join(a.real, "Taxreturns"))
        for i in range(20):
            lib.write_file(os.path.join(a.real, "Taxreturns", f"Evasion {i}.pdf"), b"Swissaccount " * (i + 1))
        a.on("location", "add", a.real, "--name", "Cellarsafe")
        a.on("tag", "add", "Confidentialtag", os.path.join(a.real, "Taxreturns", "Evasion 3.pdf"))
        within(20, "the tag travels", lambda: os.listdir(os.path.join(b.mnt, "tags", "Confidentialtag")))
        b.on("album", "add", "Secretalbum", os.path.join(b.mnt, "devices", a.name, "Cellarsafe", "Taxreturns", "Evasion 4.pdf"))
        within(20, "and back", lambda: os.listdir(os.path.join(a.mnt, "albums", "Secretalbum")))
        needles = {**secrets_of(a), **secrets_of(b), "code": code.encode(), "bare code": code.replace("-", "").encode()}
        for word in ("Bedroomlaptop", "Taxreturns", "Evasion", "Swissaccount", "Cellarsafe", "Confidentialtag", "Secretalbum", a.real,
                     b.real, "sdlibrary"):
            needles[word] = word.encode()
        must(b.python("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                      "s.sendto(b'Amonggoodfriends', ('10.7.0.1', 9))").wait() == 0, "the control was sent")
        tape.stop()
        check(tape.finds(b"Amonggoodfriends"), "the tape would have it")
        total = sum(len(data) for key, data in tape.streams().items() if key[0] == 6)
        check(total > 3000, f"and the traffic is on it: {total} bytes")
        for name, needle in needles.items():
            check(not tape.finds(needle), f"not on the wire: {name}")
        named = [key for key, data in tape.streams().items() if a.name.encode() in data]
        check(named and all(key[0] == 17 for key in named),
              f"the name of the device that shows a code is in its open beacon, as `discover` needs it, and nowhere else: {named}")


def middle(home):
    """One in the middle between guest and host: whatever is bent ends the run, and three end the code."""
    with lan.Lan(home) as net:
        a, b, enemy = begin(net, "desktop", "laptop", "enemy")
        port = port_of(a)
        for bend in (3, 2, 5):  # START after the preamble, REPLY's or what follows of the host, CONFIRM
            code, process = a.pair()
            relay = start(enemy, MIDDLE, a.address, port, bend)
            for i in range(3):
                time.sleep(1.1)  # the pause after a guess
                done = b.join(code, "--address", f"{enemy.address}:4600", "--wait", 4)
                check(done.returncode in (65, 69, 77), f"bent at {bend}, {i + 1}: it fails: {done.returncode} {done.stderr!r}")
                check(not os.path.exists(b.lib), "and nothing was made")
            seen = end(relay)
            equal(len(a.devices()), 1, "nobody was let in")
            for needle in (b"desktop", b"laptop", b"Test", code.encode(), code.replace("-", "").encode()):
                check(not any(needle in bytes for bytes in seen), f"the one in the middle sees no {needle!r}")
            if process.poll() is None and bend != 2:
                process.terminate()
            _, err = process.communicate(timeout=10 * lib.PATIENCE)
            check(process.returncode in (1, 77), f"no pairing came of it: {err!r}")
        code, process = a.pair()
        relay = start(enemy, MIDDLE, a.address, port, 0)
        done = b.join(code, "--address", f"{enemy.address}:4600", "--wait", 10)
        equal(done.returncode, 0, f"one that only passes on does no harm: {done.stderr!r}")
        process.communicate(timeout=10 * lib.PATIENCE)
        seen = end(relay)
        for needle in (b"desktop", b"laptop", b"Test", code.encode()):
            check(not any(needle in bytes for bytes in seen), f"and learns no {needle!r}")


def guesser(home):
    """One who tries codes has three tries; one who shows a code of its own learns nothing from who types another."""
    with lan.Lan(home) as net:
        a, b, enemy = begin(net, "desktop", "laptop", "enemy")
        code, process = a.pair()
        for letter in [c for c in "ACDE" if c != code[0]][:3]:
            time.sleep(1.1)
            done = enemy.join(letter + code[1:], "--address", f"{a.address}:{port_of(a)}", "--wait", 5)
            equal(done.returncode, 77, f"a wrong code: {done.stderr!r}")
        _, err = process.communicate(timeout=10 * lib.PATIENCE)
        equal(process.returncode, 77, f"three tries, then the code is dead: {err!r}")
        done = b.join(code, "--address", f"{a.address}:{port_of(a)}", "--wait", 2)
        check(done.returncode in (69, 77), f"for everybody: {done.returncode} {done.stderr!r}")
        enemy.create()
        enemy.mount()
        other, process = enemy.pair()
        must(other != code, "two codes")
        done = b.join(code, "--address", f"{enemy.address}:{port_of(enemy)}", "--wait", 5)
        equal(done.returncode, 77, f"the wrong device: {done.stderr!r}")
        check(b"wrong" in done.stderr, f"it says so: {done.stderr!r}")
        process.terminate()
        process.communicate(timeout=10 * lib.PATIENCE)
        equal(len(enemy.devices()), 1, "and that one knows nobody")


def pretender(home):
    """One who has a member's address but not its key gets nothing; a first message that is replayed has no effect."""
    with lan.Lan(home) as net:
        a, b, enemy = begin(net, "desktop", "laptop", "enemy")
        lan.let_in(a, b)
        tape = net.listen()
        b.mount()
        each_sees_the_other(a, b)
        a.on("tag", "list")
        tape.stop()
        port, own = port_of(b), port_of(a)
        b.unmount()
        b.pull()
        enemy.move_to(b.address)
        process = start(enemy, PRETENDER, port)
        a.on("device", "set", "laptop", "address", f"{b.address}:{port}")
        lan.ip("neigh", "flush", "dev", "eth0", pid=a.net.pid)
        within(40, "it is called", lambda: select.select([process.stdout], [], [], 0)[0])
        time.sleep(1)
        seen = end(process)
        check(all(len(said) < 200 for said in seen), f"callers say no more than their first message: {[len(s) for s in seen]}")
        for needle in (b"desktop", b"laptop", b"Test", *secrets_of(a).values()):
            check(not any(needle in said for said in seen), f"without {needle!r}")
        check(not a.sees(b), "and it is not taken for the other")
        firsts = [data for key, data in tape.streams().items() if key[0] == 6 and data.startswith(b"shelf\0")]
        check(firsts, "first messages are on the tape")
        replay = "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2]))); " \
                 "s.sendall(bytes.fromhex(sys.argv[3])); s.settimeout(8)\ntry:\n  while s.recv(4096): pass\nexcept OSError: pass"
        for data in firsts[:2]:
            must(enemy.python(replay, a.address, own, data.hex()).wait(timeout=20 * lib.PATIENCE) == 0, "it is replayed")
            check(not a.sees(b), "a replay makes nobody a peer")
        a.alive = os.listdir(a.mnt)
        check("devices" in a.alive, "and the mount lives")


def memory_of(pid):
    return int(next(line for line in lib.contents(f"/proc/{pid}/status").splitlines() if line.startswith(b"VmRSS")).split()[1])


def daemon_of(device):
    return max(lib.processes_naming(device.lib), key=memory_of)


def flood(home):
    """Garbage, callers that say a byte now and then, masses of nonsense: peers keep working, memory and log stay small."""
    with lan.Lan(home) as net:
        a, b, enemy = begin(net, "desktop", "laptop", "enemy")
        lan.let_in(a, b)
        b.mount()
        each_sees_the_other(a, b)
        lib.write_file(os.path.join(b.real, "file"))
        b.on("location", "add", b.real)
        pid, log = daemon_of(a), state_file(a, "log")
        memory, logged = memory_of(pid), os.path.getsize(log)
        seconds, calls = (3, 300) if lib.QUICK else (10, 10000)
        process = enemy.python(FLOOD, a.address, port_of(a), seconds, calls)
        number = 0
        while process.poll() is None:
            number += 1
            b.on("tag", "add", f"tag {number}", os.path.join(b.real, "file"))
            within(10, "a tag still travels", lambda: os.path.isdir(os.path.join(a.mnt, "tags", f"tag {number}")))
            check(a.sees(b), "they stay connected")
        sent = int(process.stdout.read())
        check(number > 2 and sent > 1 << 20, f"it was a flood: {sent} bytes, {number} tags")
        grown = memory_of(pid) - memory
        if not home.sanitizer_reports() and "sanitize" not in os.environ.get("SHELF_BIN", ""):
            check(grown < 24 * 1024, f"memory stays flat: {grown} KiB more")
        check(os.path.getsize(log) - logged < 64 * 1024, f"the log does not flood: {os.path.getsize(log) - logged} bytes more")
        print(f"  ({sent >> 20} MiB of nonsense, memory {grown:+} KiB, log {os.path.getsize(log) - logged:+} bytes, {number} tags)")


# What a member has that has no end, as its own database.db would hold it: the version of its stream is the last one's.
WITHOUT_END = {
    "locations": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO location"
                 " (device, prefix, name, path, deleted, version) SELECT 1, i, 'gone', '/gone', 1, 1000 + i FROM n;"
                 "UPDATE stream SET position = 6000 WHERE kind = 16",
    "volumes": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO volume"
               " (device, number, name, filesystem, capacity, version) SELECT 1, i, 'disk', 'ext4', 1, 1000 + i FROM n;"
               "UPDATE stream SET position = 6000 WHERE kind = 19",
}


def crowd(home):
    """A member with rows without end is refused by name, no more of it is taken than may be, and the others go on."""
    with lan.Lan(home) as net:
        a, c, *enemies = begin(net, "desktop", "server", "laptop", "tablet")
        for device in (c, *enemies):
            lan.let_in(a, device)
        c.mount()
        each_sees_the_other(a, c)
        for enemy, (what, sql) in zip(enemies, WITHOUT_END.items()):
            with sqlite3.connect(os.path.join(enemy.lib, "database.db")) as db:
                db.executescript(sql)
            db.close()
            enemy.mount()
            said = f"{enemy.name} sent something that it may not send"
            for device in (a, c):
                within(60, f"{what}: {device.name} refuses it by name",
                       lambda: any(said in e["text"] for e in json.loads(device.on("events", "--json", "--count", "1000"))))
                db = sqlite3.connect(f"file:{os.path.join(device.lib, 'database.db')}?mode=ro", uri=True)
                rows = db.execute(f"SELECT count(*) FROM {what[:-1]}").fetchone()[0]
                db.close()
                check(rows <= 4096, f"{what}: {device.name} has no more of them than may be: {rows}")
        lib.write_file(os.path.join(c.real, "file"))
        c.on("location", "add", c.real, "--name", "Archive")
        within(20, "the others go on", lambda: os.path.exists(os.path.join(a.mnt, "devices", "server", "Archive", "file")))


def core(home):
    """A core dump of the daemon holds neither its key nor a code."""
    if not shutil.which("gcore"):
        raise lib.Skip("gcore is missing (package gdb)")
    with lan.Lan(home) as net:
        a, b = begin(net, "desktop", "laptop")
        code, process = a.pair()
        equal(b.join(code).returncode, 0, "it joins")
        process.communicate(timeout=30 * lib.PATIENCE)
        b.mount()
        each_sees_the_other(a, b)
        lib.write_file(os.path.join(a.real, "Amonggoodfriends"))
        a.on("location", "add", a.real)
        for device in (a, b):
            path = os.path.join(device.dir, "core")
            done = subprocess.run(["gcore", "-o", path, str(daemon_of(device))], capture_output=True, timeout=120, check=False)
            if done.returncode:
                raise lib.Skip(f"gcore does not work here: {done.stderr.decode()[-200:]}")
            dump = lib.read_file(next(os.path.join(device.dir, n) for n in os.listdir(device.dir) if n.startswith("core.")))
            check(b"sdlibrary" in dump, "the dump is one of the daemon")
            check(lib.read_file(state_file(device, "key")) not in dump, f"{device.name}: the key is not in it")
            check(code.encode() not in dump, f"{device.name}: nor the code")
            check(code.replace("-", "").encode() not in dump, f"{device.name}: nor the bare code")


lan.run(flood, crowd, middle, pretender, guesser, core, listener)
