#!/usr/bin/env python3
"""`find` on devices/<device>/<location> equals `find` on the real folder: names, types, sizes, times, modes, contents."""

import errno
import hashlib
import os
import random
import socket
import stat
import subprocess

import lib
from lib import check, equal, fails

USR = os.environ.get("SHELF_BIG_TREE", "/usr")


def find(root):
    """path -> (type, size, mtime, mode) of everything below root but what is ignored by default."""
    done = subprocess.run(["find", ".", "-xdev", "-mindepth", "1", "-printf", r"%y\t%s\t%T@\t%m\t%P\0"], cwd=root,
                          stdout=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"}, check=False)
    found = {}
    for record in done.stdout.split(b"\0")[:-1]:
        kind, size, mtime, mode, path = record.split(b"\t", 4)
        if not any(lib.IGNORED.fullmatch(part) for part in path.split(b"/")):
            found[path] = (kind, size, mtime, mode)
    return found


def differences(real, shown):
    found = [f"missing: {p!r} {real[p]}" for p in real.keys() - shown.keys()]
    found += [f"too much: {p!r} {shown[p]}" for p in shown.keys() - real.keys()]
    found += [f"differs: {p!r}: real {real[p]}, shown {shown[p]}" for p in real.keys() & shown.keys()
              if real[p] != shown[p]]
    return found


def trees_equal(real_root, shown_root, text, least=1):
    """Compares; the real tree may change meanwhile (a package being installed), so differences get time to go."""
    state = {}

    def same():
        state["real"], state["shown"] = find(real_root), find(shown_root)
        state["found"] = differences(state["real"], state["shown"])
        return not state["found"]

    lib.poll(same, 10, every=1)
    found = state["found"]
    check(not found, f"{text}: {len(found)} differences, such as\n    " + "\n    ".join(found[:10]))
    check(len(state["real"]) >= least, f"{text}: only {len(state['real'])} entries: no test of what it claims")
    print(f"  {text}: {len(state['real'])} entries are equal" if not found else "", flush=True)
    return state["real"]


def entries_agree(root, text):
    """What readdir says of a name is what lstat says, and inode numbers are unique and not 0."""
    seen = {}
    for folder, _, _ in os.walk(os.fsencode(root)):
        names = set()
        try:
            scan = list(os.scandir(folder))
        except PermissionError:
            continue
        for entry in scan:
            try:
                st = os.lstat(entry.path)
            except OSError as e:
                if e.errno == errno.ENAMETOOLONG:
                    continue
                raise
            if entry.name in names:
                check(False, f"{text}: {entry.path!r} is listed twice")
            names.add(entry.name)
            kind = (stat.S_ISDIR(st.st_mode), stat.S_ISREG(st.st_mode), stat.S_ISLNK(st.st_mode))
            listed = (entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False), entry.is_symlink())
            if entry.inode() != st.st_ino or kind != listed:
                check(False, f"{text}: readdir and lstat disagree on {entry.path!r}")
            if st.st_ino == 0 or st.st_ino in seen:
                check(False, f"{text}: {entry.path!r} shares inode {st.st_ino} with {seen.get(st.st_ino)!r}")
            if st.st_uid != os.getuid() or st.st_gid != os.getgid():
                check(False, f"{text}: {entry.path!r} belongs to {st.st_uid}:{st.st_gid}")
            seen[st.st_ino] = entry.path
    return {path: ino for ino, path in seen.items()}


def digest(path):
    with open(path, "rb") as f:
        return hashlib.blake2b(f.read()).digest()


def contents_equal(real_root, shown_root, paths, text):
    for path in paths:
        real = os.path.join(os.fsencode(real_root), path)
        shown = os.path.join(os.fsencode(shown_root), path)
        if not os.access(real, os.R_OK) or os.path.getsize(real) > 1 << 26:
            continue
        if digest(real) != digest(shown):
            check(False, f"{text}: the content of {path!r} differs")
    check(True, text)


def stays_inside(path, target):
    """The rule of design section 2: relative, and lexically inside its location at each step."""
    depth = path.count(b"/")
    if target.startswith(b"/"):
        return False
    for part in target.split(b"/"):
        depth += 0 if part in (b"", b".") else -1 if part == b".." else 1
        if depth < 0:
            return False
    return True


def links_equal(real_root, shown_root, paths, text):
    for path in paths:
        target = os.readlink(os.path.join(os.fsencode(real_root), path))
        shown = os.path.join(os.fsencode(shown_root), path)
        if stays_inside(path, target):
            try:
                equal(os.readlink(shown), target, f"{text}: target of {path!r}")
            except OSError as e:
                check(False, f"{text}: readlink of {path!r} -> {target!r}: {lib.name_of(e.errno)}")
        else:
            fails(errno.EPERM, f"{text}: readlink of {path!r}, which leads outside ({target!r})", os.readlink, shown)


ODD_NAMES = [
    b" ", b"  lead", b"trail ", b"two  spaces", b"'", b'"', b"`id`", b"$(id)", b"$HOME", b"back\\slash", b"new\nline",
    b"\n", b"tab\there", b"\x01\x02\x7f", b"-", b"--", b"-rf", b"--help", b".dot", b"..dots", b"...", b".. ", b"a..b",
    b"*", b"?", b"[a]", b"{a,b}", b"~", b"#", b"%s%n", b"%00", b"a=b", b"a:b", b"a;b", b"a&b", b"a|b", b"<a>", b"and",
    b"or", b"not", b"files", b"CON", b"nul.txt", b"trailing.", b"caf\xc3\xa9", b"cafe\xcc\x81", b"Case", b"case",
    b"\xff\xfe\xfd", b"\xc3", b"ok\x80bad", b"\xed\xa0\x80", b"\xf0\x9f\x93\x9a", b"\xe2\x80\xae", b"\xef\xbb\xbfbom",
    b"n" * 255, b"\xff" * 255, ("\u00e4" * 127).encode() + b"x", b"name (deadbeef).txt", b"name.txt", b"devices", b"tags",
    b".hidden", b".directory", b".xdg-volume-info", b"autorun.inf", b"desktop.ini", b"._resource", b"\xf4\x90\x80\x80",
]


def make_odd_tree(root):
    at = os.fsencode(root)

    def path(*parts):
        return os.path.join(at, *parts)

    for i, name in enumerate(ODD_NAMES):
        lib.write_file(path(name), name * (i % 7))
    os.mkdir(path(b"d"))
    for name in ODD_NAMES:
        os.mkdir(path(b"d", name))
        lib.write_file(path(b"d", name, name), b"1")
    os.mkdir(path(b"many"))
    for i in range(5000):
        lib.write_file(path(b"many", b"f%d" % i), b"" if i % 3 else b"%d" % i)
    deep = path(b"deep")
    os.mkdir(deep)
    for i in range(40):
        deep = os.path.join(deep, b"level %d" % i)
        os.mkdir(deep)
        lib.write_file(os.path.join(deep, b"f"), b"%d" % i)
    os.mkdir(path(b"kinds"))
    lib.write_file(path(b"kinds", b"one"), b"hard link")
    for name in (b"two", b"three"):
        os.link(path(b"kinds", b"one"), path(b"kinds", name))
    os.link(path(b"kinds", b"one"), path(b"deep", b"four"))
    for name, target in [(b"dangling", b"nowhere"), (b"sibling", b"one"), (b"up", b"../many/f3"), (b"absolute", b"/etc/passwd"),
                         (b"escape", b"../../outside"), (b"zigzag", b"../kinds/../../x"), (b"dot", b"."), (b"loop", b"loop"),
                         (b"odd", b"\xff\n/ '"), (b"long", b"l" * 4000), (b"root", b".."), (b"inside", b"../kinds/../many")]:
        os.symlink(target, path(b"kinds", name))
    os.mkfifo(path(b"kinds", b"fifo"))
    with socket.socket(socket.AF_UNIX) as s:
        os.chdir(path(b"kinds"))
        s.bind(b"socket")
        os.chdir(b"/")
    if os.geteuid() == 0:
        os.mknod(path(b"kinds", b"null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
    with open(path(b"kinds", b"sparse"), "wb") as f:
        f.truncate(5 << 30)
    lib.write_file(path(b"kinds", b"megabyte"), random.randbytes(1 << 20))
    for mode in (0o400, 0o444, 0o600, 0o755, 0o777, 0o4755, 0o2755, 0o1644, 0o000):
        lib.write_file(path(b"kinds", b"mode%o" % mode), b"m")
        os.chmod(path(b"kinds", b"mode%o" % mode), mode)
    for mode in (0o700, 0o1777, 0o2775, 0o500):
        os.mkdir(path(b"kinds", b"dir%o" % mode))
        os.chmod(path(b"kinds", b"dir%o" % mode), mode)
    for i, mtime_ns in enumerate([0, 1, 999999999, -1500000000, 10**18 + 123456789, 2**32 * 10**9 + 7, 86400 * 10**9]):
        lib.write_file(path(b"kinds", b"time%d" % i), b"t")
        os.utime(path(b"kinds", b"time%d" % i), ns=(mtime_ns, mtime_ns))
    os.utime(path(b"d"), ns=(1, 10**18 + 1))


def make_long_tree(root):
    """A path longer than PATH_MAX."""
    fd = os.open(root, os.O_RDONLY)
    for i in range(20):
        name = b"%02d" % i + b"p" * 253
        os.mkdir(name, dir_fd=fd)
        deeper = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(os.open(b"bottom", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)


def odd_tree(home):
    """A tree with every odd name and kind of file that Linux allows."""
    make_odd_tree(home.real)
    home.ready()
    real = trees_equal(home.real, home.shown, "odd tree", 5000)
    inodes = entries_agree(home.mnt, "odd tree")
    contents_equal(home.real, home.shown, [p for p, e in real.items() if e[0] == b"f"], "odd tree")
    links_equal(home.real, home.shown, [p for p, e in real.items() if e[0] == b"l"], "odd tree")
    for name in ("socket",) + (("null",) if os.geteuid() == 0 else ()):
        fails((errno.EPERM, errno.EACCES, errno.ENXIO), f"open of a {name}", os.open, os.path.join(home.shown, "kinds", name), os.O_RDONLY)
    walked = os.path.join(os.fsencode(home.shown), b"many")
    equal(len(os.listdir(walked)), 5000, "listing of 5,000 files")
    trees_equal(home.real, home.shown, "odd tree, warm", 5000)
    home.unmount()
    home.mount()
    trees_equal(home.real, home.shown, "odd tree, mounted again", 5000)
    again = entries_agree(home.mnt, "odd tree, mounted again")
    equal({p: i for p, i in again.items() if inodes.get(p) != i}, {}, "inode numbers that a remount changed")
    home.check_clean("odd tree")


def odd_tree_while_mounted(home):
    """The same tree, made while the location is watched, then a second location added to a running daemon."""
    home.ready()
    make_odd_tree(home.real)
    trees_equal(home.real, home.shown, "odd tree made below the watch", 5000)
    second = os.path.join(home.dir, "second \u00e9")
    os.mkdir(second)
    make_odd_tree(second)
    home.add(second, "second")
    trees_equal(second, os.path.join(home.mnt, "devices", "here", "second"), "location added to a running daemon", 5000)
    home.check_clean("odd tree while mounted")


def long_paths(home):
    """Paths longer than PATH_MAX are listed like any other."""
    make_long_tree(home.real)
    lib.write_file(os.path.join(home.real, "beside"))
    home.ready()
    trees_equal(home.real, home.shown, "long paths", 22)
    home.check_clean("long paths")


def ignored(home):
    """What is ignored by default, by --exclude and by .shelfignore does not appear, and nothing else is missing."""
    for name in (".git", "node_modules", ".Trash-1000", "kept"):
        os.mkdir(os.path.join(home.real, name))
        lib.write_file(os.path.join(home.real, name, "f"))
    for name in (".DS_Store", "Thumbs.db", "film.part", ".fuse_hidden0001", "a.tmp", "b.log", "keep.log", "photo.jpg"):
        lib.write_file(os.path.join(home.real, name))
    os.mkdir(os.path.join(home.real, "sub"))
    for name in ("b.log", "c.jpg", "only-here.txt"):
        lib.write_file(os.path.join(home.real, "sub", name))
    lib.write_file(os.path.join(home.real, ".shelfignore"), "# made by a test\n*.log\n!keep.log\n/sub/only-here.txt\n")
    home.create()
    home.shelf("-l", home.lib, "location", "add", home.real, "--name", "real", "--exclude", "*.tmp")
    home.mount()
    want = {b".shelfignore", b"keep.log", b"photo.jpg", b"kept", b"kept/f", b"sub", b"sub/c.jpg"}
    equal(set(find(home.shown)), want, "what is not ignored")
    lib.write_file(os.path.join(home.real, ".shelfignore"), "*.jpg\n")
    now = {b".shelfignore", b"keep.log", b"b.log", b"kept", b"kept/f", b"sub", b"sub/b.log", b"sub/only-here.txt"}
    lib.within(5, "an edited .shelfignore takes effect", lambda: set(find(home.shown)) == now)


def big_tree(home):
    """/usr, or the folder in $SHELF_BIG_TREE, with its 50,000 or more entries."""
    if lib.QUICK:
        raise lib.Skip("left out of quick runs")
    home.create()
    added = home.run("-l", home.lib, "location", "add", USR, "--name", "real", timeout=300)
    unreadable = os.geteuid() != 0 and b"could not be read" in added.stderr  # root's own folders, to an ordinary user
    check(added.returncode == (1 if unreadable else 0), f"location add {USR}: exit {added.returncode}: {added.stderr!r}")
    home.mount()
    real = trees_equal(USR, home.shown, USR, 50000 if USR == "/usr" else 1)
    files = sorted(p for p, e in real.items() if e[0] == b"f")
    links = sorted(p for p, e in real.items() if e[0] == b"l")
    contents_equal(USR, home.shown, random.sample(files, min(1000, len(files))), USR)
    links_equal(USR, home.shown, random.sample(links, min(2000, len(links))), USR)
    trees_equal(USR, home.shown, f"{USR}, warm")
    home.check_clean(USR)


lib.run(odd_tree, odd_tree_while_mounted, long_paths, ignored, big_tree)
