#!/usr/bin/env python3
"""kill -9 at random moments during tagging and scanning: afterwards a plain `shelf mount` replaces the dead mount, `check`
is clean, and every call that returned success is in effect.

    SHELF_KILLS  how often (25)
"""

import os
import random
import signal
import subprocess
import time

import lib
from lib import check, equal, must, write_file

KILLS = int(os.environ.get("SHELF_KILLS", "5" if lib.QUICK else "25"))
FILES = 400
TAGGERS = 3
DEAD = {lib.errno.ENOTCONN, lib.errno.ECONNABORTED, lib.errno.ECONNREFUSED, lib.errno.EIO, lib.errno.EINTR}


class Journal:
    """What a tagger was about to do, and what returned success: a file outside of the library, one line each."""

    def __init__(self, path):
        self.path = path
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def do(self, words, call, *args):
        os.write(self.fd, f"will {words}\n".encode())
        try:
            call(*args)
        except OSError as e:
            os.write(self.fd, f"failed {words} {e.errno}\n".encode())
            return e.errno
        os.write(self.fd, f"done {words}\n".encode())
        return 0

    def states(self):
        """place of a link -> what may be seen of it now: a set of True and False; and the errnos of failed calls."""
        seen, errors = {}, set()
        for line in open(self.path, encoding="utf-8").read().splitlines():
            stage, verb, *places = line.split()
            if stage == "failed":
                errors.add((verb, int(places[-1])))
                places = places[:-1]
            before, after = {"add": ((), (0,)), "remove": ((0,), ()), "move": ((0,), (1,)), "mkdir": ((), (0,))}[verb]
            if stage == "will":
                for i in before + after:
                    seen.setdefault(places[i], {False})
                    seen[places[i]] = seen[places[i]] | {i in after}
                continue
            if stage == "done":
                for i in before:
                    seen[places[i]] = {False}
                for i in after:
                    seen[places[i]] = {True}
        return seen, errors


def tagger(home, number, turn, journal):
    """Tags, untags and moves its own files until the mount dies under it."""
    chance = random.Random(lib.SEED + number * 1000003 + turn)
    places = []
    for i in range(100000):
        what = chance.random()
        if i % 50 == 0:
            folder = f"tags/w{number}-{turn}-{i}"
            got = journal.do(f"mkdir {folder}", os.mkdir, os.path.join(home.mnt, folder))
        elif what < 0.7 or not places:
            place = f"{folder}/l{i}"
            file = os.path.join(home.shown, f"f{(number * FILES // TAGGERS + i % 50) % FILES}")
            got = journal.do(f"add {place}", os.symlink, file, os.path.join(home.mnt, place))
            places += [place] if not got else []
        elif what < 0.85:
            place = places.pop(chance.randrange(len(places)))
            got = journal.do(f"remove {place}", os.unlink, os.path.join(home.mnt, place))
        else:
            old = places.pop(chance.randrange(len(places)))
            new = f"{old}-m{i}"
            got = journal.do(f"move {old} {new}", os.rename, os.path.join(home.mnt, old), os.path.join(home.mnt, new))
            places += [new] if not got else []
        if got in DEAD:
            return


def churn(home, turn):
    """Files and folders that come, change, move and go below the location, so that the scanner has work."""
    chance = random.Random(lib.SEED + turn)
    base = os.path.join(home.real, "churn")
    os.makedirs(base, exist_ok=True)
    for i in range(100000):
        path = os.path.join(base, f"{chance.randrange(40)}")
        other = os.path.join(base, f"{chance.randrange(40)}")
        try:
            if chance.random() < 0.4:
                os.makedirs(path, exist_ok=True)
                write_file(os.path.join(path, f"{i}"), f"{i}")
            elif chance.random() < 0.6:
                os.rename(path, other)
            else:
                subprocess.run(["rm", "-rf", path], check=False)
        except OSError:
            pass


def start(home, work, *args):
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        work(home, *args)
    finally:
        os._exit(0)


def stop(home, children):
    for pid in children:
        lib.errno_of(os.kill, pid, signal.SIGKILL)
    left = set(children)

    def gone():
        left.difference_update([p for p in left if os.waitpid(p, os.WNOHANG)[0]])
        return not left

    must(lib.poll(gone, 20), "clients of a killed daemon hang in the kernel" + home.stuck())


def need_abort():
    """A daemon that is killed while it tells the kernel of a change can hang with its clients until somebody cuts the
    connection (mount/connection.h): root always can, others where fusectl is mounted, as it is on a booted Debian."""
    if os.geteuid() and not any(line.split()[2] == "fusectl" for line in open("/proc/self/mounts", encoding="utf-8", errors="replace")):
        raise lib.Skip("an ordinary user cannot cut a dead mount here: fusectl is not mounted on /sys/fs/fuse/connections")


def paths_below(root):
    return sorted(os.path.join(os.path.relpath(folder, root), name) for folder, folders, files in os.walk(root)
                  for name in folders + files)


def while_tagging(home):
    """Taggers and a churning folder; the daemon is killed, also while it starts."""
    need_abort()
    for i in range(FILES):
        write_file(os.path.join(home.real, f"f{i}"), f"content of {i}")
    home.ready()
    done = starts = 0
    expected = {}
    for turn in range(KILLS):
        journals = [Journal(os.path.join(home.dir, f"journal-{turn}-{n}")) for n in range(TAGGERS)]
        children = [start(home, tagger, n, turn, journals[n]) for n in range(TAGGERS)] + [start(home, churn, turn)]
        try:
            time.sleep(random.uniform(0.0, 0.4))  # the random moment
            home.kill()
            if turn % 3 == 2:  # once more, in the middle of a start
                with subprocess.Popen([home.shelf_path, "mount", home.lib, home.mnt], env=home.env,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as starting:
                    time.sleep(random.uniform(0.0, 0.15))
                    starting.kill()
                    starting.wait()
                    home.kill()
                    starts += 1
        finally:
            stop(home, children)
        again = home.run("mount", home.lib, home.mnt)
        must(again.returncode == 0, f"kill {turn + 1}: plain `shelf mount` after it: exit {again.returncode}: {again.stderr.decode()}")
        for journal in journals:
            states, errors = journal.states()
            done += len(states)
            expected.update(states)
            strange = {e for e in errors if e[1] not in DEAD}
            check(not strange, f"kill {turn + 1}: calls that failed: {[(v, lib.name_of(e)) for v, e in strange]}")
            os.close(journal.fd)
        wrong = {p: may for p, may in expected.items() if os.path.lexists(os.path.join(home.mnt, p)) not in may}
        check(not wrong, f"kill {turn + 1}: {len(wrong)} links are not as the successful calls left them: {list(wrong.items())[:5]}")
        # What a call under way at the kill did is settled now.
        expected = {p: {os.path.lexists(os.path.join(home.mnt, p))} for p in expected}
        home.check_clean(f"kill {turn + 1}")
        if lib.failures:
            break
    lib.within(10, "the churned folder is in the mount", lambda: paths_below(home.real) == paths_below(home.shown))
    print(f"  {turn + 1} kills, {starts} of starting daemons, {done} places written to")
    check(done > KILLS, "the taggers did something")


def while_adding(home):
    """`location add` killed at random moments goes on where it was, and the daemon finishes what no command did."""
    for d in range(60):
        os.makedirs(os.path.join(home.real, f"d{d}", "sub"))
        for i in range(50 if lib.QUICK else 120):
            write_file(os.path.join(home.real, f"d{d}", "sub" if i % 2 else "", f"f{i}"), f"{i}")
    home.create()
    cut = 0
    for turn in range(3 if lib.QUICK else 8):
        with subprocess.Popen([home.shelf_path, "-l", home.lib, "location", "add", home.real, "--name", "real"], env=home.env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as adding:
            time.sleep(random.uniform(0.0, 0.08))
            cut += adding.poll() is None
            adding.kill()
        home.check_clean(f"location add, kill {turn + 1}")
    print(f"  {cut} were cut short")
    check(cut, "none was cut short: this tests nothing")
    home.mount()
    home.run("-l", home.lib, "location", "add", home.real, "--name", "real")
    lib.within(20, "the tree is whole", lambda: paths_below(home.real) == paths_below(home.shown))
    equal(len(os.listdir(os.path.dirname(home.shown))), 1, "locations that came of it")
    home.check_clean("after it")


lib.run(while_tagging, while_adding)
