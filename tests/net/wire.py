#!/usr/bin/env python3
"""Discovery between two network namespaces with a cable between them: what loopback cannot show (IPv6 multicast, zones,
directed broadcast, interfaces that come and change). Needs unshare and ip; skipped (77), with the reason, where those
or the right to use them are missing. $NEIGHBOUR is the program of neighbour.c."""

import os
import selectors
import shutil
import socket
import subprocess
import sys
import time

NEIGHBOUR = os.environ["NEIGHBOUR"]
PATIENCE = 15 * float(os.environ.get("SHELF_PATIENCE", "1"))
UDP, TCP_A, TCP_B = "21900", "4001", "4002"


def enter_namespaces():
    """Runs itself again, as root of a network of its own."""
    if os.environ.get("WIRE_INSIDE"):
        return
    command = ["unshare", "-n"] + ([] if os.geteuid() == 0 else ["-Ur"])
    if not shutil.which("unshare") or not shutil.which("ip") or subprocess.run([*command, "true"], capture_output=True).returncode:
        print("SKIPPED: needs unshare -n and ip")
        sys.exit(77)
    os.environ["WIRE_INSIDE"] = "1"
    os.execvp("unshare", [*command, sys.executable, *sys.argv])


def ip(*words, pid=None):
    inside = ["nsenter", "-t", str(pid), "-n"] if pid else []
    subprocess.run([*inside, "ip", *words], check=True)


class Neighbour:
    """A running one; `pid` of a process whose network it is in, or this one's."""

    def __init__(self, device, tcp, interface, pid=None):
        inside = ["nsenter", "-t", str(pid), "-n"] if pid else []
        self.process = subprocess.Popen([*inside, NEIGHBOUR, str(device), UDP, tcp, *interface], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        self.pending, self.lines, self.dropped = b"", [], []
        self.wait("ready")

    def wait(self, *words):
        """The first line from now on that holds all the words; earlier ones are dropped."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            while self.lines:
                line = self.lines.pop(0)
                if all(word in line for word in words):
                    return line.split()
                self.dropped.append(line)
            if self.selector.select(0.1):
                self.pending += os.read(self.process.stdout.fileno(), 4096)
                *complete, self.pending = self.pending.split(b"\n")
                self.lines += [line.decode() for line in complete]
        raise SystemExit(f"FAILED: nothing about {words} was heard, but {self.dropped}")

    def tell(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def leave(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0


def other_network():
    """A process that does nothing but have a network of its own."""
    process = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo there; exec sleep 600"], stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def plug(pid, v4, v6):
    """A cable: `wa` here, `wb` there."""
    ip("link", "add", "wa", "type", "veth", "peer", "name", "wb", "netns", str(pid))
    for end, number, where in (("wa", 1, None), ("wb", 2, pid)):
        ip("link", "set", end, "addrgenmode", "none", pid=where)  # no address but those below
        ip("link", "set", end, "up", pid=where)
        if v4:
            ip("addr", "add", f"10.9.0.{number}/24", "dev", end, pid=where)
        if v6:  # without waiting for the check that nobody else has the address
            ip("addr", "add", f"fe80::{number}/64", "dev", end, "nodad", pid=where)


def dial(address):
    host, port = address.strip("[").rsplit(":", 1)
    socket.create_connection((host.rstrip("]"), int(port)), PATIENCE).close()


def hear_each_other(other, v4, v6, here, there):
    plug(other.pid, v4, v6)
    b = Neighbour(2, TCP_B, ["wb"], other.pid)
    a = Neighbour(1, TCP_A, ["wa"])
    heard = a.wait("heard 2", here)
    assert heard[2].endswith(":" + TCP_B), heard
    assert b.wait("heard 1", there)[2].endswith(":" + TCP_A)
    dial(heard[2])  # a hint that can be dialled as it is, with its zone
    b.wait("called")
    a.tell("open Kitchen table")
    b.wait("open Kitchen table", there)
    a.leave()
    b.wait("left", there)  # open no longer
    a = Neighbour(1, TCP_A, ["wa"])  # a restart is noticed at once, not after a while
    b.wait("heard 1")
    a.leave()
    b.leave()
    ip("link", "del", "wa")


def interfaces_come_and_change(other):
    """The rule of all interfaces: at first there is none but loopback."""
    a = Neighbour(1, TCP_A, [])
    ip("link", "add", "lan", "type", "veth", "peer", "name", "wb", "netns", str(other.pid))
    ip("link", "set", "lan", "up")
    ip("link", "set", "wb", "up", pid=other.pid)
    ip("addr", "add", "10.9.0.1/24", "dev", "lan")
    ip("addr", "add", "10.9.0.2/24", "dev", "wb", pid=other.pid)
    b = Neighbour(2, TCP_B, ["wb"], other.pid)
    a.tell("look")
    a.wait("changed")
    b.wait("heard 1", "10.9.0.1:")
    ip("addr", "add", "10.8.0.1/16", "dev", "lan")
    ip("addr", "add", "10.8.0.2/16", "dev", "wb", pid=other.pid)
    ip("addr", "del", "10.9.0.1/24", "dev", "lan")
    b.tell("look")
    b.wait("changed")
    a.tell("look")
    a.wait("changed")
    b.wait("heard 1", "10.8.0.1:")
    a.leave()
    b.leave()
    ip("link", "del", "lan")


def no_network(_other):
    """Two programs of one machine, by loopback."""
    a, b = Neighbour(1, TCP_A, []), Neighbour(2, TCP_B, [])
    a.wait("heard 2", "127.0.0.1:" + TCP_B)
    b.wait("heard 1", "127.0.0.1:" + TCP_A)
    a.leave()
    b.leave()


def one_machine_by_its_network(other):
    """Two programs of one machine, by its own interface: broadcast and multicast come back to it."""
    for v4, v6, here in ((True, False, "10.9.0.1:"), (False, True, "[fe80::1%wa]:")):
        plug(other.pid, v4, v6)
        a, b = Neighbour(1, TCP_A, ["wa"]), Neighbour(2, TCP_B, ["wa"])
        a.wait("heard 2", here)
        b.wait("heard 1", here)
        a.leave()
        b.leave()
        ip("link", "del", "wa")


def main():
    enter_namespaces()
    ip("link", "set", "lo", "up")
    other = other_network()
    try:
        for name, test in {
            "no network": no_network,
            "IPv4": lambda o: hear_each_other(o, True, False, "10.9.0.2:", "10.9.0.1:"),
            "IPv6": lambda o: hear_each_other(o, False, True, "[fe80::2%wa]:", "[fe80::1%wb]:"),
            "one machine": one_machine_by_its_network,
            "interfaces": interfaces_come_and_change,
        }.items():
            test(other)
            print(f"ok: {name}", flush=True)
    finally:
        other.kill()


main()
