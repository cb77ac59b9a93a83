#!/usr/bin/env python3
"""Eight processes of mkdir, ln -s, mv, rm and ls on the same directories; then `shelf check` is clean and the kernel's
caches hold what a fresh mount shows. And tags that are removed and made again while others stand in them.

    SHELF_STRESS_SECONDS  how long (10)
"""

import os
import random
import signal
import sqlite3
import time
from errno import EEXIST, ENOENT, ENOTEMPTY, EPERM

import lib
from lib import check, equal, read_file, write_file

SECONDS = float(os.environ.get("SHELF_STRESS_SECONDS", "3" if lib.QUICK else "10"))
WORKERS = 8
FILES = 30


class Worker:
    """One process: random calls, each with the errnos that a race may bring. Anything else is a line in its report."""

    def __init__(self, home, number):
        self.home, self.number, self.count = home, number, 0
        self.random = random.Random(lib.SEED * WORKERS + number)
        self.report = os.path.join(home.dir, f"worker-{number}")
        self.folders = [f"tags/t{i}" for i in range(4)] + [f"albums/x{i}" for i in range(2)]

    def path(self, *parts):
        return os.path.join(self.home.mnt, *parts)

    def folder(self):
        return self.random.choice(self.folders)

    def link(self):
        return os.path.join(self.random.choice(self.folders + ["favorites"]), f"l{self.random.randrange(6)}")

    def file(self):
        return f"f{self.random.randrange(FILES)}"

    def try_(self, allowed, call, *args, **kwargs):
        self.count += 1
        start = time.monotonic()
        got = lib.errno_of(call, *args, **kwargs)
        took = time.monotonic() - start
        if got and got not in allowed:
            self.say(f"{call.__name__}{args}: {lib.name_of(got)}")
        if took > 10 * lib.PATIENCE:
            self.say(f"{call.__name__}{args}: took {took:.1f} s")
        return got == 0

    def say(self, text):
        with open(self.report, "a", encoding="utf-8") as f:
            f.write(text + "\n")

    def mkdir(self):
        self.try_((EEXIST,), os.mkdir, self.path(self.folder()))

    def rmdir(self):
        self.try_((ENOENT, ENOTEMPTY), os.rmdir, self.path(self.folder()))

    def symlink(self):
        self.try_((ENOENT, EEXIST), os.symlink, os.path.join(self.home.shown, self.file()), self.path(self.link()))

    def unlink(self):
        self.try_((ENOENT,), os.unlink, self.path(self.link()))

    def rename_link(self):
        self.try_((ENOENT,), os.rename, self.path(self.link()), self.path(self.link()))

    def rename_exclusively(self):
        self.try_((ENOENT, EEXIST), lib.renameat2, self.path(self.link()), self.path(self.link()), lib.RENAME_NOREPLACE)

    def rename_folder(self):
        old, new = self.folder(), self.folder()
        self.try_((EPERM, ENOENT, ENOTEMPTY) if old[:3] != new[:3] else (ENOENT, ENOTEMPTY, EEXIST),
                  os.rename, self.path(old), self.path(new))

    def remove_folder(self):
        folder = self.path(self.folder())
        for name in self.names(folder):
            self.try_((ENOENT,), os.unlink, os.path.join(folder, name))
        self.try_((ENOENT, ENOTEMPTY), os.rmdir, folder)

    def names(self, folder):
        try:
            return os.listdir(folder)
        except FileNotFoundError:
            return []

    def list(self):
        folder = self.path(self.random.choice(self.folders + ["tags", "albums", "favorites"]))
        for name in self.names(folder):
            self.try_((ENOENT,), os.lstat, os.path.join(folder, name))

    def read(self):
        link = self.path(self.link())
        self.try_((ENOENT,), os.readlink, link)
        self.try_((ENOENT,), read_file, link)

    def real(self):
        at = lambda name: os.path.join(self.home.real, name)
        what = self.random.randrange(4)
        if what == 0:
            write_file(at(self.file()), f"{self.random.random()}")
        elif what == 1:
            lib.errno_of(os.rename, at(self.file()), at(self.file()))
        elif what == 2:
            write_file(at("temp"), "saved by rename")
            os.rename(at("temp"), at(self.file()))
        else:
            self.try_((ENOENT,), read_file, os.path.join(self.home.shown, self.file()))

    def calls(self):
        return ([self.mkdir] * 3 + [self.rmdir] + [self.symlink] * 6 + [self.unlink] * 2 + [self.rename_link] * 4
                + [self.rename_exclusively, self.rename_folder, self.remove_folder] + [self.list] * 4 + [self.read] * 3
                + ([self.real] * 10 if self.number == 0 else []))

    def run(self, until):
        calls = self.calls()
        while time.monotonic() < until:
            self.random.choice(calls)()
        with open(self.report + ".count", "w", encoding="utf-8") as f:
            f.write(str(self.count))


class Visitor(Worker):
    """Remakes and renames two tags (the odd ones), or goes into them and looks around."""

    def __init__(self, home, number):
        super().__init__(home, number)
        self.folders = ["tags/t0", "tags/t1"]

    def look(self):
        self.try_((ENOENT,), os.listdir, self.path(self.folder()))

    def open(self):
        try:
            folder = os.open(self.path(self.folder()), os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return
        except OSError as e:
            self.say(f"open: {lib.name_of(e.errno)}")
            return
        self.try_((ENOENT,), os.listdir, folder)
        self.try_((ENOENT,), os.lstat, "l0", dir_fd=folder)
        os.close(folder)

    def stand(self):
        if self.try_((ENOENT,), os.chdir, self.path(self.folder())):
            for _ in range(20):
                self.try_((), os.stat, ".")
                self.try_((ENOENT,), os.listdir, ".")
                self.try_((ENOENT,), os.lstat, "l0")

    def link_one(self):
        self.try_((ENOENT, EEXIST), os.symlink, os.path.join(self.home.shown, "f0"), self.path(self.folder(), "l0"))

    def calls(self):
        if self.number % 2:
            return [self.mkdir] * 4 + [self.rmdir] * 2 + [self.rename_folder, self.remove_folder, self.link_one]
        return [self.look, self.open, self.stand]


def snapshot(home):
    """What tags, albums and favorites show: name, inode and target of each link, by listing and by look-up."""
    found = {}
    for kind in ("tags", "albums"):
        for name in os.listdir(os.path.join(home.mnt, kind)):
            found[f"{kind}/{name}"] = os.lstat(os.path.join(home.mnt, kind, name)).st_ino
    for folder in list(found) + ["favorites"]:
        entries = list(os.scandir(os.path.join(home.mnt, folder)))
        equal(len({e.name for e in entries}), len(entries), f"different names among those listed in {folder}")
        for entry in entries:
            st = os.lstat(entry.path)
            found[f"{folder}/{entry.name}"] = (entry.inode(), st.st_ino, st.st_size, os.readlink(entry.path))
    return found


def stored(home):
    """The rows behind links, to explain a difference: of each collection and name the pairs, and what they lead to."""
    db = sqlite3.connect(f"file:{home.lib}/database.db?mode=ro", uri=True)
    rows = db.execute("SELECT c.name, p.name, p.id, p.live, hex(p.content), e.id, e.name, e.deleted, hex(e.content)"
                      " FROM pair p JOIN collection c ON c.id = p.collection LEFT JOIN location l ON l.prefix = p.entry_prefix"
                      " LEFT JOIN entry e ON e.location = l.id AND e.seq = p.entry_seq").fetchall()
    db.close()
    found = {}
    for row in rows:
        found.setdefault(f"{row[0]}/{row[1]}", []).append(row[2:])
    return found


def run_workers(home, kind, count, seconds):
    """Processes of one kind of worker on 30 files; none of them hangs or has a complaint."""
    for i in range(FILES):
        write_file(os.path.join(home.real, f"f{i}"), f"content of {i}")
    home.ready()
    until = time.monotonic() + seconds
    children = {}
    for number in range(count):
        pid = os.fork()
        if pid == 0:
            worker = kind(home, number)
            try:
                worker.run(until)
                os._exit(0)
            except BaseException as e:  # whatever it was, the parent has to hear of it
                worker.say(f"ended by {e!r}")
                os._exit(1)
        children[pid] = number
    try:
        deadline = until + 30 * lib.PATIENCE
        waiting = dict(children)
        while waiting and time.monotonic() < deadline:
            for pid in list(waiting):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    del waiting[pid]
            time.sleep(0.05)
        equal(list(waiting.values()), [], "workers that hang")
        for pid in waiting:
            os.kill(pid, signal.SIGKILL)
    except BaseException:
        for pid in children:
            lib.errno_of(os.kill, pid, signal.SIGKILL)
        raise
    calls = 0
    for number in range(count):
        report = os.path.join(home.dir, f"worker-{number}")
        lines = open(report, encoding="utf-8").read().splitlines() if os.path.exists(report) else []
        check(not lines, f"worker {number}: {len(lines)} complaints, such as\n    " + "\n    ".join(lines[:8]))
        calls += int(open(report + ".count", encoding="utf-8").read()) if os.path.exists(report + ".count") else 0
    print(f"  {calls} calls in {seconds:g} s")
    check(calls > count * 10, "the workers did something")


def lives(home):
    """Tags are removed and made again while others list them, open them and stand in them."""
    run_workers(home, Visitor, 4, 2)
    home.alive("the mount answers after it")
    home.check_clean("while mounted")


def told_of_all(home):
    """The kernel is told of changes in their order, and a listing that it keeps shows nothing new before: so when one shows
    a tag that a command made, everything before it was told, too."""
    tags = os.path.join(home.mnt, "tags")
    for name in os.listdir(home.real)[:1]:
        os.listdir(tags)
        home.shelf("-l", home.lib, "tag", "add", "made last", os.path.join(home.real, name))
        start = time.monotonic()
        lib.within(20, "the kernel is told of everything", lambda: "made last" in os.listdir(tags))
        print(f"  the kernel knows all after {time.monotonic() - start:.1f} s")


def stress(home):
    """Eight processes on the same directories."""
    run_workers(home, Worker, WORKERS, SECONDS)
    if not home.alive("the mount answers after it"):
        return
    home.check_clean("while mounted")
    told_of_all(home)
    same_links = lambda: lib.listing(home.real) == lib.listing(home.shown)
    lib.within(5, "the real folder is in the mount", same_links)
    state = {}

    def settled():
        """Content ids that are still being computed may add a link or move one to a copy."""
        before, state["warm"] = state.get("warm"), snapshot(home)
        return before == state["warm"] and '"unhashed": 0' in home.shelf("-l", home.lib, "status", "--json").replace('":0', '": 0')

    def comes_to_rest(text):
        if not check(lib.poll(settled, 20, every=0.3), text):
            print("  " + home.shelf("-l", home.lib, "status", "--json"))
            equal(snapshot(home), state.get("warm"), f"{text}: two looks at it")

    comes_to_rest("the mount comes to rest")
    warm, rows = state.pop("warm"), {"warm": stored(home)}
    home.unmount()
    home.mount()
    comes_to_rest("the fresh mount comes to rest")
    fresh, rows["fresh"] = state["warm"], stored(home)
    for name in (k for k in warm.keys() | fresh.keys() if warm.get(k) != fresh.get(k)):
        for when in rows:
            print(f"  {name} in the catalogue, {when}: {rows[when].get(name.partition('/')[2])}")
    equal({k: (warm.get(k), fresh.get(k)) for k in warm.keys() | fresh.keys() if warm.get(k) != fresh.get(k)}, {},
          "what the kernel's caches held and a fresh mount does not, or the other way round (warm, fresh)")
    home.check_clean("after a remount")


lib.run(lives, stress)
