#!/usr/bin/env python3
"""Set back, copied, cut off: a link that breaks in the middle of a large backfill, an old copy of the library put back, a copy
of the library on the same machine and on another, a device that is away while the log is cut, one that never returns."""

import json
import os
import random
import shutil
import subprocess
import time

import lan
import lib
from family import check_settled, family, put_back, save, trees_equal
from lib import check, equal, within

lan.enter()


def events(device):
    return [e["text"] for e in json.loads(device.on("events", "--json", "--count", "1000"))]


def entries(device, owner):
    """How many of the owner's entries the device knows; what a backfill moves."""
    done = subprocess.run(["sqlite3", "-readonly", os.path.join(device.lib, "database.db"), "SELECT count(*) FROM entry"],
                          capture_output=True, check=False)
    return int(done.stdout or 0)


def cut_off(home):
    """The link breaks again and again in the middle of a backfill of many entries; it goes on where it was."""
    folders, files = (20, 200) if lib.QUICK else (200, 500)
    with lan.Lan(home) as net:
        a, b = net.device("desktop"), net.device("laptop")
        for i in range(folders):
            os.mkdir(os.path.join(a.real, f"d{i}"))
            for k in range(files):
                os.mknod(os.path.join(a.real, f"d{i}", f"f{k}"))
        a.create()
        a.mount()
        a.on("location", "add", a.real, "--name", "files", timeout=120)
        code, process = a.pair()
        joining = b.start("join", code, b.lib, "--device", "laptop")
        within(20, "it has joined", lambda: os.path.exists(os.path.join(b.lib, "database.db")))
        joining.terminate()
        joining.communicate(timeout=20 * lib.PATIENCE)
        process.communicate(timeout=20 * lib.PATIENCE)
        b.mount()
        whole, cuts, least = folders * files, 0, 0
        for _ in range(4):
            lib.poll(lambda: entries(b, a) > least + whole // 8, 10, 0.02)
            b.pull()
            have = entries(b, a)
            check(have >= least, f"nothing is lost by a cut: {have} after {least}")
            least = have
            cuts += have < whole
            time.sleep(0.5)
            b.plug()
        print(f"  cut {cuts} times, the last at {least} of {whole}", flush=True)
        check(cuts > 0, "the link was cut in the middle")
        lib.poll(lambda: entries(b, a) >= whole, 60, 0.1)
        trees_equal([a, b], 60)
        check_settled([a, b])


def killed(home):
    """kill -9 of the giving and of the taking daemon, again and again in the middle of a backfill."""
    folders, files = (20, 200) if lib.QUICK else (60, 500)
    chance = random.Random(lib.SEED)
    with lan.Lan(home) as net:
        a, b = net.device("desktop"), net.device("laptop")
        for i in range(folders):
            os.mkdir(os.path.join(a.real, f"d{i}"))
            for k in range(files):
                os.mknod(os.path.join(a.real, f"d{i}", f"f{k}"))
        a.create()
        a.mount()
        lan.let_in(a, b)
        a.on("location", "add", a.real, "--name", "files", timeout=120)
        b.mount()
        least, made, middle = 0, [], 0
        for i in range(12):
            lib.poll(lambda: entries(b, a) > least, 1, 0.01)
            time.sleep(chance.random() * 0.1)
            victim = chance.choice((a, b))
            made.append(f"{victim.name} {i}")
            os.mkdir(os.path.join(victim.mnt, "tags", made[-1]))
            victim.kill()
            have = entries(b, a)
            check(have >= least, f"nothing is lost: {have} after {least}")
            least = have
            middle += have < folders * files
            victim.mount()
        check(middle > 1, f"{middle} kills in the middle")
        trees_equal([a, b], 90)
        equal(sorted(os.listdir(os.path.join(b.mnt, "tags"))), sorted(made), "every tag that was acknowledged")
        check_settled([a, b])


def tag(device, name, owner, number):
    folder = os.path.join(device.mnt, "tags", name)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(device.mnt, "devices", owner.name, "files", f"folder {number % 4}", f"{owner.name} file {number}.txt")
    os.symlink(path, os.path.join(folder, f"by {device.name} {number}"))


def set_back(home, with_state):
    with lan.Lan(home) as net:
        a, b, c = devices = family(net, "one", "two", "three")
        trees_equal(devices)
        tag(a, "before", a, 1)
        trees_equal(devices)
        a.unmount()
        saved = save(a)
        if with_state:
            shutil.copytree(a.state, a.state + ".saved", ignore=shutil.ignore_patterns("*.sock", "control*", "log*"))
        a.mount()
        for i in range(5):
            tag(a, "lost", a, i)
        lib.write_file(os.path.join(a.real, "new.txt"), b"new")
        a.on("location", "add", a.dir + "/mnt2", "--name", "other") if os.makedirs(a.dir + "/mnt2") else None
        trees_equal(devices, text="all is with the others, too")
        a.unmount()
        put_back(a, saved)
        if with_state:
            for name in ("anchor",):
                for folder, _, names in os.walk(a.state + ".saved"):
                    if name in names:
                        shutil.copy2(os.path.join(folder, name), os.path.join(folder.replace(".saved", ""), name))
        b.pull()
        a.mount()
        os.mkdir(os.path.join(a.mnt, "tags", "after"))
        tag(a, "after", a, 7)
        tag(b, "meanwhile", b, 3)
        b.plug()
        trees_equal(devices, 60, "what was lost comes back, what is new goes out")
        names = set(os.listdir(os.path.join(a.mnt, "tags")))
        equal(names, {"before", "lost", "after", "meanwhile"}, "all tags")
        equal(len(os.listdir(os.path.join(a.mnt, "tags", "lost"))), 5, "all links that were lost")
        check(any("set back" in t for t in events(a)), f"it says that it was set back: {events(a)[:5]}")
        check_settled(devices, bad_events=("other rows than this device", "may not send", "could not be read or written"))


def restored(home):
    """An old copy of the library is put back: the anchor knows, and a new epoch begins."""
    set_back(home, False)


def restored_with_anchor(home):
    """The whole machine is set back, anchor and all: the others know."""
    set_back(home, True)


def copied(home):
    """A copy beside the original is refused; a copy without its key opens for nothing."""
    with lan.Lan(home) as net:
        a, b = devices = family(net, "one", "two")
        trees_equal(devices)
        a.unmount()
        copy = os.path.join(a.dir, "Copy.sdlibrary")
        shutil.copytree(a.lib, copy)
        done = a.run("mount", copy, a.mnt)
        check(done.returncode != 0 and b"copy" in done.stderr, f"the copy is refused: {done.returncode} {done.stderr}")
        a.mount()
        shutil.rmtree(b.dir + "/x", ignore_errors=True)
        stranger = net.device("stranger")
        shutil.copytree(copy, stranger.lib)
        done = stranger.run("mount", stranger.lib, stranger.mnt)
        check(done.returncode != 0, "without its key it does not open")
        trees_equal(devices)


def cloned(home):
    """Two machines with one key: refused and named."""
    with lan.Lan(home) as net:
        a, b = devices = family(net, "one", "two")
        trees_equal(devices)
        a.unmount()
        twin = net.device("twin")
        shutil.rmtree(twin.lib, ignore_errors=True)
        shutil.copytree(a.lib, twin.lib)
        shutil.copytree(a.state, twin.state, ignore=shutil.ignore_patterns("log*"))
        for folder, _, names in os.walk(twin.state):
            if "anchor" in names:
                os.unlink(os.path.join(folder, "anchor"))
        a.mount()
        within(30, "two sees one", lambda: b.sees(a))
        twin.mount()
        seen = lib.poll(lambda: any("use the key" in t for t in events(b)), 60, 0.5)
        check(seen, f"the clone is named: {events(b)[:8]}")
        for device in devices:
            equal(device.run("-l", device.lib, "check").returncode, 0, f"check is clean on {device.name}")


def long_away(home):
    """A device is away while the log is cut: it comes back by a snapshot, with its own changes."""
    home.env["SHELF_LOG_RECORDS_MAX"] = "50"
    with lan.Lan(home) as net:
        a, b, c = devices = family(net, "one", "two", "three")
        trees_equal(devices)
        tag(a, "old", c, 1)
        trees_equal(devices)
        c.pull()
        tag(c, "offline", c, 2)
        for i in range(20):
            tag(a, f"more {i}", a, i)
            tag(b, f"more {i}", b, i)
            a.on("tag", "list")
        subprocess.run(["rm", "-r", os.path.join(a.mnt, "tags", "old")], check=True)
        within(20, "the log is cut", lambda: json.loads(a.on("status", "--json"))["log_records"] <= 60)
        check(any("log was cut" in t for t in events(a)), "and an event says so")
        c.plug()
        trees_equal(devices, 90)
        names = os.listdir(os.path.join(a.mnt, "tags"))
        check("old" not in names, "what was deleted does not come back")
        check("offline" in names, "what was tagged offline is there")
        check(any("at once" in t for t in events(c)), f"by a snapshot: {events(c)[:6]}")
        check_settled(devices)


def clashes(home):
    """What two do to one thing while they are apart: all devices come to the same, and nothing that was tagged is lost."""
    with lan.Lan(home) as net:
        a, b, c = devices = family(net, "one", "two", "three")
        trees_equal(devices)
        for name in ("renamed", "emptied", "deleted", "replaced", "full"):
            tag(a, name, a, 1)
        os.mkdir(os.path.join(a.mnt, "albums", "album"))
        trees_equal(devices)
        for device in devices:
            device.pull()
        for device in devices:
            tags = os.path.join(device.mnt, "tags")
            os.rename(os.path.join(tags, "renamed"), os.path.join(tags, f"renamed by {device.name}"))
            os.mkdir(os.path.join(tags, "new"))
            tag(device, "new", device, 2)
            os.mkdir(os.path.join(device.mnt, "albums", "new"))
        tags = [os.path.join(d.mnt, "tags") for d in devices]
        subprocess.run(["rm", "-r", os.path.join(tags[0], "emptied")], check=True)
        tag(b, "emptied", b, 5)
        subprocess.run(["rm", "-r", os.path.join(tags[0], "deleted")], check=True)
        subprocess.run(["rm", "-r", os.path.join(tags[1], "deleted")], check=True)
        os.mkdir(os.path.join(tags[1], "deleted"))  # made anew by the one, renamed by another
        os.rename(os.path.join(tags[2], "deleted"), os.path.join(tags[2], "saved"))
        os.rename(os.path.join(tags[0], "full", "by one 1"), os.path.join(a.mnt, "albums", "album", "moved"))
        os.rename(os.path.join(tags[1], "full", "by one 1"), os.path.join(tags[1], "full", "other"))
        os.unlink(os.path.join(tags[2], "full", "by one 1"))
        shutil.rmtree(os.path.join(a.real, "folder 1"))
        tag(c, "gone meanwhile", a, 5)
        for device in devices:
            device.plug()
        trees_equal(devices, 90)
        names = os.listdir(tags[0])
        equal(len([n for n in names if n.startswith("renamed")]), 1, f"one of the three names: {names}")
        equal(len(os.listdir(os.path.join(tags[0], "new"))), 3, "a union")
        equal(os.listdir(os.path.join(tags[0], "emptied")), ["by two 5"], "what was tagged while another deleted the tag stays")
        check(("saved" in names) != ("deleted" in names), f"deleted, made anew, renamed: one tag: {names}")
        check_settled(devices)


def full_disk(home):
    """The disk is full in the middle of a backfill; it goes on when there is room."""
    folders, files = 40, 400
    with lan.Lan(home) as net:
        a, b = net.device("desktop"), net.device("laptop")
        for i in range(folders):
            os.mkdir(os.path.join(a.real, f"d{i}"))
            for k in range(files):
                os.mknod(os.path.join(a.real, f"d{i}", f"a name of some length that takes room {k:100}"))
        a.create()
        a.mount()
        disk = os.path.join(b.dir, "disk")
        os.mkdir(disk)
        lib.need_root("a small disk")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "small", disk], check=True)
        b.lib = os.path.join(disk, "Test.sdlibrary")
        lan.let_in(a, b)
        with open(os.path.join(disk, "filler"), "wb") as filler:
            filler.write(bytes(os.statvfs(disk).f_bavail * 4096 - (2 << 20)))
        b.mount()
        a.on("location", "add", a.real, "--name", "files", timeout=120)
        within(30, "the disk is full", lambda: os.statvfs(disk).f_bavail * 4096 < 200000)
        time.sleep(7)
        check(os.listdir(os.path.join(b.mnt, "tags")) == [], "the mount still answers")
        have = entries(b, a)
        check(have < folders * files, f"not everything has room: {have}")
        subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
        trees_equal([a, b], 60)
        check_settled([a, b], bad_events=("other rows than this device", "may not send", "another history"))


def switched(home):
    """`device set NAME sync off` and `files off` do what they say."""
    with lan.Lan(home) as net:
        a, b = devices = family(net, "one", "two")
        trees_equal(devices)
        a.on("device", "set", "two", "sync", "off")
        os.mkdir(os.path.join(a.mnt, "tags", "here"))
        os.mkdir(os.path.join(b.mnt, "tags", "there"))
        time.sleep(2)
        equal(os.listdir(os.path.join(a.mnt, "tags")), ["here"], "nothing comes with sync off")
        equal(os.listdir(os.path.join(b.mnt, "tags")), ["there"], "and nothing goes")
        a.on("device", "set", "two", "sync", "on")
        trees_equal(devices)
        a.on("device", "set", "two", "files", "off")
        lib.write_file(os.path.join(b.real, "unseen.txt"), b"x")
        os.mkdir(os.path.join(b.mnt, "tags", "seen"))
        within(10, "tags still come", lambda: "seen" in os.listdir(os.path.join(a.mnt, "tags")))
        time.sleep(1)
        check("unseen.txt" not in os.listdir(os.path.join(a.mnt, "devices", "two", "files")), "files do not")
        a.on("device", "set", "two", "files", "on")
        trees_equal(devices)
        check_settled(devices)


def told(home):
    """status, status --watch, events and metrics tell how it is."""
    with lan.Lan(home) as net:
        a, b = devices = family(net, "one", "two")
        trees_equal(devices)
        status = a.on("status")
        check("Ready" in status and "two: online" in status, f"status: {status}")
        watching = a.start("-l", a.lib, "status", "--watch")
        time.sleep(1.5)
        watching.terminate()
        out, err = watching.communicate(timeout=10 * lib.PATIENCE)
        check(b"two" in out and not err, f"status --watch: {out[-300:]} {err}")
        metrics = a.on("metrics")
        check('shelf_peer_online{device="two"' in metrics and "shelf_state 3" in metrics, f"metrics: {metrics}")
        b.pull()
        for i in range(3):
            os.mkdir(os.path.join(a.mnt, "tags", f"t{i}"))
        within(2, "status says whom 3 changes wait for", lambda: "3 shared changes to go there" in a.on("status"))
        status = a.on("status")
        check("3 changes in the log" in status, f"3 changes wait: {status}")
        peer = json.loads(a.on("status", "--json"))["peers"][0]
        equal((peer["name"], peer["behind_shared"], peer["ahead_shared"]), ("two", 3, 0), "in JSON, too")
        within(45, "it is noticed that two is gone", lambda: "two: offline" in a.on("status"))
        check(any("two is offline" in t for t in events(a)), "and told")
        b.plug()
        within(60, "it is back", lambda: "two: online" in a.on("status"))
        trees_equal(devices)
        check_settled(devices)


lib.run(cut_off, killed, restored, restored_with_anchor, copied, cloned, long_away, clashes, full_disk, switched, told)
