#!/usr/bin/env python3
"""Devices find, trust and reach each other: pairing, connections and removal on a network of namespaces."""

import os
import re
import signal
import subprocess
import time

import lan
import lib
from lib import check, equal, must, within

lan.enter()


def begin(net, *names):
    """The first one has the library, mounted."""
    devices = [net.device(name) for name in names]
    devices[0].create()
    devices[0].mount()
    return devices


def each_sees_the_other(a, b, seconds=20):
    within(seconds, f"{a.name} sees {b.name}", lambda: a.sees(b))
    within(seconds, f"{b.name} sees {a.name}", lambda: b.sees(a))


def by_broadcast(home):
    """A code is shown here and typed there; both are connected from then on."""
    with lan.Lan(home) as net:
        a, b = begin(net, "desktop", "laptop")
        said = lan.let_in(a, b)
        check("Joined the library 'Test'" in said, f"it says what was made: {said!r}")
        equal(oct(os.stat(os.path.join(b.state)).st_mode & 0o77), "0o0", "nobody else looks into its state folder")
        b.mount()
        each_sees_the_other(a, b)
        check("laptop" in os.listdir(os.path.join(a.mnt, "devices")), "the new device is in the tree here")
        within(10, "and the old one there", lambda: "desktop" in os.listdir(os.path.join(b.mnt, "devices")))
        info = a.devices()["laptop"]
        check(info["address"].startswith("10.7.0.2:"), f"its address is known: {info}")
        check(info["round_trip_us"] > 0, f"and the round trip: {info}")
        check("peer       laptop: online" in a.on("status"), "status says so, too")
        check("laptop is online" in a.on("events"), "events, too")
        for way in ("sent", "received"):
            found = re.search(r'^shelf_peer_%s_bytes_total\{device="laptop",[^}]*\} (\S+)$' % way, a.on("metrics"), re.M)
            check(found and float(found[1]) > 0, f"metrics count what was {way}: {found}")
        b.unmount()
        within(10, "a device that was unmounted is offline at once", lambda: a.sees(b, False))
        check("last seen" in a.on("device", "list"), "and it says when it was last seen")


def by_address(home):
    """Where no beacon goes: --address."""
    with lan.Lan(home) as net:
        a, b = net.device("desktop"), net.device("laptop")
        a.create()
        a.mount("--no-discovery", "--listen", ":4100")
        code, process = a.pair()
        done = b.join(code, "--wait", 3)
        equal(done.returncode, 69, f"nobody is found: {done.stderr!r}")
        check(b"--address" in done.stderr, f"it says what to do: {done.stderr!r}")
        check(not os.path.exists(b.lib), "nothing was made")
        done = b.join(code, "--address", f"{a.address}:4100", "--no-discovery")
        equal(done.returncode, 0, f"by address: {done.stderr!r}")
        process.communicate(timeout=30 * lib.PATIENCE)
        b.mount("--no-discovery")
        each_sees_the_other(a, b)
        b.unmount()
        b.mount("--no-discovery")
        within(20, "the address is remembered", lambda: b.sees(a))


def three(home):
    """Whom one has let in, all accept, also when they were away."""
    with lan.Lan(home) as net:
        a, b, c = begin(net, "one", "two", "three")
        lan.let_in(a, b)
        b.mount()
        each_sees_the_other(a, b)
        b.unmount()
        lan.let_in(a, c)  # two is away
        c.mount()
        each_sees_the_other(a, c)
        a.unmount()
        b.mount()  # it has never heard of three, and one is away: nobody vouches for three
        time.sleep(3)
        check("three" not in b.devices(), "two does not take the word of a stranger")
        a.mount()
        within(30, "two hears of three", lambda: "three" in b.devices())
        each_sees_the_other(b, c, 5)  # at once: it was heard while it was no member


def wrong_codes(home):
    """Three tries, and every way in which it can fail has its sentence; nothing is left behind."""
    with lan.Lan(home) as net:
        a, b = begin(net, "desktop", "laptop")
        code, process = a.pair()
        wrong = ("B" if code[0] == "A" else "A") + code[1:]
        for i in range(3):
            done = b.join(wrong, "--wait", 3)
            equal(done.returncode, 77, f"a wrong code, {i + 1}: {done.stderr!r}")
            check(b"wrong" in done.stderr or b"used up" in done.stderr, f"it says so: {done.stderr!r}")
        _, err = process.communicate(timeout=20 * lib.PATIENCE)
        equal(process.returncode, 77, f"the code is used up: {err!r}")
        check(b"used up" in err, f"and the other side says so: {err!r}")
        done = b.join(code, "--wait", 2)
        check(done.returncode in (69, 77), f"the right one comes too late: {done.returncode} {done.stderr!r}")
        check(not os.path.exists(b.lib), "no library was made")
        equal([n for n in os.listdir(b.state)] if os.path.exists(b.state) else [], [], "and no key is left")
        equal(len(a.devices()), 1, "nobody was let in")
        for bad in ("ABCD", "ABCD-12345", "IIII-1111", ""):
            equal(b.join(bad).returncode, 2, f"{bad!r} is no code")
        done = b.join("ABCD-2345", "--address", "nonsense")
        equal(done.returncode, 2, f"nonsense is no address: {done.stderr!r}")
        code, process = a.pair()
        done = a.run("-l", a.lib, "pair")
        equal(done.returncode, 75, f"one code at a time: {done.stderr!r}")
        process.terminate()
        process.communicate(timeout=20 * lib.PATIENCE)
        logs = open(os.path.join(a.state, os.listdir(a.state)[0], "log"), encoding="utf8").read()
        check(code not in logs and code.replace("-", "") not in logs, "no code is in the log")


def cable(home):
    """Pulled and put back; another address; a crash."""
    with lan.Lan(home) as net:
        a, b = begin(net, "desktop", "laptop")
        lan.let_in(a, b)
        b.mount()
        each_sees_the_other(a, b)
        b.pull()
        within(60, "the silence is noticed", lambda: a.sees(b, False) and b.sees(a, False))
        b.plug()
        each_sees_the_other(a, b, 60)
        b.move_to("10.7.0.77")
        within(60, "it is found at its new address",
               lambda: a.sees(b) and a.devices()["laptop"]["address"].startswith("10.7.0.77"))
        b.kill()
        within(10, "a crash is noticed", lambda: a.sees(b, False))
        b.mount()
        each_sees_the_other(a, b, 40)


def served(home):
    """`serve` is a peer like a mount."""
    with lan.Lan(home) as net:
        a, b = begin(net, "desktop", "nas")
        lan.let_in(a, b)
        b.shelf("serve", b.lib)
        each_sees_the_other(a, b)
        os.mkdir(os.path.join(a.mnt, "tags", "served"))
        within(5, "a tag is there, too", lambda: "served" in b.on("tag", "list"))
        b.shelf("unmount", b.lib)
        within(10, "it ends with a word", lambda: a.sees(b, False))


def offline(home):
    """`mount --offline` keeps off the network; what was done meanwhile is taken along later."""
    with lan.Lan(home) as net:
        a, b = begin(net, "desktop", "laptop")
        lan.let_in(a, b)
        b.mount("--offline")
        os.mkdir(os.path.join(b.mnt, "tags", "alone"))
        time.sleep(5)
        check(a.sees(b, False) and b.sees(a, False), "nobody sees it, and it sees nobody")
        check("alone" not in os.listdir(os.path.join(a.mnt, "tags")), "nothing goes")
        b.unmount()
        b.mount()
        each_sees_the_other(a, b)
        within(5, "what it had tagged arrives", lambda: "alone" in os.listdir(os.path.join(a.mnt, "tags")))


def one_way(home):
    """Only one side can dial, as behind NAT."""
    with lan.Lan(home) as net:
        a, b = begin(net, "server", "laptop")
        lan.let_in(a, b)
        b.mount("--listen", "127.0.0.1:4200", "--no-discovery")
        each_sees_the_other(a, b, 40)


def removed(home):
    """A removed device is cut at once, everywhere, and finds it out."""
    with lan.Lan(home) as net:
        a, b, c = begin(net, "one", "two", "three")
        lan.let_in(a, b)
        b.mount()
        lan.let_in(b, c)
        c.mount()
        each_sees_the_other(a, c, 40)
        said = a.on("device", "remove", "two")
        check("three" in said, f"it says whom the removed one had added: {said!r}")
        within(10, "it is cut", lambda: "two" not in a.devices())
        within(20, "also where it was only heard of", lambda: "two" not in c.devices())
        within(20, "it is no longer in the tree", lambda: "two" not in os.listdir(os.path.join(c.mnt, "devices")))
        check(c.sees(a), "the others stay connected")
        within(10, "it finds out why", lambda: "not a member there" in b.on("events"))
        b.unmount()
        b.mount()
        time.sleep(3)
        check(not b.sees(a), "it does not get in again")


def bad_line(home):
    """200 ms delay and 5 % loss."""
    with lan.Lan(home) as net:
        a, b = begin(net, "near", "far")
        b.spoil(200, 5)
        lan.let_in(a, b)
        b.mount()
        each_sees_the_other(a, b, 60)
        check(a.devices()["far"]["round_trip_us"] > 350_000, f"the round trip is measured: {a.devices()['far']}")


def found(home):
    """`discover` lists who shows a code."""
    with lan.Lan(home) as net:
        a, b = begin(net, "desktop", "laptop")
        equal(b.shelf("discover"), "", "nobody yet")
        code, process = a.pair()
        said = b.shelf("discover")
        check(said.startswith(f"desktop\t{a.address}:"), f"there it is: {said!r}")
        check(code not in said, "without its code")
        process.terminate()
        process.communicate(timeout=20 * lib.PATIENCE)


def clocks(home):
    """Clocks that differ by more than five minutes do not pair, both sides say why, and nobody has joined."""
    with lan.Lan(home) as net:
        a, b = begin(net, "desktop", "laptop")
        for offset, words in ((-900, "15 minutes behind"), (7200, "2 hours ahead of")):
            b.set_clock(offset)
            code, process = a.pair()
            done = b.join(code)
            out, err = process.communicate(timeout=30 * lib.PATIENCE)
            equal(done.returncode, 77, f"{offset} s: the new one is told: {done.stderr!r}")
            check(f"the clock of this device is {words} that of the other" in done.stderr.decode(), f"why: {done.stderr!r}")
            check(not os.path.exists(b.lib), "nothing was made")
            equal(process.returncode, 77, f"the other one as well: {out!r} {err!r}")
            check(words in err.decode() and b"has joined" not in out, f"why: {out!r} {err!r}")
            equal(len(a.devices()), 1, "nobody was let in")
        b.set_clock(200)
        lan.let_in(a, b)


def repaired(home):
    """A library that was used while its clock ran ahead lets in a device whose clock is right."""
    with lan.Lan(home) as net:
        a, b = net.device("desktop"), net.device("laptop")
        a.set_clock(86400)
        a.create()
        lib.write_file(os.path.join(a.real, "file"))
        a.on("location", "add", a.real)
        a.on("tag", "add", "tomorrow", os.path.join(a.real, "file"))
        a.set_clock(0)
        a.mount()
        lan.let_in(a, b)
        b.mount()
        each_sees_the_other(a, b)
        within(20, "what was tagged arrives", lambda: os.listdir(os.path.join(b.mnt, "tags", "tomorrow")))


def clumsy(home):
    """What people do: join where something is already, twice, where nothing can be written; and stop in the middle."""
    with lan.Lan(home) as net:
        a, b, c = begin(net, "desktop", "laptop", "third")
        code, process = a.pair()
        os.mkdir(b.lib)
        equal(b.join(code).returncode, 73, "something is there already")
        os.rmdir(b.lib)
        done = b.run("join", code, os.path.join(b.dir, "no", "such", "folder"))
        equal(done.returncode, 73, f"no folder to put it in: {done.stderr!r}")
        done = b.join(code, "--wait", "soon")
        equal(done.returncode, 2, f"no number: {done.stderr!r}")
        lib.write_file(b.state, b"")
        done = b.join(code)
        check(done.returncode in (1, 73, 77), f"a state folder that cannot be: {done.returncode} {done.stderr!r}")
        os.unlink(b.state)
        small = os.path.join(b.dir, "small")
        os.mkdir(small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], check=False).returncode == 0:
            done = b.run("join", code, os.path.join(small, "Test"))
            subprocess.run(["umount", small], check=True)
            equal(done.returncode, 73, f"no room: {done.stderr!r}")
        check(process.poll() is None, "none of this has used the code")
        joined = b.join(code)
        equal(joined.returncode, 0, f"the code is still good: {joined.stderr!r}")
        process.communicate(timeout=20 * lib.PATIENCE)
        code, process = a.pair()
        again = b.run("join", code, os.path.join(b.dir, "Again"), "--device", "again")
        equal(again.returncode, 73, f"the same user in the same library: {again.stderr!r}")
        check(b"already" in again.stderr, f"it says so: {again.stderr!r}")
        check(not os.path.exists(os.path.join(b.dir, "Again.sdlibrary")), "nothing was made")
        check(process.poll() is None, "and the code is still good")
        process.terminate()
        process.communicate(timeout=20 * lib.PATIENCE)
        b.mount()
        each_sees_the_other(a, b)
        check("again" not in a.devices(), "and no device is left in the list that never was")
        done = b.on("device", "list")
        equal(a.run("-l", a.lib, "device", "remove", "desktop").returncode, 77, "a device cannot remove itself")
        for number in (signal.SIGINT, signal.SIGTERM):
            code, process = a.pair()
            process.send_signal(number)
            _, err = process.communicate(timeout=20 * lib.PATIENCE)
            check(process.returncode in (1, 128 + number, -number), f"stopped by {number}: {process.returncode} {err!r}")
            guest = c.start("join", "ABCD-2345", c.lib, "--device", "third")
            time.sleep(0.5)
            guest.send_signal(number)
            _, err = guest.communicate(timeout=20 * lib.PATIENCE)
            check(guest.returncode in (1, 128 + number, -number), f"a join that is stopped: {guest.returncode} {err!r}")
            check(not os.path.exists(c.lib) and not os.path.exists(c.state), "leaves nothing behind")
        code, process = a.pair()
        a.unmount()
        out, err = process.communicate(timeout=20 * lib.PATIENCE)
        check(process.returncode != 0 and err, f"unmounted while it waited: {process.returncode} {out!r} {err!r}")
        code, process = a.pair()  # without a daemon
        done = c.join(code, "--listen", ":4321")
        equal(done.returncode, 0, f"a library that is only open for the code: {done.stderr!r}")
        process.communicate(timeout=20 * lib.PATIENCE)
        equal(process.returncode, 0, "the other side")


def killed(home):
    """A join that is killed leaves a library that has joined, or nothing that is in the way of the next one."""
    with lan.Lan(home) as net:
        a, = begin(net, "desktop")
        for i, ms in enumerate((2, 10, 18, 26, 34, 60)):
            b = net.device(f"laptop {i}")
            code, process = a.pair()
            guest = b.start("join", code, b.lib, "--device", b.name)
            guest.stderr.readline()  # it has found the other one
            time.sleep(ms / 1000)
            for pid in lib.processes_naming(b.lib):
                lib.errno_of(os.kill, pid, signal.SIGKILL)
            guest.communicate()
            process.terminate()
            process.communicate(timeout=20 * lib.PATIENCE)
            if not os.path.exists(b.lib):
                lan.let_in(a, b)
            b.mount()
            each_sees_the_other(a, b)
            equal([n for n in os.listdir(b.dir) if "joining" in n], [], "nothing half made is left")
            b.unmount()


# The longest first.
lan.run(cable, three, wrong_codes, bad_line, clumsy, killed, found, removed, by_broadcast, by_address, one_way, served, offline, clocks, repaired)
