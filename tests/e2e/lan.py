"""A local network for the tests of several devices: a switch in a network namespace of the test's own, and devices, each with
a namespace, a cable to the switch and everything else that shelf needs. Needs root, unshare, nsenter and ip."""

import concurrent.futures
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time

import lib

SOL_PACKET, ETH_P_ALL, SO_RCVBUFFORCE = 263, 3, 33


def enter():
    """Runs the script again in a network of its own; skips it, with the reason, where that is not allowed."""
    if os.environ.get("LAN_INSIDE"):
        return
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        print("SKIPPED: several devices with mounts need root, unshare, nsenter and ip")
        sys.exit(77)
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        print("SKIPPED: network namespaces are not allowed here")
        sys.exit(77)
    os.environ["LAN_INSIDE"] = "1"
    os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])


def run(*tests):
    """lib.run, but where several tests are wanted each gets a process and a network of its own, some at a time: most of what
    they do is wait."""
    names = [a for a in sys.argv[1:] if not a.startswith("-")] or [t.__name__ for t in tests]
    if len(names) == 1:
        lib.run(*tests)
    env = {k: v for k, v in os.environ.items() if k != "LAN_INSIDE"}

    def one(name):
        done = subprocess.run([sys.executable, sys.argv[0], name], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        print(done.stdout.decode(errors="replace"), end="", flush=True)
        return done.returncode

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(one, names))
    sys.exit(77 if all(code == 77 for code in codes) else int(any(code not in (0, 77) for code in codes)))


def ip(*words, pid=None, fails=False):
    inside = ["nsenter", "-t", str(pid), "-n"] if pid else []
    done = subprocess.run([*inside, "ip", *map(str, words)], capture_output=True, check=False)
    if done.returncode and not fails:
        raise lib.Failed(f"ip {' '.join(map(str, words))}: {done.stderr.decode()}")


class Lan:
    """The switch. `close` takes everything down that was plugged in."""

    def __init__(self, home):
        self.home, self.devices, self.number = home, [], 0
        ip("link", "set", "lo", "up")
        ip("link", "del", "switch", fails=True)
        ip("link", "add", "switch", "type", "bridge", "forward_delay", "0")
        ip("link", "set", "switch", "up")

    def device(self, name):
        self.number += 1
        device = Device(self, name, self.number)
        self.devices.append(device)
        return device

    def listen(self):
        """Everything that comes by on any cable from now on."""
        return Capture([d.cable for d in self.devices])

    def close(self):
        for device in self.devices:
            device.close()
        ip("link", "del", "switch", fails=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Capture:
    """All frames on some interfaces, as a list of bytes, until stop()."""

    def __init__(self, interfaces):
        self.frames, self.going = [], True
        self.sockets = [self.open(name) for name in interfaces]
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    @staticmethod
    def open(name):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        s.bind((name, ETH_P_ALL))
        return s

    def listen(self):
        while self.going:
            for s in select.select(self.sockets, [], [], 0.1)[0]:
                self.frames.append(s.recv(70000))

    def stop(self):
        time.sleep(0.3)  # what is still on its way
        self.going = False
        self.thread.join()
        for s in self.sockets:
            s.close()

    def streams(self):
        """The payload of IPv4's TCP and UDP, by (protocol, source and destination with their ports), in order of arrival.
        Each cable shows a frame once more, which does no harm to a search."""
        found = {}
        for frame in self.frames:
            if frame[12:14] != b"\x08\x00" or frame[23] not in (6, 17):
                continue
            at = 14 + (frame[14] & 15) * 4
            length = 14 + int.from_bytes(frame[16:18], "big")
            data = at + ((frame[at + 12] >> 4) * 4 if frame[23] == 6 else 8)
            key = (frame[23], frame[26:30], frame[at:at + 2], frame[30:34], frame[at + 2:at + 4])
            found[key] = found.get(key, b"") + frame[data:length]
        return found

    def finds(self, needle):
        return any(needle in frame for frame in self.frames) or any(needle in stream for stream in self.streams().values())


class Device:
    """One machine: `lib` is its library folder, `mnt` its mount, `real` a folder of files."""

    def __init__(self, lan, name, number):
        self.lan, self.name, self.number = lan, name, number
        self.dir = os.path.join(lan.home.dir, name)
        self.state, self.real, self.mnt = (os.path.join(self.dir, part) for part in ("state", "real", "mnt"))
        self.lib = os.path.join(self.dir, "Test.sdlibrary")
        for path in (self.dir, self.real, self.mnt):
            os.mkdir(path)
        self.env = dict(lan.home.env, SHELF_STATE_DIR=self.state, HOME=self.dir)
        self.net = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo there; exec sleep 3600"], stdout=subprocess.PIPE)
        self.net.stdout.readline()
        self.cable, self.line = f"cable{number}", None
        self.address = f"10.7.0.{number}"
        ip("link", "set", "lo", "up", pid=self.net.pid)
        ip("link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", self.net.pid)
        ip("link", "set", self.cable, "master", "switch")
        ip("link", "set", "eth0", "addrgenmode", "none", pid=self.net.pid)
        ip("addr", "add", f"{self.address}/24", "brd", "+", "dev", "eth0", pid=self.net.pid)
        ip("link", "set", "eth0", "up", pid=self.net.pid)
        ip("link", "set", self.cable, "up")

    # -- the cable --

    def pull(self):
        ip("link", "set", self.cable, "down")

    def plug(self):
        ip("link", "set", self.cable, "up")

    def move_to(self, address):
        ip("addr", "flush", "dev", "eth0", pid=self.net.pid)
        ip("addr", "add", f"{address}/24", "brd", "+", "dev", "eth0", pid=self.net.pid)
        self.address = address

    def spoil(self, delay_ms, loss_percent):
        """From now on the cable delays and loses in each direction: it ends in a process that passes frames on (line.py)."""
        near, far = f"near{self.number}", f"far{self.number}"
        ip("link", "add", near, "type", "veth", "peer", "name", far)
        ip("link", "set", self.cable, "nomaster")
        ip("link", "set", far, "master", "switch")
        for name in (near, far):
            ip("link", "set", name, "addrgenmode", "none")
            ip("link", "set", name, "up")
        words = [sys.executable, os.path.join(lib.HERE, "line.py"), self.cable, near, delay_ms, loss_percent, lib.SEED]
        self.line = subprocess.Popen([*map(str, words)], stdout=subprocess.PIPE)
        lib.must(self.line.stdout.readline() == b"there\n", "the bad line does not work")

    def set_clock(self, seconds):
        """From now on its programs see a wall clock that is ahead by so much."""
        library = os.environ.get("CLOCK_LIBRARY")
        if not library:
            raise lib.Skip("CLOCK_LIBRARY is not set: meson builds it (tests/e2e/clock.c) and sets it")
        self.env.update(LD_PRELOAD=library, CLOCK_OFFSET=str(seconds))
        self.env["ASAN_OPTIONS"] = self.env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"

    def python(self, program, *args, **kwargs):
        """Runs a program in Python on this device; its standard output is a pipe."""
        words = ["nsenter", "-t", str(self.net.pid), "-n", sys.executable, "-c", program, *map(str, args)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, cwd=self.dir, **kwargs)

    # -- shelf --

    def words(self, *args):
        return ["nsenter", "-t", str(self.net.pid), "-n", self.lan.home.shelf_path, *map(str, args)]

    def run(self, *args, timeout=60, text=None):
        return subprocess.run(self.words(*args), stdin=subprocess.DEVNULL if text is None else None, input=text,
                              capture_output=True, timeout=timeout * lib.PATIENCE, cwd=self.dir, env=self.env, check=False)

    def shelf(self, *args, **kwargs):
        done = self.run(*args, **kwargs)
        lib.must(done.returncode == 0, f"{self.name}: shelf {' '.join(map(str, args))}: exit {done.returncode}: "
                                       f"{(done.stderr or done.stdout).decode(errors='replace').strip()}")
        return done.stdout.decode(errors="surrogateescape")

    def on(self, *args, **kwargs):
        return self.shelf("-l", self.lib, *args, **kwargs)

    def start(self, *args):
        return subprocess.Popen(self.words(*args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                cwd=self.dir, env=self.env)

    def create(self):
        self.shelf("create", self.lib, "--name", "Test", "--device", self.name)

    def mount(self, *options):
        self.shelf("mount", self.lib, self.mnt, *options)

    def unmount(self):
        self.shelf("unmount", self.mnt)

    def kill(self):
        """kill -9 of the daemon, and the dead mount taken away."""
        for pid in lib.processes_naming(self.dir):
            lib.errno_of(os.kill, pid, 9)
        if not lib.poll(lambda: not lib.processes_naming(self.dir), 10):
            raise lib.Failed(f"{self.name}: a killed daemon is still there")
        subprocess.run(["fusermount3", "-u", "-z", self.mnt], capture_output=True, check=False)

    def pair(self, *options):
        """`shelf pair` in the background; the code, and the process."""
        process = self.start("-l", self.lib, "pair", *options)
        code = process.stdout.readline().decode().strip()
        if not code:
            raise lib.Failed(f"{self.name}: no code: {process.stderr.read().decode()}")
        return code, process

    def join(self, code, *options, timeout=90):
        return self.run("join", code, self.lib, "--device", self.name, *options, timeout=timeout)

    def devices(self):
        """By name, as `device list --json` has them."""
        return {d["name"]: d for d in json.loads(self.on("device", "list", "--json"))}

    def sees(self, other, online=True):
        return self.devices().get(other.name, {}).get("online") is online

    def close(self):
        subprocess.run(["fusermount3", "-u", "-z", self.mnt], capture_output=True, check=False)
        lib.poll(lambda: not lib.processes_naming(self.dir), 5)
        for pid in lib.processes_naming(self.dir):
            lib.errno_of(os.kill, pid, 9)
        if self.line:
            self.line.kill()
            self.line.wait()
            ip("link", "del", f"near{self.number}", fails=True)
        self.net.kill()
        self.net.wait()
        ip("link", "del", self.cable, fails=True)


def let_in(host, guest, *options):
    """Pairs, and returns what `join` printed."""
    code, process = host.pair()
    done = guest.join(code, *options)
    try:
        out, err = process.communicate(timeout=30 * lib.PATIENCE)
    except subprocess.TimeoutExpired:
        process.terminate()
        out, err = process.communicate(timeout=30 * lib.PATIENCE)
        lib.check(False, f"{host.name}: `pair` still waits after `join` ended with {done.returncode}: {done.stderr.decode()} / {err.decode()}")
    lib.must(done.returncode == 0, f"{guest.name} joins: exit {done.returncode}: {done.stderr.decode()} (there: {err.decode()})")
    lib.equal(process.returncode, 0, f"{host.name} lets {guest.name} in: {err.decode()}")
    lib.check(guest.name in out.decode(), f"and says who came: {out!r}")
    return done.stdout.decode()
