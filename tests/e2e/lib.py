"""What the end-to-end tests share: a scratch home with a library, a real folder and a mount, checks, polls and skips.

A test is a script: functions that take a Home, handed to run(). It needs $SHELF_BIN (or shelf in a build folder of this
tree), /dev/fuse and fusermount3, and leaves with 77 and the reason where they are missing. Everything lives in one
temporary folder; what was mounted or started below it is found by that path and ended on every way out.

    SHELF_BIN       the program                            SHELF_QUICK     leaves out what is long (sanitizer runs)
    SHELF_PATIENCE  multiplies every deadline (1)          SHELF_KEEP      keeps the temporary folder
    SHELF_SEED      of the random tests (printed, so that a failure can be repeated)
"""

import ctypes
import errno
import json
import os
import random
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = float(os.environ.get("SHELF_PATIENCE", "1"))
QUICK = bool(os.environ.get("SHELF_QUICK"))
SEED = int(os.environ.get("SHELF_SEED") or random.SystemRandom().randrange(1 << 32))
NOBODY = 65534
IGNORED = re.compile(rb"\.git|node_modules|\.Trash-.*|\.DS_Store|Thumbs\.db|.*\.part|\.fuse_hidden.*", re.S)

RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4


class Skip(Exception):
    """This test cannot run here; the text says why."""


class Failed(Exception):
    """The test cannot go on."""


# --- checks: a failed one is reported and counted, and the test goes on --------------------------------------------

failures = []
passed = 0


def check(good, text):
    global passed
    if good:
        passed += 1
    else:
        caller = traceback.extract_stack(limit=4)
        line = [f for f in caller if not f.filename.endswith("lib.py")][-1].lineno
        failures.append(text)
        print(f"  FAILED (line {line}): {text}", flush=True)
    return good


def equal(got, want, text):
    return check(got == want, f"{text}: got {got!r}, want {want!r}")


def must(good, text):
    if not good:
        raise Failed(text)
    return good


def errno_of(call, *args, **kwargs):
    """0 when the call succeeds, else its errno."""
    try:
        call(*args, **kwargs)
    except OSError as e:
        return e.errno
    return 0


def name_of(number):
    return errno.errorcode.get(number, str(number)) if number else "success"


def fails(want, text, call, *args, **kwargs):
    """The call fails with the errno `want` (one or a tuple)."""
    wanted = want if isinstance(want, tuple) else (want,)
    got = errno_of(call, *args, **kwargs)
    return check(got in wanted, f"{text}: {name_of(got)} instead of {' or '.join(map(name_of, wanted))}")


def works(text, call, *args, **kwargs):
    got = errno_of(call, *args, **kwargs)
    return check(got == 0, f"{text}: {name_of(got)} instead of success")


def poll(probe, seconds=1.0, every=0.005):
    """Calls probe until it returns something true or the time is over; returns what it returned last.
    An OSError of the probe counts as not yet."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        try:
            got = probe()
        except OSError as e:
            must(e.errno != errno.ENOTCONN, "the mount has died")
            got = None
        if got or time.monotonic() > deadline:
            return got
        time.sleep(every)


def within(seconds, text, probe):
    """Checks that the probe becomes true in time; returns the seconds that it took."""
    start = time.monotonic()
    good = poll(probe, seconds)
    took = time.monotonic() - start
    check(good, f"{text}: not within {seconds * PATIENCE:g} s")
    return took


# --- calls that Python lacks -----------------------------------------------------------------------------------------

libc = ctypes.CDLL(None, use_errno=True)


def renameat2(old, new, flags):
    if libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), ctypes.c_uint(flags)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), old)


def write_file(path, data=b"x", mode="wb"):
    with open(path, mode) as f:
        f.write(data if isinstance(data, bytes) else data.encode())


def read_file(path):
    with open(path, "rb") as f:
        return f.read()


def listing(path):
    return sorted(os.listdir(path))


# --- one library in a temporary folder ------------------------------------------------------------------------------


def program():
    path = os.environ.get("SHELF_BIN")
    if not path:
        top = os.path.dirname(os.path.dirname(HERE))
        found = [os.path.join(top, d, "mount", "shelf") for d in sorted(os.listdir(top)) if d.startswith("build")]
        path = next((p for p in found if os.access(p, os.X_OK)), None)
    must(path and os.access(path, os.X_OK), "no shelf program: set SHELF_BIN or build the tree")
    return os.path.realpath(path)


def need_fuse():
    if not os.path.exists("/dev/fuse"):
        raise Skip("this machine has no /dev/fuse")
    if not shutil.which("fusermount3"):
        raise Skip("fusermount3 is missing (package fuse3)")
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as e:
        raise Skip(f"/dev/fuse cannot be opened: {e.strerror}") from e


def need_root(what):
    if os.geteuid() != 0:
        raise Skip(f"{what} needs root")


def own_namespace():
    """Starts this script again where what it mounts is its own; skips it, with the reason, where that is not allowed."""
    if os.environ.get("SHELF_OWN_NAMESPACE"):
        return
    command = ["unshare", "-m", "--propagation", "private"]
    if os.geteuid() == 0 and subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0:
        os.environ["SHELF_OWN_NAMESPACE"] = "1"
        os.execvp("unshare", [*command, sys.executable, *sys.argv])
    print("SKIPPED: needs root and unshare -m, to mount a disk")
    sys.exit(77)


def unescape(text):
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), text)


def mounts_below(path):
    """Mount points at or below path, the innermost first."""
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as f:
        points = [unescape(line.split()[1]) for line in f]
    return sorted((p for p in points if p == path or p.startswith(path + "/")), key=len, reverse=True)


def contents(path):
    """Of a file in /proc, which may go away at any time: then nothing."""
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""


def is_running(pid):
    """Whether a thread of the process is not at its end. (The first one may be, and the others still hold files open.)"""
    try:
        stats = [contents(f"/proc/{pid}/task/{task}/stat") for task in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return False
    return any(s.rsplit(b")", 1)[1].split()[0] not in (b"Z", b"X") for s in stats if s)


def processes_naming(path):
    """Processes of the program with `path` in their command line: ours, because the path is unique."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        command = contents(f"/proc/{pid}/cmdline")
        if os.fsencode(path) in command and b"shelf" in command.split(b"\0")[0] and is_running(pid):
            found.append(int(pid))
    return [p for p in found if p != os.getpid()]


class Home:
    """A library `Test.sdlibrary` of the device `here`, a real folder that is its location `real`, and a mount."""

    def __init__(self):
        need_fuse()
        self.failures_before = len(failures)
        self.killed = []
        self.shelf_path = program()
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="shelf-e2e-"))
        self.lib = os.path.join(self.dir, "Test.sdlibrary")
        self.real = os.path.join(self.dir, "real")
        self.mnt = os.path.join(self.dir, "mnt")
        self.state = os.path.join(self.dir, "state")
        self.shown = os.path.join(self.mnt, "devices", "here", "real")
        self.tags = os.path.join(self.mnt, "tags")
        self.albums = os.path.join(self.mnt, "albums")
        self.favorites = os.path.join(self.mnt, "favorites")
        for path in (self.real, self.mnt):
            os.mkdir(path)
        self.env = dict(os.environ, SHELF_STATE_DIR=self.state, HOME=self.dir, LC_ALL="C.UTF-8")
        self.env.pop("SHELF_LIBRARY", None)
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            more = f"log_path={self.dir}/sanitizer:halt_on_error=1:print_stacktrace=1"
            self.env[name] = ":".join(filter(None, [os.environ.get(name), more]))

    # -- commands --

    def run(self, *args, timeout=60, text=None, cwd=None, env=None):
        """Runs shelf; never raises for its exit code."""
        return subprocess.run([self.shelf_path, *map(str, args)], stdin=subprocess.DEVNULL if text is None else None,
                              input=text, capture_output=True, timeout=timeout * PATIENCE, cwd=cwd or self.dir,
                              env={**self.env, **(env or {})}, check=False)

    def shelf(self, *args, **kwargs):
        """Runs shelf, which has to succeed; returns what it printed."""
        done = self.run(*args, **kwargs)
        must(done.returncode == 0, f"shelf {' '.join(map(str, args))}: exit {done.returncode}: "
                                   f"{(done.stderr or done.stdout).decode(errors='replace').strip()}")
        return done.stdout.decode(errors="surrogateescape")

    def create(self):
        self.shelf("create", self.lib, "--name", "Test", "--device", "here")

    def add(self, path=None, name="real", timeout=300):
        self.shelf("-l", self.lib, "location", "add", path or self.real, "--name", name, timeout=timeout)

    def mount(self):
        self.shelf("mount", self.lib, self.mnt)

    def unmount(self):
        self.shelf("unmount", self.mnt)
        gone = poll(lambda: not self.pids(), 20)
        must(gone, "the daemon still runs 20 s after unmount")

    def ready(self):
        """Library, location and mount, with what is in the real folder now."""
        self.create()
        self.add()
        self.mount()

    def check_clean(self, text):
        done = self.run("-l", self.lib, "check", timeout=300)
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        check(done.returncode == 0, f"{text}: shelf check: exit {done.returncode}: {said}")

    # -- the daemon --

    def pids(self):
        return processes_naming(self.dir)

    def kill(self):
        """kill -9, and waits until the kernel has closed what they had open (which comes after their memory is gone)."""
        self.killed = self.pids()
        for pid in self.killed:
            errno_of(os.kill, pid, signal.SIGKILL)
        if not poll(lambda: not any(map(is_running, self.killed)) and not self.pids(), 10):
            raise Failed("a killed daemon is still there" + self.stuck())

    def alive(self, text="the mount answers"):
        return works(text, os.listdir, self.mnt)

    # -- the database, seen from outside --

    def rows(self, query):
        if not shutil.which("sqlite3"):
            raise Skip("sqlite3 is missing (package sqlite3)")
        done = subprocess.run(["sqlite3", "-readonly", "-json", os.path.join(self.lib, "database.db"), query],
                              capture_output=True, timeout=60, check=True)
        return json.loads(done.stdout or b"[]")

    def pairs(self):
        """Live (kind, collection, link, file) of the library, as the database holds them."""
        return {tuple(r.values()) for r in self.rows("SELECT kind, tag, hex(link), file FROM tagged ORDER BY 1, 2, 3, 4")}

    # -- the end --

    def stuck(self):
        """Where each thread of the daemon is, as far as the kernel tells."""
        text = ""
        for pid in self.pids() or [p for p in self.killed if os.path.exists(f"/proc/{p}/task")]:
            for task in sorted(os.listdir(f"/proc/{pid}/task")):
                at = f"/proc/{pid}/task/{task}/"
                stack = b" < ".join(line.split()[-1].split(b"+")[0] for line in contents(at + "stack").splitlines()[:6])
                text += f"\n    {task} {contents(at + 'comm').decode().strip()}: {contents(at + 'wchan').decode()} {stack.decode()}"
            if shutil.which("gdb") and os.access("/proc/1/environ", os.R_OK):
                traced = subprocess.run(["gdb", "-p", str(pid), "-batch", "-ex", "thread apply all bt 12"], capture_output=True,
                                        timeout=60, check=False)
                text += "\n" + "\n".join(line for line in traced.stdout.decode(errors="replace").splitlines()
                                         if line.startswith(("#", "Thread")))
        return text

    def show_logs(self):
        for folder, _, names in os.walk(self.state):
            for name in names:
                if name in ("log", "log.1"):
                    lines = open(os.path.join(folder, name), errors="replace").read().splitlines()[-30:]
                    print(f"  --- {name}", *lines, sep="\n  ", flush=True)

    def sanitizer_reports(self):
        texts = [contents(os.path.join(self.dir, n)).decode(errors="replace") for n in os.listdir(self.dir) if n.startswith("sanitizer.")]
        # A process that was killed while it looked for leaks leaves some words, too.
        return [t for t in texts if re.search("ERROR: |WARNING: |runtime error", t)]

    def close(self):
        for point in mounts_below(self.dir):
            subprocess.run(["fusermount3", "-u", "-z", point], capture_output=True, check=False)
        if not poll(lambda: not self.pids(), 5):
            check(False, "the daemon does not end when its mount is gone" + self.stuck())
            self.kill()
        for point in mounts_below(self.dir):  # what a test mounted itself, as root
            subprocess.run(["umount", "-l", point], capture_output=True, check=False)
        for text in self.sanitizer_reports():
            check(False, "a sanitizer reported:\n" + text[:8000])
        if len(failures) > self.failures_before:
            self.show_logs()
        if os.environ.get("SHELF_KEEP"):
            print(f"kept: {self.dir}")
            return
        if mounts_below(self.dir):
            check(False, f"something is still mounted below {self.dir}; it is left there")
            return
        remove_tree(self.dir)


def remove_tree(path):
    def unlock(call, failed, _):
        parent = os.path.dirname(failed)
        for p in (parent, failed):
            if not os.path.islink(p):
                os.chmod(p, 0o700)
        if call in (os.open, os.scandir, os.lstat, os.listdir):
            shutil.rmtree(failed)
        else:
            call(failed)
    try:
        shutil.rmtree(path, onerror=unlock)
    except (OSError, RecursionError):
        subprocess.run(["chmod", "-R", "u+rwx", path], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", "--one-file-system", path], check=False)


# --- running ----------------------------------------------------------------------------------------------------------


def as_nobody():
    """Runs this script again as an ordinary user, from copies that this user can read."""
    if os.geteuid() != 0:
        raise Skip("already an ordinary user: the plain run of this test covers it")
    need_fuse()
    for tool in ("setpriv", "/usr/bin/python3"):
        if not shutil.which(tool):
            raise Skip(f"{tool} is missing")
    base = tempfile.mkdtemp(prefix="shelf-nobody-")
    try:
        copies = os.path.join(base, "tests")
        os.chmod(base, 0o755)
        os.mkdir(copies)
        for name in os.listdir(HERE):
            if name.endswith(".py"):
                shutil.copy(os.path.join(HERE, name), copies)
        binary = os.path.join(base, "shelf")
        shutil.copy(program(), binary)
        scratch = os.path.join(base, "tmp")
        os.mkdir(scratch)
        os.chown(scratch, NOBODY, NOBODY)
        kept = {k: v for k, v in os.environ.items() if k.startswith("SHELF_") or k.endswith("SAN_OPTIONS")}
        env = {**kept, "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": scratch, "TMPDIR": scratch, "SHELF_BIN": binary}
        script = os.path.join(copies, os.path.basename(sys.argv[0]))
        with subprocess.Popen(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "/usr/bin/python3",
                               script], env=env, cwd=scratch) as child:
            try:
                return child.wait()
            except BaseException:
                child.terminate()
                child.wait()
                raise
    finally:
        if not mounts_below(base):
            remove_tree(base)


def stop_on_signal(number, _):
    raise SystemExit(128 + number)


def run(*tests):
    """Runs the tests, each with a Home of its own, and ends the process. Names on the command line choose among them."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, stop_on_signal)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o022)
    chosen = [a for a in sys.argv[1:] if not a.startswith("-")]
    skipped = 0
    try:
        if "--as-nobody" in sys.argv:
            sys.exit(as_nobody())
    except Skip as why:
        print(f"SKIPPED: {why}")
        sys.exit(77)
    for test in [t for t in tests if not chosen or t.__name__ in chosen]:
        random.seed(SEED)
        before = len(failures)
        start = time.monotonic()
        home, done = None, True
        print(f"{test.__name__}: {(test.__doc__ or '').strip().splitlines()[0] if test.__doc__ else ''}", flush=True)
        try:
            home = Home()
            test(home)
        except Skip as why:
            skipped += 1
            done = False
            print(f"  SKIPPED: {why}", flush=True)
        except Failed as e:
            check(False, f"cannot go on: {e}")
        except Exception:  # the rest of the tests still runs
            check(False, "an exception:\n" + traceback.format_exc())
        finally:
            if home:
                home.close()
        if done:
            print(f"  {'FAILED' if len(failures) > before else 'ok'} ({time.monotonic() - start:.1f} s)", flush=True)
    print(f"{passed} checks passed, {len(failures)} failed, {skipped} of the tests skipped (seed {SEED})")
    if failures:
        sys.exit(1)
    sys.exit(77 if skipped and skipped == len([t for t in tests if not chosen or t.__name__ in chosen]) else 0)
