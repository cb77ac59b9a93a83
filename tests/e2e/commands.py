#!/usr/bin/env python3
"""Each command as a new user would type it: --help, wrong usage, JSON, exit codes, with a daemon and without one."""

import json
import os
import re
import signal
import subprocess
import time

import lib
from lib import check, equal, listing, read_file, within, works, write_file

NOUNS = ["location", "tag", "album", "device"]


def files(home):
    os.makedirs(os.path.join(home.real, "sub dir"))
    for name in ("a.jpg", "b.jpg", "c.txt", "sub dir/d e.jpg"):
        write_file(os.path.join(home.real, name), f"content of {name}")
    return lambda name: os.path.join(home.real, name)


def exits(home, code, what, *args, **kwargs):
    """The command ends with that code; on an error it says something that begins with its name."""
    done = home.run(*args, **kwargs)
    said = (done.stdout + done.stderr).decode(errors="replace").strip()
    codes = code if isinstance(code, tuple) else (code,)
    check(done.returncode in codes, f"{what}: exit {done.returncode} instead of {code}: {said[:300]}")
    if done.returncode:
        check(done.stderr.startswith(b"shelf: "), f"{what}: no message that begins with `shelf: `: {done.stderr[:200]!r}")
    return done.stdout.decode(errors="surrogateescape")


def commands_of(home):
    """The names of all commands, as `shelf help` lists them."""
    text = home.shelf("help")
    names = re.findall(r"^  ([a-z]+(?: [a-z]+)?)\s{2,}", text, re.M)
    check(len(names) > 15, f"`shelf help` lists its commands: {names}")
    return names


def help_and_usage(home):
    """--help of each command, and 2 for what was typed wrongly."""
    names = commands_of(home)
    equal(home.run("--help").returncode, 0, "shelf --help")
    check(re.search(r"\d+\.\d+", home.shelf("--version")), "shelf --version says one")
    for name in names:
        words = name.split()
        for form in ("--help", "-h"):
            said = exits(home, 0, f"{name} {form}", *words, form)
            check(f"shelf {name}" in said, f"{name} {form} shows its usage: {said[:100]!r}")
        exits(home, 0, f"help {name}", "help", *words)
        exits(home, 2, f"{name} with an unknown option", *words, "--no-such-option")
        exits(home, 2, f"{name} -Z", *words, "-Z")
        if name != "help":
            exits(home, 0, f"{name} --help with more words", *words, "x", "y", "--help")
    for word in ("create mount serve unmount find", "location add", "location remove", "tag rename", "album add", "tag merge"):
        for words in [word.split()] if word.split()[0] in NOUNS else [[w] for w in word.split()]:
            exits(home, 2, f"{' '.join(words)} without its words", *words)
    exits(home, 2, "no command at all")
    exits(home, 2, "an unknown command", "frobnicate")
    for noun in NOUNS:
        exits(home, (0, 2), f"{noun} alone", noun)
        exits(home, 2, f"{noun} with an unknown verb", noun, "frobnicate")
    exits(home, 2, "too many words", "create", "a", "b", "c")
    exits(home, 2, "an option without its value", "create", "x", "--name")
    exits(home, 2, "a command that needs a library, and none is named", "status")
    equal(os.path.exists(os.path.join(home.dir, "x.sdlibrary")), False, "a library that wrong usage made")


def create(home):
    """create: suffix, existing targets, names, places where nothing can be made."""
    real = files(home)
    exits(home, 0, "create", "create", os.path.join(home.dir, "Plain"))
    equal(sorted(n for n in os.listdir(os.path.join(home.dir, "Plain.sdlibrary")) if n.endswith(".db")), ["database.db", "sync.db"],
          "what it made")
    exits(home, 73, "create where a library is", "create", os.path.join(home.dir, "Plain"))
    exits(home, 73, "create below a folder that is not there", "create", os.path.join(home.dir, "no/such/folder/Lib"))
    exits(home, (73, 77), "create below a file", "create", real("a.jpg") + "/Lib")
    exits(home, 0, "create with names", "create", os.path.join(home.dir, "Named.sdlibrary"), "--name", "Größe ✓", "--device", "my laptop")
    said = json.loads(home.shelf("-l", os.path.join(home.dir, "Named.sdlibrary"), "device", "list", "--json"))
    check("my laptop" in json.dumps(said), f"the name of the device: {said}")
    for bad in ("", "a/b", "x" * 300, "line\nfeed"):
        exits(home, (2, 65, 73), f"a device called {bad[:10]!r}", "create", os.path.join(home.dir, "Bad"), "--device", bad)
    check(not os.path.exists(os.path.join(home.dir, "Bad.sdlibrary")), "nothing is left of a creation that failed")
    exits(home, (1, 65, 73), "a library that is not there", "-l", os.path.join(home.dir, "None.sdlibrary"), "status")
    os.mkdir(os.path.join(home.dir, "Empty.sdlibrary"))
    exits(home, (1, 65, 73), "an empty folder as a library", "-l", os.path.join(home.dir, "Empty.sdlibrary"), "status")
    equal(os.listdir(os.path.join(home.dir, "Empty.sdlibrary")), [], "what asking for its status made in it")
    os.mkdir(os.path.join(home.dir, "Junk.sdlibrary"))
    write_file(os.path.join(home.dir, "Junk.sdlibrary", "database.db"), b"this is no database at all" * 100)
    exits(home, (1, 65), "a damaged library", "-l", os.path.join(home.dir, "Junk.sdlibrary"), "status")
    if os.geteuid():
        os.mkdir(os.path.join(home.dir, "locked"), 0o500)
        exits(home, (73, 77), "create where one may not", "create", os.path.join(home.dir, "locked", "Lib"))


def with_and_without(home):
    """Every command that works on a library, without a daemon and then with one: the same words, the same answers."""
    real = files(home)
    home.create()
    for daemon in (False, True):
        how = "with a daemon" if daemon else "without a daemon"
        tag = "with" if daemon else "without"
        do = lambda code, *args, how=how, **kw: exits(home, code, f"{' '.join(map(str, args))} {how}", "-l", home.lib, *args, **kw)
        if daemon:
            home.mount()
        else:
            do(0, "location", "add", home.real, "--name", "real")
        do(73, "location", "add", home.real, "--name", "again")
        do((73, 77, 1), "location", "add", os.path.join(home.real, "sub dir"), "--name", "inside")
        do((73, 77, 1), "location", "add", home.dir, "--name", "around")
        do((1, 73), "location", "add", real("none"), "--name", "none")
        do((1, 73), "location", "add", real("a.jpg"), "--name", "file")
        equal([row["name"] for row in rows(do(0, "location", "list", "--json"))], ["real"], f"locations {how}")
        check("real" in do(0, "location", "list"), f"location list {how}")
        do(0, "location", "rescan")
        do(0, "location", "rescan", "real")
        do((1, 2), "location", "rescan", "none")
        do(0, "tag", "add", tag, real("a.jpg"), real("b.jpg"))
        do(0, "tag", "add", tag, real("a.jpg"))
        do(0, "tag", "add", tag, "sub dir/d e.jpg", cwd=home.real)
        equal(sorted(do(0, "find", tag).splitlines()), sorted(map(real, ["a.jpg", "b.jpg", "sub dir/d e.jpg"])), f"find {how}")
        equal(sorted(do(0, "find", tag, "-0").split("\0")), sorted(["", *map(real, ["a.jpg", "b.jpg", "sub dir/d e.jpg"])]), f"find -0 {how}")
        equal(do(0, "find", tag, "--count").strip(), "3", f"find --count {how}")
        equal(len(rows(do(0, "find", tag, "--json"))), 3, f"find --json {how}")
        do((1, 73), "tag", "add", tag, real("none"))
        equal(do(0, "find", tag, "--count").strip(), "3", f"after a failed add {how}")
        do(1, "tag", "add", f"{tag} partly", real("c.txt"), real("none"))
        equal(do(0, "find", f'"{tag} partly"').strip(), real("c.txt"), f"the good one of two {how}")
        do((2, 65), "tag", "add", "line\nfeed", real("a.jpg"))
        do((1, 65, 73), "tag", "add", tag, "/etc/passwd")
        said = do(0, "tag", "list", "--json")
        check(tag in said and f"{tag} partly" in said, f"tag list {how}: {said}")
        check(tag in do(0, "tag", "list", real("a.jpg")), f"tags of a file {how}")
        do(0, "tag", "remove", tag, real("b.jpg"))
        equal(do(0, "find", tag, "--count").strip(), "2", f"after tag remove {how}")
        do((0, 1), "tag", "remove", tag, real("b.jpg"))
        do(0, "tag", "rename", tag, f"{tag}2")
        equal(do(0, "find", f"{tag}2", "--count").strip(), "2", f"after tag rename {how}")
        do((1, 65, 73), "tag", "rename", "none", "other")
        do((1, 73), "tag", "rename", f"{tag}2", f"{tag} partly")
        do(0, "tag", "merge", f"{tag} partly", f"{tag}2")
        equal(do(0, "find", f"{tag}2", "--count").strip(), "3", f"after tag merge {how}")
        do((1, 65, 73), "tag", "merge", "none", f"{tag}2")
        do(0, "album", "add", f"{tag} album", real("a.jpg"))
        check(f"{tag} album" in do(0, "album", "list"), f"album list {how}")
        json.loads(do(0, "album", "list", "--json"))
        do(0, "album", "rename", f"{tag} album", f"{tag} album2")
        do(0, "album", "remove", f"{tag} album2", real("a.jpg"))
        do(0, "tag", "add", f"{tag} from", "--from", "-", text=f"{real('a.jpg')}\n{real('c.txt')}\n".encode())
        do(0, "tag", "add", f"{tag} from0", "--from", "-", "-0", text=f"{real('a.jpg')}\0{real('sub dir/d e.jpg')}\0".encode())
        equal((do(0, "find", f'"{tag} from"', "-c").strip(), do(0, "find", f'"{tag} from0"', "-c").strip()), ("2", "2"), f"--from {how}")
        check("here" in do(0, "device", "list"), f"device list {how}")
        (device,) = json.loads(do(0, "device", "list", "--json"))
        do(0, "device", "rename", "here", f"there {how}")
        check(f"there {how}" in do(0, "device", "list"), f"device rename {how}")
        do(1, "device", "rename", "here", "x")
        do(2, "device", "rename", device["id"], "a/b")
        do(0, "device", "rename", device["id"], "here")
        do(77, "device", "remove", "here")
        do(1, "device", "remove", "nobody", "--json")
        status = json.loads(do(0, "status", "--json"))
        check(isinstance(status, dict), f"status --json {how}")
        check(do(0, "status").strip(), f"status {how}")
        metrics = dict(re.findall(r"^(shelf_\w+) (\S+)$", do(0, "metrics"), re.M))
        equal(float(metrics.get("shelf_entries", "nan")), status["entries"], f"metrics say what status says {how}: {metrics}")
        check(float(metrics.get("shelf_database_bytes", 0)) > 0, f"metrics {how}: {metrics}")
        if daemon:
            within(15, "an event", lambda: "Ready: " in home.shelf("-l", home.lib, "events"))
            equal(metrics.get("shelf_state"), "3", "the state is ready")
        events = json.loads(do(0, "events", "--json"))
        equal(len(do(0, "events").splitlines()), len(events), f"events {how}, as JSON and as text")
        check(all(e["text"] and e["level"] in ("info", "warning", "error") and e["at_ms"] > 0 for e in events), f"events {how}: {events}")
        equal(json.loads(do(0, "events", "--json", "--count", "1")), events[-1:], f"the last event {how}")
        do(2, "events", "--count", "0")
        do(0, "check")
        do(0, "check", "--quick")
        do(0, "check", "--repair")
    # What was tagged without a daemon is in the mount.
    equal(sorted(n for n in listing(home.tags) if n.startswith("without")), ["without from", "without from0", "without2"], "tags in the mount")
    within(2, "a tag given by a command shows in the mount", lambda: "with from" in listing(home.tags))
    inside = lambda *args: exits(home, 0, f"{args} inside the mount", *args, cwd=home.tags)
    check("real" in inside("location", "list"), "the library is known from the folder that one is in")
    equal(home.run("find", "with2", "-c", env={"SHELF_LIBRARY": home.lib}).stdout.strip(), b"3", "the library from $SHELF_LIBRARY")
    equal(home.run("find", "with2", "-c", "-l", home.lib).stdout.strip(), b"3", "-l after the command")
    exits(home, 0, "a file named by its path in the mount", "-l", home.lib, "tag", "add", "mount path", os.path.join(home.shown, "a.jpg"))
    exits(home, 0, "a file named by its link", "-l", home.lib, "tag", "add", "by link", os.path.join(home.tags, "mount path", "a.jpg"))
    equal(home.shelf("-l", home.lib, "find", '"by link"').strip(), real("a.jpg"), "which is the file, not the link")
    before = home.pairs()
    exits(home, 0, "location remove", "-l", home.lib, "location", "remove", "real")
    within(2, "its folder is gone from the mount", lambda: listing(os.path.join(home.mnt, "devices", "here")) == [])
    equal({p[:3] for p in home.pairs()}, {p[:3] for p in before}, "the pairs of a removed location")
    exits(home, (1, 2, 65), "location remove again", "-l", home.lib, "location", "remove", "real")
    exits(home, 0, "the folder added again", "-l", home.lib, "location", "add", home.real, "--name", "real")
    home.check_clean("at the end")


def rows(text):
    """The list that --json printed, whether bare or as the only list of an object."""
    data = json.loads(text)
    if isinstance(data, dict):
        data = next(v for v in data.values() if isinstance(v, list))
    return data


def queries(home):
    """find: and, or, not, parentheses, quotes, precedence, and what is no query."""
    real = files(home)
    home.ready()
    for tag, names in {"x": "a.jpg b.jpg", "y": "b.jpg c.txt", "z": "c.txt", "two words": "a.jpg", "not": "b.jpg", "(": "c.txt",
                       "caf\u00e9": "a.jpg"}.items():
        home.shelf("-l", home.lib, "tag", "add", tag, *map(real, names.split()))
    cases = {"x": "a b", "x and y": "b", "x y": "b", "x or z": "a b c", "x and not y": "a", "not x": "c d", "x or y and z": "a b c",
             "(x or y) and z": "c", "not (x or y)": "d", '"two words"': "a", '"not"': "b", "x and \"not\"": "b", '"("': "c",
             "not not x": "a b", "cafe\u0301": "a", "y and \"two words\"": "", "((x))": "a b"}
    for query, letters in cases.items():
        paths = [row_path(r) for r in rows(exits(home, 0, f"find {query!r}", "-l", home.lib, "find", query, "--json") or "[]")]
        found = sorted(os.path.basename(p)[0] for p in paths if not os.path.isdir(p))
        equal(found, letters.split(), f"find {query!r}")
    for query in ("unknown", "x and not unknown"):
        exits(home, (1, 65), f"find {query!r}, a tag that is not there", "-l", home.lib, "find", query)
    for query in ("", "x and", "and", "or x", "x or", "not", "(x", "x)", "()", '"x', "x and or y", "not and", "(" * 5000 + "x" + ")" * 5000):
        exits(home, (2, 65), f"find {query[:20]!r}", "-l", home.lib, "find", query)


def row_path(row):
    return row if isinstance(row, str) else row.get("path") or row.get("file") or ""


def mounting(home):
    """mount, serve, unmount and their refusals; signals; pipes; a mount that died."""
    real = files(home)
    home.create()
    home.add()
    start = time.monotonic()
    done = subprocess.run(f'x=$("{home.shelf_path}" mount "{home.lib}" "{home.mnt}") && ls "{home.mnt}"', shell=True,
                          capture_output=True, env=home.env, timeout=20 * lib.PATIENCE, check=False)
    equal(done.stdout.split(), [b"albums", b"devices", b"favorites", b"tags"], "mount inside $( ): it returns, and the root answers")
    print(f"  mount and ls: {(time.monotonic() - start) * 1000:.0f} ms")
    other = os.path.join(home.dir, "other mount")
    exits(home, 75, "the library mounted a second time", "mount", home.lib, other)
    exits(home, (73, 75), "the same mount again", "mount", home.lib, home.mnt)
    exits(home, 75, "serve while it is mounted", "serve", home.lib)
    second = os.path.join(home.dir, "Second.sdlibrary")
    home.shelf("create", second)
    exits(home, (73, 75), "another library on a mount point in use", "mount", second, home.mnt)
    exits(home, 73, "a mount point that is not empty", "mount", second, home.real)
    exits(home, (2, 73), "a mount point that is a file", "mount", second, real("a.jpg"))
    exits(home, (73, 77), "a mount point inside the mount", "mount", second, os.path.join(home.tags, "x"))
    exits(home, 2, "an unknown mount option", "mount", second, other, "-o", "no-such-option")
    home.shelf("mount", second, other)
    equal(listing(other), ["albums", "devices", "favorites", "tags"], "two libraries at a time; the folder is made")
    home.shelf("unmount", other)
    exits(home, (1, 73, 77), "a location inside the mount", "-l", home.lib, "location", "add", home.tags, "--name", "m")
    exits(home, (1, 73, 77), "the library's folder as a location", "-l", home.lib, "location", "add", home.lib, "--name", "m")
    exits(home, (1, 73, 77), "a folder around the mount and the library", "-l", second, "location", "add", "/proc", "--name", "proc")

    os.kill(home.pids()[0], signal.SIGHUP)
    home.alive("SIGHUP does not end it")
    with open(os.path.join(home.shown, "a.jpg"), "rb"):
        exits(home, 75, "unmount while a file is in use", "unmount", home.mnt)
        home.alive("after a refused unmount")
    os.kill(home.pids()[0], signal.SIGTERM)
    within(5, "SIGTERM unmounts", lambda: not lib.mounts_below(home.dir))
    within(5, "and ends it", lambda: not home.pids())
    exits(home, (1, 73), "unmount of what is not mounted", "unmount", home.mnt)

    home.mount()
    home.kill()
    check(lib.errno_of(os.listdir, home.mnt) in (lib.errno.ENOTCONN, lib.errno.ECONNABORTED), "a mount whose daemon was killed is dead")
    home.mount()
    home.alive("plain mount replaced it")
    home.kill()
    exits(home, 0, "unmount of a dead mount", "unmount", home.mnt)
    equal(lib.mounts_below(home.dir), [], "mounts after it")

    with subprocess.Popen([home.shelf_path, "mount", home.lib, home.mnt, "-f"], env=home.env, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL) as front:
        within(5, "mount -f", lambda: "tags" in os.listdir(home.mnt))
        equal(front.poll(), None, "it stays in front")
        exits(home, 0, "unmount by the library's folder", "unmount", home.lib)
        front.wait(20 * lib.PATIENCE)
        equal(front.returncode, 0, "exit code of mount -f after unmount")
        front.stderr.read()
    with subprocess.Popen([home.shelf_path, "mount", home.lib, home.mnt, "-f"], env=home.env, stderr=subprocess.DEVNULL,
                          stdin=subprocess.DEVNULL) as front:
        within(5, "mount -f again", lambda: "tags" in os.listdir(home.mnt))
        front.send_signal(signal.SIGINT)
        front.wait(20 * lib.PATIENCE)
        equal((front.returncode, lib.mounts_below(home.dir)), (0, []), "Ctrl-C unmounts")

    home.shelf("serve", home.lib)
    write_file(real("served"), "new while served")
    exits(home, 0, "tag add while served", "-l", home.lib, "tag", "add", "s", real("a.jpg"))
    within(5, "a new file can be tagged while served", lambda: home.run("-l", home.lib, "tag", "add", "s", real("served")).returncode == 0)
    exits(home, 75, "mount while it is served", "mount", home.lib, home.mnt)
    exits(home, 0, "unmount of a served library", "unmount", home.lib)
    within(5, "it has ended", lambda: not home.pids())
    home.mount()
    equal(listing(os.path.join(home.tags, "s")), ["a.jpg", "served"], "what was tagged while served")
    home.shelf("unmount", home.mnt)
    home.shelf("mount", home.lib, home.mnt, "-o", "ro")
    equal(lib.errno_of(os.mkdir, os.path.join(home.tags, "x")), lib.errno.EROFS, "mkdir on a mount -o ro")
    home.unmount()
    home.check_clean("at the end")


def missing_pieces(home):
    """What is said where fusermount3 or /dev/fuse is missing, and to a reader who goes away."""
    home.create()
    home.add()
    for text, hide, drop in [("no /dev/fuse", "mount -t tmpfs none /dev", []),
                             ("no fusermount3", 'mount --bind /dev/null "$(command -v fusermount3)"',
                              ["setpriv", f"--reuid={lib.NOBODY}", f"--regid={lib.NOBODY}", "--clear-groups"])]:
        if os.geteuid():
            print(f"  SKIPPED: {text}: needs root, to hide it")
            continue
        if drop:
            subprocess.run(["chown", "-R", f"{lib.NOBODY}:{lib.NOBODY}", home.lib, home.state, home.mnt], check=True)
            os.chmod(home.dir, 0o755)
        done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", hide + ' && exec "$@"', "sh", *drop,
                               home.shelf_path, "mount", home.lib, home.mnt], env=home.env, capture_output=True, timeout=30, check=False)
        said = done.stderr.decode()
        check(done.returncode in (1, 73, 77) and text.removeprefix("no ") in said, f"{text}: exit {done.returncode}: {said!r}")
        print(f"  {text}: exit {done.returncode}: {said.strip()}")
    done = subprocess.run(f'"{home.shelf_path}" help | true; echo "${{PIPESTATUS[0]}}"', shell=True, executable="/bin/bash",
                          capture_output=True, env=home.env, timeout=30, check=False)
    check(b"Aborted" not in done.stderr and b"Sanitizer" not in done.stderr, f"a closed pipe: {done.stderr!r}")
    done = subprocess.run([home.shelf_path, "help"], stdout=open("/dev/full", "w"), stderr=subprocess.PIPE, env=home.env, check=False)
    check(done.returncode != 0, "writing to a full device is an error")


def interrupted_add(home):
    """location add, ended by Ctrl-C and by SIGTERM, keeps what it found; the rest comes with the next look."""
    for d in range(100):
        os.mkdir(os.path.join(home.real, f"d{d}"))
        for i in range(20 if lib.QUICK else 60):
            write_file(os.path.join(home.real, f"d{d}", f"f{i}"), b"")
    home.create()
    count = sum(len(f) + len(d) for _, d, f in os.walk(home.real))
    for sig in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen([home.shelf_path, "-l", home.lib, "location", "add", home.real, "--name", "real"], env=home.env,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as adding:
            time.sleep(0.012)
            adding.send_signal(sig)
            said = adding.communicate(timeout=30 * lib.PATIENCE)
        check(adding.returncode in (0, 1, 73, -sig), f"{sig.name}: exit {adding.returncode}")
        print(f"  {sig.name}: exit {adding.returncode}: {said[1].decode().strip()!r}")
        home.check_clean(f"after {sig.name}")
    done = home.run("-l", home.lib, "location", "rescan", "real", timeout=120)
    if done.returncode:  # the signal came before the location was made
        home.add()
    home.mount()
    shown = lambda: sum(len(f) + len(d) for _, d, f in os.walk(home.shown))
    within(20, f"all {count} entries", lambda: shown() == count)
    equal(read_file(os.path.join(home.shown, "d99", "f19")), b"", "a file of the last folder")


lib.run(help_and_usage, create, with_and_without, queries, mounting, missing_pieces, interrupted_add)
