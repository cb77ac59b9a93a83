#!/usr/bin/env python3
"""One library on every device: changes made here are seen there, with real daemons, mounts and networks."""

import contextlib
import errno
import json
import os
import sqlite3
import subprocess
import time

import lan
import lib
from family import check_settled, family, trees_equal
from lib import check, equal, errno_of, must, within

lan.enter()


def link(device, tag, owner, path, name=None, kind="tags"):
    """`ln -s` of a file of `owner` into a tag on `device`."""
    target = os.path.join(device.mnt, "devices", owner.name, "files", path)
    os.symlink(target, os.path.join(device.mnt, kind, tag, name or os.path.basename(path)))


def live(home):
    """Locations, tags, albums and favorites of each device are seen on the others."""
    with lan.Lan(home) as net:
        a, b = family(net, "desktop", "laptop")
        trees_equal([a, b], 5, "what was added is there at once, not with the next heartbeat")
        remote = os.path.join(b.mnt, "devices", "desktop", "files", "folder 1", "desktop file 1.txt")
        equal(os.stat(remote).st_size, os.stat(os.path.join(a.real, "folder 1", "desktop file 1.txt")).st_size, "size of a peer's file")
        equal(errno_of(lambda: open(remote, "rb")), errno.EREMOTE, "opening it")
        os.mkdir(os.path.join(a.mnt, "tags", "holiday"))
        link(a, "holiday", a, "folder 1/desktop file 1.txt")
        there = os.path.join(b.mnt, "tags", "holiday", "desktop file 1.txt")
        within(5, "a tag made here is seen there", lambda: os.path.islink(there))
        equal(os.path.realpath(there), os.path.realpath(remote), "and leads to the file")
        link(b, "holiday", b, "folder 2/laptop file 2.txt")
        link(b, "holiday", a, "folder 3/desktop file 3.txt")
        within(5, "and the other way round", lambda: len(os.listdir(os.path.join(a.mnt, "tags", "holiday"))) == 3)
        os.rename(os.path.join(a.mnt, "tags", "holiday"), os.path.join(a.mnt, "tags", "summer"))
        within(5, "a rename", lambda: os.listdir(os.path.join(b.mnt, "tags")) == ["summer"])
        os.mkdir(os.path.join(b.mnt, "albums", "best"))
        os.rename(os.path.join(b.mnt, "tags", "summer", "desktop file 3.txt"), os.path.join(b.mnt, "albums", "best", "three.txt"))
        os.symlink(remote, os.path.join(b.mnt, "favorites", "fav"))
        within(5, "albums and favorites", lambda: os.path.islink(os.path.join(a.mnt, "albums", "best", "three.txt"))
               and os.path.islink(os.path.join(a.mnt, "favorites", "fav")))
        subprocess.run(["rm", "-r", os.path.join(a.mnt, "tags", "summer")], check=True)
        within(5, "rm -r", lambda: os.listdir(os.path.join(b.mnt, "tags")) == [])
        lib.write_file(os.path.join(a.real, "new.txt"), b"new")
        os.rename(os.path.join(a.real, "folder 0"), os.path.join(a.real, "renamed"))
        os.unlink(os.path.join(a.real, "folder 1", "desktop file 5.txt"))
        trees_equal([a, b], text="the trees are equal after changes of files")
        for device in (a, b):
            equal(device.run("-l", device.lib, "check").returncode, 0, f"check is clean on {device.name}")
        within(5, "the log is empty", lambda: "0 changes in the log" in a.on("status") and "0 changes in the log" in b.on("status"))


def apart(home):
    """Both work while they are apart; nothing is lost, whoever did what."""
    with lan.Lan(home) as net:
        a, b = family(net, "desktop", "laptop")
        os.mkdir(os.path.join(a.mnt, "tags", "both"))
        link(a, "both", a, "folder 1/desktop file 1.txt")
        link(a, "both", b, "folder 1/laptop file 1.txt") if os.path.exists(os.path.join(a.mnt, "devices/laptop/files/folder 1")) else None
        trees_equal([a, b])
        b.pull()
        os.mkdir(os.path.join(a.mnt, "tags", "Vacation"))
        os.mkdir(os.path.join(b.mnt, "tags", "Vacation"))
        link(a, "Vacation", a, "folder 2/desktop file 2.txt")
        link(b, "Vacation", b, "folder 2/laptop file 2.txt")
        subprocess.run(["rm", "-r", os.path.join(a.mnt, "tags", "both")], check=True)
        link(b, "both", a, "folder 3/desktop file 3.txt")
        os.mkdir(os.path.join(a.mnt, "tags", "one"))
        b.plug()
        trees_equal([a, b], 90)
        equal(sorted(os.listdir(os.path.join(a.mnt, "tags", "Vacation"))), ["desktop file 2.txt", "laptop file 2.txt"], "a union")
        equal(os.listdir(os.path.join(a.mnt, "tags", "both")), ["desktop file 3.txt"], "what was tagged meanwhile stays")


def line(home):
    """A and C never meet: B passes everything on."""
    with lan.Lan(home) as net:
        a, b, c = family(net, "one", "two", "three")
        trees_equal([a, b, c])
        for device in (a, c):
            device.unmount()
        c.mount("--no-discovery", "--listen", "127.0.0.1:4300")
        b_port = 4400
        b.unmount()
        b.mount("--no-discovery", "--listen", f":{b_port}")
        c.on("device", "set", "two", "address", f"{b.address}:{b_port}")
        within(40, "three sees two", lambda: c.sees(b))
        os.mkdir(os.path.join(c.mnt, "tags", "from three"))
        link(c, "from three", c, "folder 1/three file 1.txt")
        trees_equal([b, c])
        c.unmount()
        a.mount()
        within(40, "one sees two", lambda: a.sees(b))
        trees_equal([a, b], text="one gets three's changes from two")
        check("from three" in os.listdir(os.path.join(a.mnt, "tags")), "the tag is there")


def killed(home):
    """kill -9 of either daemon in the middle of changes, again and again."""
    rounds = 2 if lib.QUICK else 5
    with lan.Lan(home) as net:
        a, b = family(net, "desktop", "laptop")
        trees_equal([a, b])
        made = []
        for i in range(rounds):
            victim, other = (a, b) if i % 2 else (b, a)
            for k in range(30):
                for device in (victim, other):
                    tag = f"{device.name} {i} {k}"
                    os.mkdir(os.path.join(device.mnt, "tags", tag))
                    link(device, tag, device, f"folder {k % 4}/{device.name} file {k % 20 // 4 * 4 + k % 4}.txt", "x.txt")
                    made.append(tag)
            victim.kill()
            os.mkdir(os.path.join(other.mnt, "tags", f"meanwhile {i}"))
            made.append(f"meanwhile {i}")
            victim.mount()
        trees_equal([a, b], 90)
        equal(sorted(os.listdir(os.path.join(a.mnt, "tags"))), sorted(made), "every tag that was acknowledged is there")
        for device in (a, b):
            equal(device.run("-l", device.lib, "check").returncode, 0, f"check is clean on {device.name}")


def joined_late(home):
    """A device that joins gets everything, can be interrupted, and is usable meanwhile."""
    count = 3000 if lib.QUICK else 8000
    with lan.Lan(home) as net:
        a, b = net.device("desktop"), net.device("laptop")
        a.create()
        a.mount()
        for i in range(count // 100):
            os.mkdir(os.path.join(a.real, f"d{i}"))
            for k in range(100):
                lib.write_file(os.path.join(a.real, f"d{i}", f"f{k}"), b"")
        a.on("location", "add", a.real, "--name", "files", timeout=120)
        os.mkdir(os.path.join(a.mnt, "tags", "t"))
        for k in range(50):
            link(a, "t", a, f"d{k % 10}/f{k}")
        code, process = a.pair()
        joining = b.start("join", code, b.lib, "--device", "laptop")
        within(20, "it has joined", lambda: os.path.exists(os.path.join(b.lib, "database.db")))
        time.sleep(0.3)
        joining.terminate()
        joining.communicate(timeout=20 * lib.PATIENCE)
        process.communicate(timeout=20 * lib.PATIENCE)
        b.mount()
        trees_equal([a, b], 90, "the rest comes by itself")
        equal(len(os.listdir(os.path.join(b.mnt, "tags", "t"))), 50, "with all tags")


def paused(home):
    """`device set` of the device itself: nothing is exchanged, also after a restart, until it is on again."""
    with lan.Lan(home) as net:
        a, b = devices = family(net, "desktop", "laptop")
        trees_equal(devices)
        a.on("device", "set", "desktop", "sync", "off")
        status = a.on("status")
        check("Paused: resume with `shelf device set 'desktop' sync on`" in status, f"status says so, and what to do: {status}")
        equal(json.loads(a.on("status", "--json"))["state"], "Paused", "in JSON, too")
        check("shelf_state 4\n" in a.on("metrics"), "metrics")
        check("Paused:" in a.on("events"), "events")
        check("this device, sync off" in a.on("device", "list"), "device list")
        os.mkdir(os.path.join(a.mnt, "tags", "here"))
        os.mkdir(os.path.join(b.mnt, "tags", "there"))
        lib.write_file(os.path.join(b.real, "new.txt"), b"new")
        a.unmount()
        a.mount()
        within(20, "they are connected again", lambda: a.sees(b) and b.sees(a))
        time.sleep(12)  # a full heartbeat
        equal(json.loads(a.on("status", "--json"))["state"], "Paused", "still, after a restart")
        equal(os.listdir(os.path.join(a.mnt, "tags")), ["here"], "nothing comes")
        equal(os.listdir(os.path.join(b.mnt, "tags")), ["there"], "and nothing goes")
        check("new.txt" not in os.listdir(os.path.join(a.mnt, "devices", "laptop", "files")), "no files either")
        a.on("device", "set", "desktop", "sync", "on")
        trees_equal(devices, 5, "all of it, as soon as it is on")
        within(10, "it is ready", lambda: json.loads(a.on("status", "--json"))["state"] == "Ready")
        within(10, "and that is told", lambda: "Ready:" in a.on("events").splitlines()[-1])
        check_settled(devices)


def taken_out(home):
    """Locations that are removed, and devices; tags stay."""
    with lan.Lan(home) as net:
        a, b = family(net, "desktop", "laptop")
        trees_equal([a, b])
        os.mkdir(os.path.join(a.mnt, "tags", "t"))
        link(a, "t", b, "folder 1/laptop file 1.txt")
        within(5, "tagged", lambda: os.path.exists(os.path.join(b.mnt, "tags", "t")))
        b.on("location", "remove", "files")
        trees_equal([a, b])
        check("files" not in os.listdir(os.path.join(a.mnt, "devices", "laptop")), "a removed location is gone there, too")
        a.on("device", "rename", "laptop", "notebook")
        within(5, "a device that is renamed", lambda: "notebook" in os.listdir(os.path.join(b.mnt, "devices")))
        trees_equal([a, b])


def entries(device):
    with contextlib.closing(sqlite3.connect(f"file:{device.lib}/database.db?mode=ro", uri=True)) as c:
        return c.execute("SELECT count(*) FROM entry").fetchone()[0]


def removed_while_listed(home):
    """A location goes while a slow line brings it: its folders changed after their files, so they come last, or never."""
    with lan.Lan(home) as net:
        a, b = net.device("desktop"), net.device("laptop")
        a.create()
        a.mount()
        lan.let_in(a, b)
        b.mount()
        within(20, "they meet", lambda: a.sees(b) and b.sees(a))
        b.on("device", "set", "laptop", "sync", "off")
        many = os.path.join(a.dir, "many")
        for i in range(30000):
            if i % 500 == 0:
                os.makedirs(os.path.join(many, f"folder {i}"))
            os.mknod(os.path.join(many, f"folder {i - i % 500}", f"file {i}"))
        a.on("location", "add", many, "--name", "many", timeout=120)
        for folder, _, _ in os.walk(many):
            os.utime(folder, (1, 1000000000))
        a.on("location", "rescan", "many", timeout=120)
        a.on("device", "set", "laptop", "limit", "100k")
        b.on("device", "set", "laptop", "sync", "on")
        within(60, "the first of it is there", lambda: entries(b) > 4000)
        for i in range(20):  # so that what is told of the removal waits behind other things
            os.mkdir(os.path.join(a.mnt, "tags", f"tag {i}"))
        a.on("location", "remove", "many")
        check(entries(b) < 30000, "it was in the middle")
        trees_equal([a, b], 60)
        check_settled([a, b])


# In the short form what differs most in what it runs.
if lib.QUICK:
    lib.run(live, apart, joined_late)
lib.run(live, apart, line, killed, joined_late, paused, taken_out, removed_while_listed)
