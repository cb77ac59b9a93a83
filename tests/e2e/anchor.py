#!/usr/bin/env python3
"""The anchor: a library that is copied, moved or set back to an older state, as people do it with cp and mv."""

import json
import os
import shutil
import subprocess
import sys

import lib
from lib import check, equal, must, write_file


def events(home):
    return [e["text"] for e in json.loads(home.shelf("-l", home.lib, "status", "--json"))["events"]]


def epochs_of(library):
    done = subprocess.run(["sqlite3", "-readonly", os.path.join(library, "database.db"),
                           "SELECT epoch FROM origin ORDER BY started"], capture_output=True, timeout=60, check=True)
    return done.stdout.split()


def epochs(home):
    return epochs_of(home.lib)


def anchor_path(home):
    (folder,) = os.listdir(home.state)
    return os.path.join(home.state, folder, "anchor")


def begin(home):
    write_file(os.path.join(home.real, "a.jpg"), "a")
    home.create()
    home.add()


def tag(home, name, library=None):
    return home.run("-l", library or home.lib, "tag", "add", name, os.path.join(home.real, "a.jpg"))


def copied(home):
    """A copy is refused while the original stands, and is the library when it is gone."""
    begin(home)
    copy = os.path.join(home.dir, "Copy.sdlibrary")
    shutil.copytree(home.lib, copy)
    done = tag(home, "t", copy)
    equal(done.returncode, 77, f"a copy is not allowed: {done.stderr!r}")
    check(home.lib.encode() in done.stderr, f"it says where the original is: {done.stderr!r}")
    equal(tag(home, "t").returncode, 0, "the original goes on")
    done = home.run("mount", copy, home.mnt)
    equal(done.returncode, 77, f"nor is a mount of it: {done.stderr!r}")
    before = epochs(home)
    shutil.rmtree(home.lib)
    equal(tag(home, "u", copy).returncode, 0, "the copy is the library once the original is gone")
    home.lib = copy
    # It was made before the tag t: the device had come further than that.
    equal(len(epochs(home)), 2, "the copy is older than the original was: a new epoch")
    equal(epochs(home)[0], before[0], "the old epoch stays as history")
    home.check_clean("after it became the library")


def moved(home):
    """A moved library is the same one: no new epoch, and its anchor follows."""
    begin(home)
    before = epochs(home)
    other = os.path.join(home.dir, "Other.sdlibrary")
    os.rename(home.lib, other)
    home.lib = other
    equal(tag(home, "t").returncode, 0, "works at its new place")
    equal(epochs(home), before, "the same epoch")
    check(other.encode() in open(anchor_path(home), "rb").read(), "the anchor knows the new place")
    # To another disk, as far as inode numbers tell.
    third = os.path.join(home.dir, "Third.sdlibrary")
    shutil.copytree(other, third)
    shutil.rmtree(other)
    home.lib = third
    equal(tag(home, "u").returncode, 0, "works on another disk")
    equal(epochs(home), before, "still the same epoch")


def set_back(home):
    """A restored backup begins a new epoch before anything is written, once, and says so."""
    begin(home)
    equal(tag(home, "kept").returncode, 0, "tag add")
    backup = os.path.join(home.dir, "backup")
    shutil.copytree(home.lib, backup)
    equal(tag(home, "lost").returncode, 0, "tag add")
    before = epochs(home)
    shutil.rmtree(home.lib)
    shutil.copytree(backup, home.lib)
    equal(tag(home, "new").returncode, 0, "works after it was set back")
    equal(len(epochs(home)), 2, "a new epoch")
    equal(epochs(home)[0], before[0], "the old one stays as history")
    check(any("set back" in text for text in events(home)), f"an event says so: {events(home)}")
    rows = home.rows("SELECT s.epoch, s.position FROM shared_stream s JOIN origin o ON o.id = s.origin ORDER BY o.started")
    check(rows[1]["position"] >= 1, f"the new change belongs to the new epoch: {rows}")
    equal(tag(home, "newer").returncode, 0, "tag add")
    equal(len(epochs(home)), 2, "not another one at the next start")
    home.check_clean("after it was set back")


def set_back_without_shared_changes(home):
    """Only files were indexed since the backup: other devices may have heard of them."""
    begin(home)
    backup = os.path.join(home.dir, "backup")
    shutil.copytree(home.lib, backup)
    write_file(os.path.join(home.real, "b.jpg"), "b")
    home.shelf("-l", home.lib, "location", "rescan")
    shutil.rmtree(home.lib)
    shutil.copytree(backup, home.lib)
    home.shelf("-l", home.lib, "location", "rescan")
    equal(len(epochs(home)), 2, "a new epoch")
    (row,) = home.rows("SELECT seq FROM entry WHERE name = 'b.jpg'")
    check(row["seq"] >= 1 << 32, f"no number is given twice: {row}")
    home.check_clean("after it was set back")


def killed(home):
    """A daemon that is killed leaves an anchor that lags, which is no harm; one in use keeps up by itself."""
    begin(home)
    before = epochs(home)
    home.mount()
    os.mkdir(os.path.join(home.tags, "one"))
    first = open(anchor_path(home), "rb").read()
    lib.within(10, "the anchor follows while the library is mounted",
               lambda: open(anchor_path(home), "rb").read() != first or None)
    os.mkdir(os.path.join(home.tags, "two"))
    home.kill()
    home.mount()
    equal(sorted(os.listdir(home.tags)), ["one", "two"], "nothing is lost")
    equal(epochs(home), before, "no new epoch")
    home.unmount()


def open_elsewhere(home):
    """A copy cannot be used while the library is open, wherever that has gone."""
    begin(home)
    home.mount()
    copy = os.path.join(home.dir, "Copy.sdlibrary")
    shutil.copytree(home.lib, copy)
    os.mkdir(os.path.join(home.tags, "late"))
    os.rename(home.lib, os.path.join(home.dir, "Gone.sdlibrary"))
    done = tag(home, "t", copy)
    equal(done.returncode, 75, f"it is open already: {done.stderr!r}")
    before = epochs_of(copy)
    home.unmount()
    equal(tag(home, "t", copy).returncode, 0, "nobody knows where it went, so the copy is the library now")
    equal(len(epochs_of(copy)), len(before) + 1, "which lacks what was done meanwhile: a new epoch")
    done = tag(home, "t", os.path.join(home.dir, "Gone.sdlibrary"))
    equal(done.returncode, 77, f"and the other one is the copy: {done.stderr!r}")


def damaged_or_missing(home):
    """An anchor that cannot be read is made anew."""
    begin(home)
    path = anchor_path(home)
    before = epochs(home)
    for content in (b"", b"junk" * 100, open(path, "rb").read()[:-1], None):
        if content is None:
            os.unlink(path)
        else:
            write_file(path, content)
        equal(home.run("-l", home.lib, "tag", "list").returncode, 0, "the library opens")
        check(os.path.getsize(path) > 100, "the anchor is there again")
    equal(epochs(home), before, "no new epoch")
    equal(os.stat(path).st_mode & 0o777, 0o600, "nobody else reads it")
    must(not os.path.exists(path + ".new"), "no draft is left")


if not shutil.which("sqlite3"):
    print("skipped: sqlite3 is missing (package sqlite3)")
    sys.exit(77)
lib.run(copied, moved, set_back, set_back_without_shared_changes, killed, open_elsewhere, damaged_or_missing)
