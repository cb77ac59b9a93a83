"""Several devices on this machine for the rows of bench/run that measure replication: each device has a state folder, a
library and a daemon of its own; they reach each other over loopback, by address."""

import glob
import json
import os
import selectors
import signal
import socket
import subprocess
import threading
import time

HOST = "127.0.0.1"
ELSEWHERE = "127.0.0.2"  # where guests listen: the host cannot guess it, so they dial


def free_port():
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


def wait(probe, what, seconds=600, every=0.02):
    """Until the probe is true; the moment at which it was."""
    deadline = time.perf_counter() + seconds
    while True:
        try:
            if probe():
                return time.perf_counter()
        except OSError:
            pass
        if time.perf_counter() > deadline:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(every)


class Device:
    """`name` is its name in the library as well. The library is shown below `mnt` while it is mounted."""

    def __init__(self, bench, name, home):
        self.bench, self.name = bench, name
        self.dir = os.path.join(home, name)
        self.lib = os.path.join(self.dir, "library.sdlibrary")
        self.mnt = os.path.join(self.dir, "mnt")
        os.makedirs(self.mnt)
        self.env = dict(bench.env, SHELF_STATE_DIR=os.path.join(self.dir, "state"))
        self.port, self.listen = free_port(), HOST
        self.process = self.started_ms = None

    def shelf(self, *words, **kwargs):
        done = subprocess.run(self.words(*words), env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, **kwargs)
        if done.returncode:
            raise RuntimeError(f"{self.name}: shelf {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def words(self, *words):
        return [*self.bench.pin, os.path.join(self.bench.build, "mount", "shelf"), *words]

    def on(self, *words):
        return self.shelf("-l", self.lib, *words)

    def network(self):
        return ["--listen", f"{self.listen}:{self.port}", "--no-discovery"]

    def create(self):
        self.shelf("create", self.lib, "--name", "bench", "--device", self.name)

    # -- its daemon --

    def start(self, mounted=True, settled=True):
        what = ["mount", "-f", *self.network(), self.lib, self.mnt] if mounted else ["serve", "-f", *self.network(), self.lib]
        self.started_ms = time.time() * 1000
        log = open(os.path.join(self.dir, "log"), "ab")
        before = os.stat(self.mnt).st_dev
        self.process = subprocess.Popen(self.words(*what), env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        start_new_session=True)
        self.bench.devices.append(self)
        wait(lambda: self.is_open(mounted, before), f"start of {self.name}", 60, 0.005)
        if settled:
            wait(lambda: self.compared(), f"{self.name} compares its locations", 900, 0.2)

    def is_open(self, mounted, before):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name}: the daemon ended")
        return os.stat(self.mnt).st_dev != before if mounted else glob.glob(os.path.join(self.dir, "state", "*", "*sock*"))

    def compared(self, hashed=False):
        status = json.loads(self.on("status", "--json"))
        return all(l["scanned_ms"] >= self.started_ms for l in status["locations"]) and not status["scanning"] \
            and not (hashed and status["unhashed"])

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            if os.path.ismount(self.mnt):
                subprocess.run(["umount", "-l", self.mnt], check=False)
            self.bench.devices.remove(self)
        self.process = None

    # -- other devices --

    def let_in(self, guest, via=None):
        """Pairs and lets everything arrive, while our daemon runs. `via`: the port at which the guest shall reach us."""
        host = subprocess.Popen(self.words("-l", self.lib, "pair"), env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        code = host.stdout.readline().strip()
        guest.listen = ELSEWHERE
        guest.shelf("join", code, guest.lib, "--device", guest.name, "--address", f"{HOST}:{via or self.port}", *guest.network(),
                    timeout=120)
        host.communicate(timeout=60)
        if host.returncode:
            raise RuntimeError(f"{self.name} did not let {guest.name} in")

    def metric(self, name):
        for line in self.on("metrics").splitlines():
            if line.startswith(f"shelf_{name} "):
                return float(line.split()[1])
        raise RuntimeError(f"no metric {name}")

    def sees(self, other):
        return any(d["name"] == other.name and d.get("online") for d in json.loads(self.on("device", "list", "--json")))

    # -- what it costs --

    def private_mib(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="ascii") as f:
            return sum(int(line.split()[1]) for line in f if line.startswith("Private_")) / 1024

    def busy_s(self):
        """Processor time of all its threads that still live."""
        total = 0
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat"):
            with open(path, encoding="ascii") as f:
                total += int(f.read().split()[0])
        return total / 1e9


class Peak:
    """The greatest private memory of daemons while it lives."""

    def __init__(self, *devices):
        self.devices, self.over = devices, threading.Event()
        self.mib = {d.name: 0.0 for d in devices}
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.over.wait(0.25):
            for device in self.devices:
                try:
                    self.mib[device.name] = max(self.mib[device.name], device.private_mib())
                except (OSError, AttributeError):  # it has ended
                    pass

    def end(self):
        self.over.set()
        self.thread.join()
        return max(self.mib.values())


class Cable:
    """What a guest dials instead of the host: passes bytes on, counts them, and can be pulled. A thread of its own.
    `bytes` and `opened` (when the first dial succeeded) count from the last pull."""

    def __init__(self, port):
        self.target, self.plugged = port, True
        self.bytes, self.opened, self.last = 0, 0.0, 0.0
        self.server = socket.create_server((HOST, 0), backlog=16)
        self.port = self.server.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.server, selectors.EVENT_READ)
        self.others, self.over, self.lock = {}, False, threading.Lock()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over:
            for key, _ in self.selector.select(0.1):
                with self.lock:
                    if key.fileobj is self.server:
                        self.accept()
                    elif key.fileobj in self.others:
                        self.pass_on(key.fileobj)

    def accept(self):
        near, _ = self.server.accept()
        if not self.plugged:
            near.close()
            return
        try:
            far = socket.create_connection((HOST, self.target))
        except OSError:
            near.close()
            return
        self.opened = self.opened or time.perf_counter()
        for one, other in ((near, far), (far, near)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.others[one] = other
            self.selector.register(one, selectors.EVENT_READ)

    def pass_on(self, one):
        try:
            data = one.recv(1 << 18)
            if data:
                self.others[one].sendall(data)
        except OSError:
            data = b""
        if not data:
            self.cut(one)
            return
        self.bytes += len(data)
        self.last = time.perf_counter()

    def cut(self, one):
        for end in (self.others.pop(one), one):
            self.others.pop(end, None)
            self.selector.unregister(end)
            end.close()

    def pull(self):
        with self.lock:
            self.plugged, self.bytes, self.opened, self.last = False, 0, 0.0, 0.0
            while self.others:
                self.cut(next(iter(self.others)))

    def plug(self):
        with self.lock:
            self.plugged = True

    def settle(self, quiet=1.5):
        """Waits until somebody has dialled and all has been said; (seconds from the dial to the last byte, bytes)."""
        wait(lambda: self.opened and time.perf_counter() - max(self.opened, self.last) > quiet, "a connection", 120)
        return self.last - self.opened, self.bytes

    def close(self):
        self.over = True
        self.thread.join()
        self.pull()
        self.server.close()
        self.selector.close()
