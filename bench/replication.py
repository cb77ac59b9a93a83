"""The rows of bench/run about several devices: what travels, how fast, and what it costs when nothing does."""

import glob
import os
import shutil
import sqlite3
import statistics
import sys
import time

from devices import Cable, Device, Peak, wait

MILLION, SMALL = "10000x99", "10x99"
ENTRIES = 1_000_000
LINKS = 10_000


def say(text):
    print(f"# {text}", file=sys.stderr, flush=True)


def number_printed(text):
    return float(text.strip().splitlines()[-1])


def home(bench, name):
    path = bench.path(name)
    os.mkdir(path)
    return path


def bare_insert(bench, what, shape):
    database = bench.path("bare.db")
    seconds = number_printed(bench.run(*bench.pin, bench.tool("sqlite_insert"), what, database, bench.schema, shape))
    for name in glob.glob(database + "*"):
        os.unlink(name)
    return seconds


def query(device, sql):
    db = sqlite3.connect(f"file:{device.lib}/database.db?mode=ro", uri=True)
    try:
        return db.execute(sql).fetchone()
    finally:
        db.close()


class Gone:
    """A tree whose folder is away, as a disk that is not plugged in: nothing is scanned or hashed meanwhile."""

    def __init__(self, path):
        self.path, self.away = path, path + ".away"

    def __enter__(self):
        os.rename(self.path, self.away)

    def __exit__(self, *_):
        os.rename(self.away, self.path)


def last_path(owner):
    """Below the location, of the entry with the highest version."""
    return query(owner, """
        WITH RECURSIVE up (parent, path) AS (
            SELECT parent, name FROM entry
             WHERE version = (SELECT max(version) FROM entry WHERE deleted = 0 AND parent <> 0)
            UNION ALL
            SELECT e.parent, e.name || '/' || up.path FROM up JOIN entry e ON e.id = up.parent WHERE e.parent <> 0)
        SELECT path FROM up ORDER BY length(path) DESC LIMIT 1""")[0]


# --- a whole library ----------------------------------------------------------------------------------------------

def take_over(bench, owner, guest, cable, last):
    """Seconds until the last entry is listed, MiB of the larger daemon, bytes on the wire."""
    cable.pull()
    owner.start(mounted=False, settled=False)
    guest.start(settled=False)
    peak = Peak(owner, guest)
    cable.plug()
    wait(lambda: cable.opened, "the connection", 120, 0.002)
    start = cable.opened
    where = os.path.join(guest.mnt, "devices", owner.name, "tree", last)
    seconds = wait(lambda: os.lstat(where), "the last entry", 1800) - start
    mib = peak.end()
    _, sent = cable.settle()
    say(f"taken over in {seconds:.1f} s: {sent:,} bytes, private memory {peak.mib}")
    listed = query(guest, "SELECT count(*) FROM entry WHERE deleted = 0")[0]
    if listed != query(owner, "SELECT count(*) FROM entry WHERE deleted = 0")[0]:
        raise RuntimeError(f"{listed} entries are there")
    guest.stop()
    owner.stop()
    return seconds, mib, sent


def hash_all(owner):
    say("computing content ids")
    owner.start(mounted=False)
    wait(lambda: owner.compared(hashed=True), "all content ids", 3600, 1)
    owner.stop()


def new_device(bench):
    """1,000,000 entries to a new device, without content ids and then with them, to another new device."""
    where, tree = home(bench, "new"), bench.tree(MILLION)
    owner = Device(bench, "owner", where)
    owner.create()
    cable = Cable(owner.port)
    rounds = max(1, bench.repeat // 2)
    guests = [Device(bench, f"guest{i}", where) for i in range(2 * rounds)]
    owner.start(mounted=False)
    for guest in guests:
        owner.let_in(guest, cable.port)
    owner.stop()
    say("scanning")
    owner.on("location", "add", tree, "--name", "tree")
    for what, text, limit in (("entries", "without content ids", 40), ("contents", "with content ids", 56)):
        if what == "contents":
            hash_all(owner)
        last, ours, theirs = last_path(owner), [], []
        with Gone(tree):
            for i in range(rounds):
                ours.append(take_over(bench, owner, guests.pop(), cable, last))
                theirs.append(bare_insert(bench, what, MILLION))
        name = f"1,000,000 to a new device, {text}"
        bench.row(f"{name} / insert", [o[0] for o in ours], theirs, 2.5)
        bench.row("    bytes for each on the wire", [o[2] / 1_000_000 for o in ours], None, limit, "bytes")
        bench.row("    private memory, the larger daemon", [o[1] for o in ours], None, 128, "MiB")
    cable.close()


# --- real names ---------------------------------------------------------------------------------------------------

def skeleton(source, target):
    """Names, sizes and times of a real tree, without its bytes."""
    for folder, dirs, files in os.walk(source):
        here = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(here, exist_ok=True)
        for name in files:
            old, new = os.path.join(folder, name), os.path.join(here, name)
            st = os.lstat(old)
            if os.path.islink(old):
                os.symlink(os.readlink(old), new)
            else:
                with open(new, "wb") as f:
                    f.truncate(st.st_size)
            os.utime(new, ns=(st.st_atime_ns, st.st_mtime_ns), follow_symlinks=False)


def real_names(bench):
    """What 1,000,000 made-up names do not show: bytes for each entry of a tree as it is found on a disk."""
    where, tree = home(bench, "names"), os.path.join(bench.trees, "usr")
    if not os.path.isdir(tree):
        skeleton("/usr", tree)
    count = sum(len(dirs) + len(files) for _, dirs, files in os.walk(tree))
    owner, guests = Device(bench, "owner", where), [Device(bench, name, where) for name in ("guest0", "guest1")]
    owner.create()
    cable = Cable(owner.port)
    owner.start(mounted=False)
    for guest in guests:
        owner.let_in(guest, cable.port)
    owner.stop()
    owner.on("location", "add", tree, "--name", "tree")
    say(f"{count:,} entries of /usr")
    for text, limit in (("without", 40), ("with", 56)):
        if text == "with":
            hash_all(owner)
        last = last_path(owner)
        with Gone(tree):
            _, _, sent = take_over(bench, owner, guests.pop(), cable, last)
        bench.row(f"names of /usr, {text} content ids", [sent / count], None, limit, "bytes")
    cable.close()


# --- one change ---------------------------------------------------------------------------------------------------

def family(bench, name, count, cabled=False):
    """An owner with a small tree and `count` guests, all running, mounted and in step; and the cable, if there is one."""
    where, tree = home(bench, name), bench.tree(SMALL)
    owner = Device(bench, "owner", where)
    guests = [Device(bench, f"guest{i}", where) for i in range(count)]
    owner.create()
    owner.on("location", "add", tree, "--name", "tree")
    cable = Cable(owner.port) if cabled else None
    owner.start()
    for guest in guests:
        owner.let_in(guest, cable.port if cable else None)
        guest.start()
    for guest in guests:
        wait(lambda g=guest: owner.sees(g), f"{guest.name} online", 60, 0.1)
        wait(lambda g=guest: len(os.listdir(os.path.join(g.mnt, "devices", "owner", "tree"))) == 10, "the tree", 60)
    return owner, guests, cable


def one_link(bench):
    """`ln -s` on one device until readlink works on the other: both idle, one link at a time."""
    owner, (guest,), _ = family(bench, "link", 1)
    os.mkdir(os.path.join(owner.mnt, "tags", "t"))
    wait(lambda: os.path.isdir(os.path.join(guest.mnt, "tags", "t")), "the tag", 20)
    tree = os.path.join(owner.mnt, "devices", "owner", "tree")
    files = [f"{d}/{f}" for d in sorted(os.listdir(tree)) for f in sorted(os.listdir(os.path.join(tree, d)))]
    ours, calls, commits = [], [], []
    database = commit_database(bench)
    for i in range(100):
        here, there = (os.path.join(d.mnt, "tags", "t", f"link{i}") for d in (owner, guest))
        time.sleep(0.2)  # until a broadcast is no longer held back for the one before
        commits.append(one_commit(database, i))
        time.sleep(0.2)
        start = time.perf_counter()
        os.symlink(f"../../devices/owner/tree/{files[i]}", here)
        calls.append(time.perf_counter() - start)
        ours.append(wait(lambda: os.readlink(there), "the link", 20, 0.0002) - start)
    database.close()
    trip = number_printed(bench.run(*bench.pin, bench.tool("round_trip"), "100"))
    say(f"a commit {1e6 * statistics.median(commits):.0f} us, a round trip {trip * 1e6:.0f} us; "
        f"until symlink(2) returns {1e6 * statistics.median(calls):.0f} us")
    bench.row("ln -s until readlink works there / commit + trip", [1000 * t for t in ours],
              [1000 * (t + trip) for t in commits], 4, "ms")
    owner.stop()
    guest.stop()


def commit_database(bench):
    db = sqlite3.connect(bench.path("commits.db"), isolation_level=None)
    db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE line (id INTEGER PRIMARY KEY, text TEXT)")
    return db


def one_commit(db, i):
    """Seconds for a row appended, on a disk that is as idle as it is for the link that follows."""
    start = time.perf_counter()
    db.execute("INSERT INTO line VALUES (?, 'a line')", (i,))
    return time.perf_counter() - start


# --- many changes -------------------------------------------------------------------------------------------------

def tag_many(bench, owner, name):
    """Seconds for it."""
    tag = os.path.join(owner.mnt, "tags", name)
    os.mkdir(tag)
    return number_printed(bench.run(*bench.pin, bench.tool("tagger"), tag, "../../devices/owner/tree", "1000x99", str(LINKS)))


def many_links(bench):
    """10,000 taggings on one device until all are on the other; then until nobody keeps a log of them. For comparison, the
    same before there is another device."""
    where, tree = home(bench, "links"), bench.tree("1000x99")
    owner, guest = (Device(bench, name, where) for name in ("owner", "guest"))
    owner.create()
    owner.on("location", "add", tree, "--name", "tree")
    owner.start()
    wait(lambda: owner.compared(hashed=True), "all content ids", 600, 0.5)
    alone = [tag_many(bench, owner, f"alone{i}") for i in range(bench.repeat)]
    owner.let_in(guest)
    guest.start()
    wait(lambda: owner.sees(guest), "the guest online", 60, 0.1)
    wait(lambda: query(guest, "SELECT count(*) FROM entry WHERE content IS NOT NULL")[0] == 99_000, "the tree there", 600, 0.5)
    ours, theirs, logs = [], [], []
    for i in range(bench.repeat):
        live = query(owner, "SELECT count(*) FROM pair WHERE live = 1")[0]
        start = time.perf_counter()
        theirs.append(tag_many(bench, owner, f"t{i}"))
        there = wait(lambda: query(guest, "SELECT count(*) FROM pair WHERE live = 1")[0] == live + LINKS, "the links", 300, 0.02)
        ours.append(there - start)
        empty = wait(lambda: owner.metric("log_records") == 0 and guest.metric("log_records") == 0, "an empty log", 60, 0.02)
        logs.append(empty - there)
    bench.row(f"{LINKS:,} taggings until all are there / made", ours, theirs, 1.5)
    bench.row("    the same / made before there is a guest", ours, alone, None)
    bench.row("    until the log is empty on both", logs, None, 2)
    owner.stop()
    guest.stop()


# --- reconnecting -------------------------------------------------------------------------------------------------

def in_step(bench, name, shape):
    """Owner and guest of a tree of its own, with a cable, both served; nothing left to say."""
    where, tree = home(bench, name), os.path.join(bench.trees, f"empty-{shape}")
    bench.run(bench.tool("mktree"), tree, shape)
    owner, guest = (Device(bench, n, where) for n in ("owner", "guest"))
    owner.create()
    cable = Cable(owner.port)
    owner.start(mounted=False)
    owner.let_in(guest, cable.port)
    owner.stop()
    owner.on("location", "add", tree, "--name", "tree")
    owner.start(mounted=False)
    guest.start(mounted=False)
    count = entries(owner)
    wait(lambda: entries(guest) == count, "the tree there", 900, 0.2)
    cable.settle()
    return owner, guest, cable, tree


def entries(device):
    return query(device, "SELECT count(*) FROM entry WHERE deleted = 0 AND version > 0")[0]


def last_version(device):
    return query(device, "SELECT max(version) FROM entry WHERE location = 1")[0]


def reconnects(bench, owner, guest, cable, tree, rounds):
    """Lists of (seconds, bytes): nothing new, and 1,000 files that were made while the cable was pulled."""
    nothing, thousand = [], []
    for i in range(rounds):
        cable.pull()
        wait(lambda: not owner.sees(guest), "the cut", 60, 0.1)
        cable.plug()
        nothing.append(cable.settle())
        cable.pull()
        wait(lambda: not owner.sees(guest), "the cut", 60, 0.1)
        folder, before = os.path.join(tree, f"new{i}"), last_version(owner)
        os.mkdir(folder)
        for k in range(1000):
            open(os.path.join(folder, f"file{k}"), "wb").close()
        wait(lambda: last_version(owner) - before >= 1001, "the files in the catalogue", 120, 0.2)
        wait(lambda: owner.compared(hashed=True), "the scan", 120, 0.2)
        version = last_version(owner)
        cable.plug()
        wait(lambda: cable.opened, "a connection", 600, 0.0005)
        start = cable.opened
        took = wait(lambda: last_version(guest) >= version, "the files there", 120, 0.002) - start
        thousand.append((took, cable.settle()[1]))
    return nothing, thousand


def reconnect(bench):
    rounds, figures = max(3, bench.repeat), {}
    for name, shape in (("few", SMALL), ("million", MILLION)):
        owner, guest, cable, tree = in_step(bench, name, shape)
        figures[name] = reconnects(bench, owner, guest, cable, tree, rounds)
        owner.stop()
        guest.stop()
        cable.close()
        shutil.rmtree(tree)
    nothing, thousand = figures["million"]
    bench.row("reconnect of 1,000,000, nothing new", [1000 * n[0] for n in nothing], None, 50, "ms")
    bench.row("    bytes, both ways", [n[1] for n in nothing], None, 4096, "bytes")
    bench.row("reconnect, 1,000 new / the same among 1,000", [1000 * t[0] for t in thousand],
              [1000 * t[0] for t in figures["few"][1]], 1.5, "ms")
    bench.row("    bytes, both ways", [t[1] for t in thousand], [t[1] for t in figures["few"][1]], 1.5, "bytes")


# --- nothing ------------------------------------------------------------------------------------------------------

def idle(bench):
    """A daemon with five peers, and a node with fifty, when nobody has anything to say."""
    owner, guests, _ = family(bench, "idle", 5)
    time.sleep(30)
    busy = []
    for _ in range(bench.repeat):
        before, start = owner.busy_s(), time.perf_counter()
        time.sleep(20)
        busy.append(100 * (owner.busy_s() - before) / (time.perf_counter() - start))
    for device in (owner, *guests):
        device.stop()
    bench.row("idle daemon with 5 peers, of one processor", busy, None, 0.5, "%")
    rows = [[float(word) for word in bench.run(*bench.pin, bench.tool("net_peers"), "50", "30").split()]
            for _ in range(max(1, bench.repeat // 2))]
    bench.row("node with 50 idle peers, of one processor", [100 * row[0] for row in rows], None, 1, "%")
    bench.row("    private memory", [row[1] for row in rows], None, 8, "MiB")


ROWS = [new_device, real_names, one_link, many_links, reconnect, idle]
