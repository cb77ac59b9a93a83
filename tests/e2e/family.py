"""Devices that share a library, for the tests of replication: made, compared, and looked at when all has come to rest."""

import json
import os
import re
import shutil
import stat

import lan
import lib
from lib import check, equal


def tree(device):
    """Path and type everywhere; size, mtime and mode for what is no link below devices/ ("The trees are equal")."""
    found = {}
    for folder, dirs, files in os.walk(os.fsencode(device.mnt)):
        for name in dirs + files:
            path = os.path.join(folder, name)
            key = path[len(device.mnt):]
            st = os.lstat(path)
            if key.startswith(b"/devices/") and key.count(b"/") > 2 and not stat.S_ISLNK(st.st_mode):
                found[key] = (stat.S_IFMT(st.st_mode), st.st_size if stat.S_ISREG(st.st_mode) else 0, st.st_mtime_ns, st.st_mode)
            else:
                found[key] = (stat.S_IFMT(st.st_mode),)
    return found


def trees_equal(devices, seconds=30, text="the trees are equal"):
    want = {}

    def same():
        trees = [tree(d) for d in devices]
        want["trees"] = trees
        return all(t == trees[0] for t in trees[1:])

    if not lib.poll(same, seconds * lib.PATIENCE, 0.2):
        first = want["trees"][0]
        for device, other in zip(devices[1:], want["trees"][1:]):
            differing = sorted(k for k in first.keys() | other.keys() if first.get(k) != other.get(k))
            check(False, f"{text}: {devices[0].name} and {device.name} differ in {len(differing)}: "
                         + "; ".join(f"{k!r}: {first.get(k)} / {other.get(k)}" for k in differing[:5]))
    else:
        check(True, text)


def fill(device, count=20):
    for i in range(count):
        folder = os.path.join(device.real, f"folder {i % 4}")
        os.makedirs(folder, exist_ok=True)
        lib.write_file(os.path.join(folder, f"{device.name} file {i}.txt"), b"%s %d" % (device.name.encode(), i) * (i + 1))


def family(net, *names):
    """Devices that are all members, mounted and connected, each with a location of its own."""
    devices = [net.device(name) for name in names]
    devices[0].create()
    devices[0].mount()
    for guest in devices[1:]:
        lan.let_in(devices[0], guest)
        guest.mount()
    for device in devices:
        fill(device)
        device.on("location", "add", device.real, "--name", "files")
    return devices


def logs(device):
    text = ""
    for folder, _, names in os.walk(device.state):
        for name in names:
            if name in ("log", "log.1"):
                text += lib.contents(os.path.join(folder, name)).decode(errors="replace")
    return text


BAD_EVENTS = ("other rows than this device", "may not send", "another history", "could not be read or written")


def check_settled(devices, bad_events=BAD_EVENTS):
    """Everybody has everything: the log is empty, the catalogue sound, and nobody complained."""
    for device in devices:
        status = {}

        def empty():
            status.update(json.loads(device.on("status", "--json")))
            return status["log_records"] == 0

        check(lib.poll(empty, 15, 0.1), f"{device.name}: {status['log_records']} changes stay in the log")
        compared = {}

        def same():
            compared["text"] = device.run("-l", device.lib, "check", "--quick", "--peers").stdout.decode()
            return compared["text"].count("the same rows in") == len(devices) - 1 and "not compared" not in compared["text"]

        check(lib.poll(same, 25, 0.5), f"{device.name}: check --peers: {compared.get('text')}")
        done = device.run("-l", device.lib, "check")
        equal(done.returncode, 0, f"{device.name}: check: {done.stdout.decode(errors='replace')}")
        events = json.loads(device.on("events", "--json", "--count", "1000"))
        for event in events:
            check(event["level"] != "error" and not any(bad in event["text"] for bad in bad_events), f"{device.name}: event: {event['text']}")
        for line in logs(device).splitlines():
            check(not re.search(r"\berror\b", line[:60]), f"{device.name}: log: {line}")


def save(device, name="saved"):
    """A copy of the library's folder, as a backup program makes it."""
    goal = os.path.join(device.dir, name)
    shutil.rmtree(goal, ignore_errors=True)
    shutil.copytree(device.lib, goal)
    return goal


def put_back(device, saved):
    """Overwrites the files of the library with the copies."""
    for name in os.listdir(device.lib):
        if os.path.isfile(os.path.join(device.lib, name)):
            os.unlink(os.path.join(device.lib, name))
    for name in os.listdir(saved):
        if os.path.isfile(os.path.join(saved, name)):
            shutil.copy2(os.path.join(saved, name), os.path.join(device.lib, name))
