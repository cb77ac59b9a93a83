#!/usr/bin/env python3
"""Three devices, random work through their mounts and below their folders, cables pulled, daemons killed; then all heals, and
everything has to agree. SHELF_SEED repeats a run, CHAOS_STORY tells of one in which all was well, too."""

import json
import os
import random
import shutil
import subprocess
import threading
import time

import lan
import lib
from family import BAD_EVENTS, check_settled, family, put_back, save, trees_equal
from lib import check, must

lan.enter()

STEPS = 60 if lib.QUICK else 120
LASTING = "ever"  # a tag that nobody takes away; so every link that is made in it has to be there at the end


class World:
    def __init__(self, devices, seed):
        self.random, self.devices = random.Random(seed), devices
        self.plugged = {d: True for d in devices}
        self.extra = {d: 0 for d in devices}  # locations that were added
        self.number = 0
        self.kept = set()
        self.lasting = [LASTING]
        self.saved = {}  # copies of libraries
        self.story = []

    def say(self, device, text):
        self.story.append(f"{device.name}: {text}")

    def fresh(self, stem):
        self.number += 1
        return f"{stem} {self.number}"

    # -- what is there --

    def inside(self, device, *parts):
        path = os.path.join(device.mnt, *parts)
        return [os.path.join(path, name) for name in sorted(os.listdir(path))]

    def some(self, things):
        things = list(things)
        return self.random.choice(things) if things else None

    def collection(self, device):
        kind = self.random.choice(("tags", "tags", "albums"))
        return self.some(p for p in self.inside(device, kind) if not os.path.basename(p).startswith(LASTING))

    def a_link(self, device):
        folder = self.random.choice((self.collection(device), os.path.join(device.mnt, "favorites")))
        return folder and self.some(self.inside(device, folder))

    def a_file(self, device):
        """Of any device, as this one shows it."""
        owner = self.some(self.inside(device, "devices"))
        location = owner and self.some(self.inside(device, owner))
        path = location
        for _ in range(3):
            if not path or not os.path.isdir(path):
                break
            path = self.some(self.inside(device, path))
        return path if path != location else None

    # -- operations: any may fail, as others changed something meanwhile --

    def make(self, device):
        kind = self.random.choice(("tags", "albums"))
        name = self.random.choice(("red", "green", "blue", "sun", "moon", self.fresh("c")))
        os.mkdir(os.path.join(device.mnt, kind, name))
        return f"mkdir {kind}/{name}"

    def link(self, device):
        folder = self.random.choice((self.collection(device), self.collection(device), os.path.join(device.mnt, "favorites")))
        target = self.a_file(device)
        if not folder or not target:
            return None
        name = self.random.choice((self.fresh("l"), "same", os.path.basename(target)))
        os.symlink(target, os.path.join(folder, name))
        return f"ln -s {target[len(device.mnt):]} {folder[len(device.mnt):]}/{name}"

    def keep(self, device):
        """One that nobody undoes; its file is never touched."""
        target = os.path.join(device.mnt, "devices", device.shown, "kept", f"{self.random.randrange(KEPT)}.txt")
        name = self.fresh(device.name)
        try:
            os.symlink(target, os.path.join(device.mnt, "tags", LASTING, name))
        except FileExistsError:
            return None
        self.kept.add((device.name, os.path.basename(target)))
        return f"keeps {name}"

    def burst(self, _):
        """Everybody at once: commits of this device and of others in every order."""
        base = self.fresh(LASTING)
        threads = [threading.Thread(target=self.many, args=(d, f"{base} {d.name}")) for d in self.devices]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return base

    def many(self, device, tag):
        folder = os.path.join(device.mnt, "tags", tag)
        os.mkdir(folder)
        for i in range(KEPT):
            os.symlink(os.path.join(device.mnt, "devices", device.shown, "kept", f"{i}.txt"), os.path.join(folder, f"{i}"))
        self.lasting.append(tag)

    def move(self, device):
        link, folder = self.a_link(device), self.collection(device)
        if not link or not folder:
            return None
        name = self.random.choice((os.path.basename(link), self.fresh("m"), "same"))
        os.rename(link, os.path.join(folder, name))
        return f"mv {link[len(device.mnt):]} {folder[len(device.mnt):]}/{name}"

    def rename(self, device):
        path = self.collection(device)
        if not path:
            return None
        name = self.random.choice(("red", "green", "blue", "sun", "moon", self.fresh("r")))
        os.rename(path, os.path.join(os.path.dirname(path), name))
        return f"mv {path[len(device.mnt):]} {name}"

    def unlink(self, device):
        link = self.a_link(device)
        if link:
            os.unlink(link)
        return link and f"rm {link[len(device.mnt):]}"

    def rmdir(self, device):
        path = self.collection(device)
        if path:
            os.rmdir(path)
        return path and f"rmdir {path[len(device.mnt):]}"

    def remove(self, device):
        path = self.collection(device)
        if path:
            subprocess.run(["rm", "-r", path], stderr=subprocess.DEVNULL, check=False)
        return path and f"rm -r {path[len(device.mnt):]}"

    def real_folder(self, device):
        folders = [folder for folder, _, _ in os.walk(device.real)]
        return self.some(sorted(folders))

    def write(self, device):
        path = os.path.join(self.real_folder(device), self.random.choice((self.fresh("f"), "f", "g")))
        lib.write_file(path, bytes([self.random.randrange(4)]) * self.random.randrange(2000))
        return f"writes {path[len(device.dir):]}"

    def deepen(self, device):
        path = os.path.join(self.real_folder(device), self.fresh("d"))
        os.mkdir(path)
        return f"makes {path[len(device.dir):]}"

    def shift(self, device):
        """Renames, moves or replaces a real file or folder."""
        parent = self.real_folder(device)
        path = self.some(sorted(os.listdir(parent)))
        if not path:
            return None
        goal = os.path.join(self.real_folder(device), self.random.choice((path, self.fresh("s"))))
        os.rename(os.path.join(parent, path), goal)
        return f"moves {parent[len(device.dir):]}/{path} to {goal[len(device.dir):]}"

    def destroy(self, device):
        parent = self.real_folder(device)
        path = self.some(sorted(os.listdir(parent)))
        if not path:
            return None
        path = os.path.join(parent, path)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        return f"destroys {path[len(device.dir):]}"

    def add_location(self, device):
        self.extra[device] += 1
        path = os.path.join(device.dir, f"more {self.extra[device]}")
        os.mkdir(path)
        for i in range(self.random.randrange(5)):
            lib.write_file(os.path.join(path, f"x{i}"), b"x" * i)
        device.on("location", "add", path, "--name", self.random.choice(("more", f"more {self.extra[device]}")))
        return f"location add {path[len(device.dir):]}"

    def remove_location(self, device):
        shown = [os.path.basename(p) for p in self.inside(device, "devices", device.shown)]
        name = self.some(n for n in shown if n not in ("kept", "files"))
        if not name:
            return None
        device.on("location", "remove", name)
        return f"location remove {name}"

    def rename_device(self, device):
        name = self.fresh(device.name)
        device.on("device", "rename", device.shown, name)
        device.shown = name
        return f"device rename {name}"

    # -- backups: what nobody else had is lost with the state that is replaced, so somebody has all --

    def back_up(self, device):
        device.unmount()
        self.saved[device] = save(device)
        device.mount()
        return "saved"

    def restore(self, device):
        def others_have_all():
            peers = json.loads(device.on("status", "--json"))["peers"]
            return any(p["online"] and p.get("behind_shared") == 0 and p.get("behind_files") == 0 for p in peers)

        if device not in self.saved or not self.plugged[device] or not lib.poll(others_have_all, 3, 0.1):
            return None
        device.unmount()
        put_back(device, self.saved[device])
        device.mount()
        return "set back"

    # -- trouble --

    def cable(self, device):
        device.pull() if self.plugged[device] else device.plug()
        self.plugged[device] = not self.plugged[device]
        return "cable in" if self.plugged[device] else "cable out"

    def kill(self, device):
        device.kill()
        if self.random.random() < 0.3:
            time.sleep(self.random.random())
        device.mount()
        return "killed"

    def remount(self, device):
        device.unmount()
        device.mount()
        return "mounted again"

    def rest(self, _):
        time.sleep(self.random.random() * 0.5)
        return None

    OPERATIONS = ((burst, 2), (make, 12), (link, 20), (keep, 6), (move, 8), (rename, 5), (unlink, 5), (rmdir, 2), (remove, 2), (write, 6),
                  (deepen, 3), (shift, 5), (destroy, 3), (add_location, 1), (remove_location, 1), (rename_device, 1), (cable, 4),
                  (kill, 3), (remount, 1), (rest, 6))
    BACKUPS = ((back_up, 5), (restore, 8))

    def step(self, operations):
        device = self.random.choice(self.devices)
        operation = self.random.choices([o for o, _ in operations], [w for _, w in operations])[0]
        try:
            self.say(device, operation(self, device) or f"({operation.__name__}: nothing to do)")
        except (OSError, lib.Failed) as e:
            must(getattr(e, "errno", 0) not in (107, 103, 5), f"{device.name}: {operation.__name__}: {e}")
            self.say(device, f"({operation.__name__}: {e})")

    def heal(self):
        for device in self.devices:
            if not self.plugged[device]:
                self.cable(device)


KEPT = 10


def one_life(home, seed, operations, bad_events):
    with lan.Lan(home) as net:
        devices = family(net, "one", "two", "three")
        for device in devices:
            device.shown = device.name
            kept = os.path.join(device.dir, "kept")
            os.mkdir(kept)
            for i in range(KEPT):
                lib.write_file(os.path.join(kept, f"{i}.txt"), f"{device.name} {i}")
            device.on("location", "add", kept, "--name", "kept")
        os.mkdir(os.path.join(devices[0].mnt, "tags", LASTING))
        trees_equal(devices)
        world = World(devices, seed)
        for _ in range(STEPS):
            world.step(operations)
        world.heal()
        before = len(lib.failures)
        trees_equal(devices, 60)
        check_settled(devices, bad_events)
        shown = set()
        for name in os.listdir(os.path.join(devices[0].mnt, "tags", LASTING)):
            target = os.readlink(os.path.join(devices[0].mnt, "tags", LASTING, name))
            owner = next(d.name for d in devices if d.shown == target.split("/")[-3])
            shown.add((owner, os.path.basename(target)))
        check(shown == world.kept, f"every tagging is there: lost {world.kept - shown}, new {shown - world.kept}")
        for tag in world.lasting[1:]:
            lib.equal(len(os.listdir(os.path.join(devices[0].mnt, "tags", tag))), KEPT, f"links in {tag}")
        if len(lib.failures) > before or os.environ.get("CHAOS_STORY"):
            print(f"  --- seed {seed}", *world.story, sep="\n  ", flush=True)


def chaos(home):
    """Random work, random trouble, and all is well in the end."""
    one_life(home, lib.SEED, World.OPERATIONS, BAD_EVENTS)


def backups(home):
    """The same, and old copies of the library are put back."""
    one_life(home, lib.SEED, World.OPERATIONS + World.BACKUPS, [bad for bad in BAD_EVENTS if bad != "another history"])


lib.run(chaos, backups)
