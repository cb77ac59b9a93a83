#!/usr/bin/env python3
"""A full disk and a read-only library: ENOSPC and EROFS, and the mount stays up, reads, and recovers.

Runs itself in a mount namespace of its own, so that nothing it mounts is seen outside."""

import os
import subprocess
from errno import EDQUOT, ENOSPC, EROFS

import lib
from lib import check, equal, fails, must, read_file, within, works, write_file

SECOND = 1.0


def sh(*command):
    done = subprocess.run(command, capture_output=True, check=False)
    must(done.returncode == 0, f"{' '.join(command)}: {done.stderr.decode().strip()}")


def small_disk(home, kind):
    """The library's folder on a disk of its own of 12 MiB."""
    disk = os.path.join(home.dir, "disk")
    os.mkdir(disk)
    if kind == "tmpfs":
        sh("mount", "-t", "tmpfs", "-o", "size=12m,mode=755", "shelf-test", disk)
    else:
        image = os.path.join(home.dir, "image")
        with open(image, "wb") as f:
            f.truncate(24 << 20)
        sh("mkfs.ext4", "-q", "-m", "0", image)
        done = subprocess.run(["mount", "-o", "loop", image, disk], capture_output=True, check=False)
        if done.returncode:
            raise lib.Skip(f"no loop device: {done.stderr.decode().strip()}")
    home.lib = os.path.join(disk, "Test.sdlibrary")
    for i in range(50):
        write_file(os.path.join(home.real, f"f{i}"), f"content of {i}")
    home.ready()
    return disk


def fill(disk):
    """Leaves no byte; returns the file that takes them."""
    path = os.path.join(disk, "filler")
    size = 1 << 20
    with open(path, "ab", buffering=0) as f:
        while size:
            try:
                f.write(b"\xff" * size)
            except OSError as e:
                must(e.errno in (ENOSPC, EDQUOT), f"filling the disk: {e}")
                size //= 2
    return path


def reads_work(home, text):
    equal(lib.listing(home.shown), sorted(f"f{i}" for i in range(50)), f"{text}: listing")
    equal(read_file(os.path.join(home.shown, "f7")), b"content of 7", f"{text}: reading a file")
    equal(read_file(os.path.join(home.tags, "before", "f1")), b"content of 1", f"{text}: reading through a link")
    works(f"{text}: statfs", os.statvfs, home.mnt)
    check(home.pids(), f"{text}: the daemon runs")


def full(home, kind):
    disk = small_disk(home, kind)
    os.mkdir(os.path.join(home.tags, "before"))
    os.symlink(os.path.join(home.shown, "f1"), os.path.join(home.tags, "before", "f1"))
    made = []
    for turn in range(2):
        filler = fill(disk)
        got = 0
        for i in range(20000):
            name = f"turn {turn} tag {i} " + "x" * 200
            got = lib.errno_of(os.mkdir, os.path.join(home.tags, name))
            if got:
                break
            made.append(name)
        equal(lib.name_of(got), "ENOSPC", f"{kind}: mkdir on a full disk, after {len(made)} that found room")
        fails(ENOSPC, f"{kind}: symlink on a full disk", os.symlink, os.path.join(home.shown, "f2"),
              os.path.join(home.tags, "before", "f2"))
        fails(ENOSPC, f"{kind}: unlink on a full disk", os.unlink, os.path.join(home.tags, "before", "f1"))
        write_file(os.path.join(home.real, "f7"), "content of 7")  # the index cannot write either
        reads_work(home, f"{kind}: full")
        missing = set(made) - set(os.listdir(home.tags))
        check(not missing, f"{kind}: {len(missing)} tags are not listed although mkdir succeeded")
        os.unlink(filler)
        within(5, f"{kind}: with room again, mkdir works", lambda: not lib.errno_of(os.mkdir, os.path.join(home.tags, f"room {turn}")))
        works(f"{kind}: and symlink", os.symlink, os.path.join(home.shown, f"f{10 + turn}"),
              os.path.join(home.tags, "before", f"f{10 + turn}"))
        made.append(f"room {turn}")
        edited = f"edited after turn {turn}"
        write_file(os.path.join(home.real, "f8"), edited)
        within(10, f"{kind}: the index goes on", lambda: os.stat(os.path.join(home.shown, "f8")).st_size == len(edited))
        write_file(os.path.join(home.real, "f8"), "content of 8")
    home.check_clean(f"{kind}: after it")
    home.unmount()
    filler = fill(disk)
    done = home.run("mount", home.lib, home.mnt)
    if done.returncode == 0:
        reads_work(home, f"{kind}: mounted on a full disk")
        home.unmount()
    else:
        check(done.returncode in (1, 73, 75) and done.stderr, f"{kind}: mount on a full disk: exit {done.returncode}, {done.stderr!r}")
        print(f"  mount on a full disk: exit {done.returncode}: {done.stderr.decode().strip()}")
    os.unlink(filler)
    home.mount()
    equal(sorted(set(made) - set(os.listdir(home.tags))), [], f"{kind}: tags that are gone after a remount")
    home.check_clean(f"{kind}: after a remount")


def full_tmpfs(home):
    """A full tmpfs."""
    full(home, "tmpfs")


def full_ext4(home):
    """A full ext4."""
    full(home, "ext4")


def tag_before(home):
    os.mkdir(os.path.join(home.tags, "before"))
    os.symlink(os.path.join(home.shown, "f1"), os.path.join(home.tags, "before", "f1"))


def refuses_writes(home, text):
    fails(EROFS, f"{text}: mkdir", os.mkdir, os.path.join(home.tags, "new"))
    fails(EROFS, f"{text}: symlink", os.symlink, os.path.join(home.shown, "f2"), os.path.join(home.tags, "before", "f2"))
    fails(EROFS, f"{text}: unlink", os.unlink, os.path.join(home.tags, "before", "f1"))
    fails(EROFS, f"{text}: rename", os.rename, os.path.join(home.tags, "before"), os.path.join(home.tags, "after"))
    fails(EROFS, f"{text}: rmdir", os.rmdir, os.path.join(home.tags, "empty"))
    equal(lib.listing(home.tags), ["before", "empty"], f"{text}: the tags")
    done = home.run("-l", home.lib, "tag", "add", "new", os.path.join(home.shown, "f2"))
    check(done.returncode in (1, 73, 77) and done.stderr, f"{text}: tag add: exit {done.returncode}, {done.stderr!r}")
    done = home.run("-l", home.lib, "find", "before")
    check(done.returncode == 0 and b"f1" in done.stdout, f"{text}: find: exit {done.returncode}, {done.stderr!r}")


def turns_read_only(home):
    """The disk of a mounted library turns read-only, as ext4 does after an I/O error."""
    disk = small_disk(home, "ext4")
    tag_before(home)
    os.mkdir(os.path.join(home.tags, "empty"))
    sh("mount", "-o", "remount,abort", disk)
    refuses_writes(home, "turned read-only")
    reads_work(home, "turned read-only")
    home.unmount()


def starts_read_only(home):
    """A library on a disk that is read-only from the start: an archive, a medium with a write lock."""
    disk = small_disk(home, "ext4")
    tag_before(home)
    os.mkdir(os.path.join(home.tags, "empty"))
    home.unmount()
    sh("mount", "-o", "remount,ro", disk)
    home.mount()
    refuses_writes(home, "read-only")
    reads_work(home, "read-only")
    home.check_clean("read-only")
    home.unmount()
    done = home.run("-l", home.lib, "find", "before")
    check(done.returncode == 0 and b"f1" in done.stdout, f"find without a daemon: exit {done.returncode}, {done.stderr!r}")
    sh("mount", "-o", "remount,rw", disk)
    home.mount()
    works("writable again", os.mkdir, os.path.join(home.tags, "new"))
    home.check_clean("writable again")


lib.own_namespace()
lib.run(full_tmpfs, full_ext4, turns_read_only, starts_read_only)
