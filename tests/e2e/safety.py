#!/usr/bin/env python3
"""Nobody else gets in, and nothing that is swapped in during a read leads out."""

import os
import subprocess
import threading
import time
from errno import EACCES, EIO, ENOENT, ENOTDIR, ELOOP, EPERM, EXDEV

import lib
from lib import check, equal, fails, read_file, works, write_file

SECONDS = 2 if lib.QUICK else 6
SECRET = b"SECRET that lies outside of the location\n"
INSIDE = b"what the location holds\n"


def other_users(home):
    """Another user can neither list, read nor search the mount, nor talk to the daemon."""
    lib.need_root("becoming another user")
    write_file(os.path.join(home.real, "f"), INSIDE)
    os.chmod(home.dir, 0o755)
    home.ready()
    home.shelf("-l", home.lib, "tag", "add", "t", os.path.join(home.real, "f"))

    def nobody(*command):
        done = subprocess.run(["setpriv", f"--reuid={lib.NOBODY}", f"--regid={lib.NOBODY}", "--clear-groups", *command],
                              capture_output=True, cwd="/", timeout=60, env={**home.env, "HOME": "/nonexistent"}, check=False)
        return done.returncode, done.stdout + done.stderr

    for command in (["ls", home.mnt], ["cat", os.path.join(home.shown, "f")], ["stat", home.mnt],
                    ["ls", os.path.join(home.tags, "t")], ["df", home.mnt], ["mkdir", os.path.join(home.tags, "x")]):
        code, said = nobody(*command)
        check(code != 0 and b"Permission denied" in said, f"{' '.join(command)} as nobody: exit {code}: {said!r}")
    works("the owner still gets in", os.listdir, home.mnt)
    # nobody may not even read the library, the key or the control socket.
    for folder in (home.lib, home.state):
        code, said = nobody("find", folder, "-mindepth", "1", "-readable")
        check(said.strip() == b"" or b"Permission denied" in said and b"\n/" not in said, f"readable to nobody: {said!r}")
    own = os.path.join(home.dir, "of-nobody")
    os.mkdir(own)
    os.chown(own, lib.NOBODY, lib.NOBODY)
    if os.access(home.shelf_path, os.X_OK) and nobody(home.shelf_path, "--help")[0] == 0:
        code, said = nobody("env", f"SHELF_STATE_DIR={own}", home.shelf_path, "-l", home.lib, "tag", "add", "x", "/etc/passwd")
        check(code != 0, f"nobody can use the library: {said!r}")
        equal(lib.listing(home.tags), ["t"], "tags after nobody tried")
    st = os.lstat(home.lib)
    check(st.st_mode & 0o077 == 0 or all(os.lstat(os.path.join(home.lib, n)).st_mode & 0o077 == 0 for n in os.listdir(home.lib)),
          "the library's files are private")


def swap(home, setup, exchange, paths, text):
    """Exchanges in a loop while readers open the paths through the mount; no reader may see the secret."""
    outside = os.path.join(home.dir, "outside")
    os.mkdir(outside)
    for name in ("f", "secret"):
        write_file(os.path.join(outside, name), SECRET)
    os.mkdir(os.path.join(home.real, "d"))
    write_file(os.path.join(home.real, "d", "f"), INSIDE)
    write_file(os.path.join(home.real, "f"), INSIDE)
    home.ready()
    os.mkdir(os.path.join(home.tags, "t"))
    os.symlink(os.path.join(home.shown, "d", "f"), os.path.join(home.tags, "t", "f"))
    os.symlink(os.path.join(home.shown, "f"), os.path.join(home.tags, "t", "g"))
    setup(outside)
    over = threading.Event()
    leaks, errors, reads = [], set(), [0]
    allowed = {EACCES, EIO, ENOENT, ENOTDIR, ELOOP, EPERM, EXDEV, lib.errno.ESTALE, lib.errno.EISDIR}

    def reader(path):
        while not over.is_set():
            try:
                data = read_file(path)
                reads[0] += 1
                if b"SECRET" in data:
                    leaks.append(path)
            except OSError as e:
                errors.add(e.errno)

    def lister():
        while not over.is_set():
            for folder, _, names in os.walk(home.shown):
                if "secret" in names:
                    leaks.append(folder)

    threads = [threading.Thread(target=reader, args=(os.path.join(home.mnt, p),)) for p in paths]
    threads.append(threading.Thread(target=lister))
    for t in threads:
        t.start()
    until = time.monotonic() + SECONDS
    count = 0
    try:
        while time.monotonic() < until and not leaks:
            exchange(outside)
            count += 1
    finally:
        over.set()
        for t in threads:
            t.join()
    equal(leaks[:3], [], f"{text}: reads that saw the secret")
    equal({lib.name_of(e) for e in errors - allowed}, set(), f"{text}: errnos that make no sense")
    check(reads[0] > 0 and count > 100, f"{text}: {reads[0]} reads and {count} swaps are no test")
    print(f"  {reads[0]} reads, {count} swaps, {sorted(map(lib.name_of, errors))}")
    home.alive()


def swapped_folder(home):
    """A folder and a symlink to a folder outside, which has a file of the same name."""
    d, evil = os.path.join(home.real, "d"), os.path.join(home.real, "evil")
    swap(home, lambda outside: os.symlink(outside, evil), lambda _: lib.renameat2(d, evil, lib.RENAME_EXCHANGE),
         ["devices/here/real/d/f", "tags/t/f", "devices/here/real/evil/f", "devices/here/real/d/secret"], "swapped folder")


def swapped_file(home):
    """A file and a symlink to a file outside."""
    f, evil = os.path.join(home.real, "f"), os.path.join(home.real, "evil")
    swap(home, lambda outside: os.symlink(os.path.join(outside, "f"), evil), lambda _: lib.renameat2(f, evil, lib.RENAME_EXCHANGE),
         ["devices/here/real/f", "tags/t/g", "devices/here/real/evil"], "swapped file")


def swapped_root(home):
    """The location's own folder and a symlink to a folder outside."""
    evil = os.path.join(home.dir, "evil")
    swap(home, lambda outside: os.symlink(outside, evil), lambda _: lib.renameat2(home.real, evil, lib.RENAME_EXCHANGE),
         ["devices/here/real/f", "tags/t/g", "devices/here/real/secret"], "swapped root")


def hostile_targets(home):
    """No symlink of a location, whatever it says, is answered with a target outside of it."""
    write_file(os.path.join(home.dir, "secret"), SECRET)
    os.makedirs(os.path.join(home.real, "a", "b"))
    targets = ["/etc/passwd", "../secret", "a/../../secret", "a/b/../../../secret", "./../secret", "..", "../", "../../real/f",
               "a/./../..", "//etc/passwd", home.dir + "/secret", home.real + "/../secret", "/proc/self/root/etc/passwd", "../real/a"]
    for i, target in enumerate(targets):
        os.symlink(target, os.path.join(home.real, f"s{i}"))
        os.symlink("../../" + target if not target.startswith("/") else target, os.path.join(home.real, "a", "b", f"s{i}"))
    os.symlink("b", os.path.join(home.real, "a", "good"))
    os.symlink("../..", os.path.join(home.real, "a", "b", "top"))
    home.ready()
    for i, target in enumerate(targets):
        for folder in ("", "a/b"):
            shown = os.path.join(home.shown, folder, f"s{i}")
            fails(EPERM, f"readlink of {folder}/s{i} -> {target}", os.readlink, shown)
            fails((EPERM, ENOENT), f"read through {folder}/s{i} -> {target}", read_file, shown)
    equal(os.readlink(os.path.join(home.shown, "a", "good")), "b", "a link that stays inside")
    equal(os.readlink(os.path.join(home.shown, "a", "b", "top")), "../..", "a link to the top of the location")
    os.mkdir(os.path.join(home.tags, "t"))
    os.symlink("../../devices/here/real/a/good", os.path.join(home.tags, "t", "good"))
    works("a link to a link", os.listdir, os.path.join(home.tags, "t", "good"))
    home.check_clean("hostile targets")


lib.run(other_users, swapped_folder, swapped_file, swapped_root, hostile_targets)
