"""The rows of bench/run about several devices: what travels, how fast, and what it costs when nothing does."""

import glob
import os
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
        SELECT p.name || '/' || e.name FROM entry e JOIN entry p ON p.id = e.parent
         WHERE e.version = (SELECT max(version) FROM entry WHERE deleted = 0 AND parent <> 0)""")[0]


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


ROWS = [new_device]
