#!/usr/bin/env python3
"""Disks: an ext4 disk with a label holds a location. It is named, here and on another device; unplugged it is the one that
is asked for; plugged in again, elsewhere, it is the same one.

Runs itself in a mount namespace of its own, so that nothing it mounts is seen outside."""

import json
import os
import shutil
import subprocess

import lan
import lib
from family import family
from lib import check, equal, must, within, write_file

lib.own_namespace()
lan.enter()
os.environ["PATH"] += ":/sbin:/usr/sbin"

LABEL = "Photos 2TB"


class Disk:
    """A disk image that is mounted at `at` in the home's folder."""

    def __init__(self, home, label):
        if not shutil.which("mkfs.ext4"):
            raise lib.Skip("mkfs.ext4 is missing (package e2fsprogs)")
        self.image = os.path.join(home.dir, f"image of {label}")
        self.at = os.path.join(home.dir, "media")
        os.makedirs(self.at, exist_ok=True)
        with open(self.image, "wb") as f:
            f.truncate(16 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-L", label, self.image], check=True)

    def plug(self, at=None):
        done = subprocess.run(["mount", "-o", "loop", self.image, at or self.at], capture_output=True, check=False)
        if done.returncode:
            raise lib.Skip(f"no loop device: {done.stderr.decode().strip()}")

    def unplug(self):
        """As soon as the daemon has nothing open on it."""
        gone = lib.poll(lambda: subprocess.run(["umount", self.at], capture_output=True, check=False).returncode == 0, 20, 0.2)
        must(gone, "the disk can be unmounted while the daemon runs")


def listed(home, name):
    return next(row for row in json.loads(home.shelf("-l", home.lib, "location", "list", "--json")) if row["name"] == name)


def volumes(home):
    return home.rows("SELECT number, name, deleted, version FROM volume ORDER BY id")


def unplugged(home):
    """Its name is listed, and asked for while it is away; it is known again on another port."""
    disk, other = Disk(home, LABEL), Disk(home, "other")
    disk.plug()
    os.mkdir(os.path.join(disk.at, "pictures"))
    write_file(os.path.join(disk.at, "pictures", "a.jpg"), "a")
    home.ready()
    home.add(os.path.join(disk.at, "pictures"), "pictures")
    row = listed(home, "pictures")
    equal((row["device"], row["state"], row["disk"]["name"], row["disk"]["filesystem"]), ("here", "ready", LABEL, "ext4"), "listed")
    check(8 << 20 < row["disk"]["capacity_bytes"] < 16 << 20, f"its capacity: {row}")
    check(LABEL in home.shelf("-l", home.lib, "location", "list"), "in the table, too")
    check(listed(home, "real")["disk"]["name"] not in (None, LABEL), "the other location is on another disk")
    before = volumes(home)
    equal(len(before), 2, "two disks")

    disk.unplug()
    within(20, "it is seen that it is gone", lambda: listed(home, "pictures")["state"] == "offline")
    want = f"offline: its disk '{LABEL}' is not connected"
    check(want in home.shelf("-l", home.lib, "status"), "status says which disk to plug in")
    equal(listed(home, "pictures")["disk"]["name"], LABEL, "it still says on which disk it is")
    done = home.run("-l", home.lib, "location", "rescan", "pictures")
    check(done.returncode == 1 and f"its disk '{LABEL}' is not connected" in done.stderr.decode(), f"rescan says so: {done.stderr}")
    check(any(f"its disk '{LABEL}'" in e["text"] for e in json.loads(home.shelf("-l", home.lib, "events", "--json"))), "and an event")

    other.plug()  # takes the loop device that the disk had
    within(20, "another disk is not taken for it", lambda: want in home.shelf("-l", home.lib, "status"))
    other.unplug()
    blocker = os.path.join(home.dir, "elsewhere")
    os.mkdir(blocker)
    other.plug(blocker)
    disk.plug()
    within(20, "it is back", lambda: listed(home, "pictures")["state"] == "ready")
    equal(volumes(home), before, "the same disk, and nothing was written")
    home.unmount()
    home.mount()
    within(20, "compared", lambda: listed(home, "pictures")["state"] == "ready" and "scanning" not in home.shelf("-l", home.lib, "status"))
    equal(volumes(home), before, "a start writes nothing")
    home.check_clean("with disks")

    home.shelf("-l", home.lib, "location", "remove", "pictures")
    equal([v["deleted"] for v in volumes(home) if v["name"] == LABEL], [1], "the disk goes with its last location")
    home.add(os.path.join(disk.at, "pictures"), "again")
    equal([(v["number"], v["deleted"]) for v in volumes(home) if v["name"] == LABEL],
          [(v["number"], 0) for v in before if v["name"] == LABEL], "and is the same one when it comes back")
    home.check_clean("at the end")


def adopted(home):
    """A folder that was moved to another disk: after `rescan --adopt` that is its disk."""
    disk = Disk(home, "New disk")
    place = os.path.join(home.dir, "media")
    write_file(os.path.join(place, "a.jpg"), "a")
    home.ready()
    home.add(place, "pictures")
    check(listed(home, "pictures")["disk"]["name"] != "New disk", "on the first disk")
    disk.plug()
    within(20, "another disk is in its place", lambda: listed(home, "pictures")["state"] == "offline")
    home.shelf("-l", home.lib, "location", "rescan", "pictures", "--adopt")
    equal(listed(home, "pictures")["disk"]["name"], "New disk", "adopted")
    home.check_clean("adopted")


def elsewhere(home):
    """Another device knows on which disk of which device a location is."""
    with lan.Lan(home) as net:
        a, b = family(net, "desktop", "laptop")
        disk = Disk(home, LABEL)
        disk.plug()
        write_file(os.path.join(disk.at, "a.jpg"), "a")
        a.on("location", "add", disk.at, "--name", "pictures")

        def there():
            rows = json.loads(b.on("location", "list", "--json"))
            return [r for r in rows if r["name"] == "pictures" and r["device"] == "desktop" and r["disk"] is not None]

        within(20, "it is known on the other device", there)
        (row,) = there()
        equal((row["disk"]["name"], row["disk"]["filesystem"], row["state"]), (LABEL, "ext4", None), "with its name")
        text = b.on("location", "list")
        check("on desktop\n" in text and LABEL in text, f"in the table, too: {text}")
        equal([r["name"] for r in json.loads(b.on("status", "--json"))["locations"]], ["files"], "status shows those of its device")
        equal(b.run("-l", b.lib, "check").returncode, 0, "check is clean there")
        a.on("location", "remove", "pictures")
        within(20, "it goes there, too", lambda: "pictures" not in b.on("location", "list"))
        check("on desktop\n" in b.on("location", "list"), "its other location stays")
        b.on("device", "remove", "desktop")
        check("on desktop\n" not in b.on("location", "list"), "a device that was removed takes all with it")
        equal(b.run("-l", b.lib, "check").returncode, 0, "check is clean without it")


lib.run(unplugged, adopted, elsewhere)
