#!/usr/bin/env python3
"""The table of design section 2 and what stands around it, call by call through the mount."""

import errno
import hashlib
import mmap
import os
import random
import re
import shutil
import stat
import subprocess
import time
from errno import EEXIST, EINVAL, EISDIR, ENAMETOOLONG, ENODATA, ENOENT, ENOTDIR, ENOTEMPTY, EOPNOTSUPP, EPERM, EROFS

import lib
from lib import check, equal, fails, listing, read_file, renameat2, within, works, write_file

ROOT = os.geteuid() == 0
# The kernel itself refuses an ordinary user in our directories of mode 0555, before we are asked.
NOT_HERE = (EPERM,) if ROOT else (EPERM, errno.EACCES)
SECOND = 1.0


def at(home, *parts):
    return os.path.join(home.mnt, *parts)


def entry(home, path):
    return os.path.join(home.shown, path)


def start(home):
    """photos/{a,b,c}.jpg, sub/a.jpg, an empty file, a folder, a symlink and a FIFO; tags t, u and v, albums x and y."""
    os.makedirs(os.path.join(home.real, "photos", "inner"))
    os.makedirs(os.path.join(home.real, "sub"))
    for name in ("photos/a.jpg", "photos/b.jpg", "photos/c.jpg", "photos/inner/d.jpg", "sub/a.jpg"):
        write_file(os.path.join(home.real, name), f"the content of {name}")
    write_file(os.path.join(home.real, "empty"), "")
    os.symlink("a.jpg", os.path.join(home.real, "photos", "link"))
    os.mkfifo(os.path.join(home.real, "fifo"))
    home.ready()
    for name in ("t", "u", "v"):
        os.mkdir(os.path.join(home.tags, name))
    for name in ("x", "y"):
        os.mkdir(os.path.join(home.albums, name))


def link(home, path, *place):
    os.symlink(entry(home, path), at(home, *place))


def refused_changes(home, folder, existing, want, text):
    """create, mknod, link, write, truncate, chmod, chown, utimes and setxattr in a folder and on something in it."""
    new = os.path.join(folder, "refused")
    here = want if os.access(folder, os.W_OK) or ROOT else want + (errno.EACCES,)
    fails(here, f"{text}: create", os.open, new, os.O_CREAT | os.O_WRONLY, 0o644)
    fails(here, f"{text}: create exclusively", os.open, new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    fails(here, f"{text}: mknod", os.mknod, new, stat.S_IFREG | 0o644)
    fails(here, f"{text}: mkfifo", os.mkfifo, new)
    fails(here, f"{text}: link", os.link, entry(home, "photos/a.jpg"), new)
    fails(want, f"{text}: chmod of the folder", os.chmod, folder, 0o700)
    fails(want, f"{text}: chown of the folder", os.chown, folder, os.getuid(), os.getgid())
    fails(want, f"{text}: utimes of the folder", os.utime, folder, ns=(1, 1))
    fails(here + (EOPNOTSUPP,), f"{text}: setxattr", os.setxattr, folder, "user.xdg.tags", b"x")
    fails(want, f"{text}: chown of a thing in it", os.lchown, existing, os.getuid(), os.getgid())
    fails(want, f"{text}: utimes of a thing in it", os.utime, existing, ns=(1, 1), follow_symlinks=False)
    fails(ENOENT, f"{text}: nothing was made", os.lstat, new)


def fixed_directories(home):
    """/, devices/ and what is below it are not for changing."""
    start(home)
    equal(listing(home.mnt), ["albums", "devices", "favorites", "tags"], "the root")
    equal(stat.S_IMODE(os.stat(home.mnt).st_mode), 0o555, "mode of the root")
    equal(listing(at(home, "devices")), ["here"], "devices")
    equal(listing(at(home, "devices", "here")), ["real"], "locations of the device")
    refused_changes(home, home.mnt, home.tags, (EPERM,), "/")
    fails(NOT_HERE, "mkdir in /", os.mkdir, at(home, "new"))
    fails(NOT_HERE, "symlink in /", os.symlink, "tags", at(home, "new"))
    for name in ("tags", "albums", "favorites", "devices"):
        fails(NOT_HERE, f"rmdir of {name}", os.rmdir, at(home, name))
        fails(NOT_HERE, f"rename of {name}", os.rename, at(home, name), at(home, "new"))
        fails(NOT_HERE + (EISDIR,), f"unlink of {name}", os.unlink, at(home, name))
    below = (EPERM, EROFS)
    refused_changes(home, at(home, "devices"), at(home, "devices", "here"), below, "devices/")
    refused_changes(home, at(home, "devices", "here"), home.shown, below, "devices/here/")
    for folder in (at(home, "devices"), at(home, "devices", "here")):
        fails(NOT_HERE + (EROFS,), f"mkdir in {folder}", os.mkdir, os.path.join(folder, "new"))
        fails(NOT_HERE + (EROFS,), f"symlink in {folder}", os.symlink, "x", os.path.join(folder, "new"))
    refused_changes(home, home.shown, entry(home, "photos"), (EROFS,), "a location")
    refused_changes(home, entry(home, "photos"), entry(home, "photos/a.jpg"), (EROFS,), "a folder below it")
    photos, a = entry(home, "photos"), entry(home, "photos/a.jpg")
    fails(EROFS, "mkdir below devices/", os.mkdir, os.path.join(photos, "new"))
    fails(EROFS, "symlink below devices/", os.symlink, "a.jpg", os.path.join(photos, "new"))
    fails(EROFS, "unlink below devices/", os.unlink, a)
    fails(EROFS, "rmdir below devices/", os.rmdir, os.path.join(photos, "inner"))
    fails(EROFS, "rename below devices/", os.rename, a, os.path.join(photos, "new"))
    fails((EROFS,) + NOT_HERE, "rename of a location", os.rename, home.shown, at(home, "devices", "here", "new"))
    fails(EROFS, "link below devices/", os.link, a, os.path.join(photos, "new"))
    for flags, text in [(os.O_RDWR, "O_RDWR"), (os.O_WRONLY, "O_WRONLY"), (os.O_WRONLY | os.O_TRUNC, "O_TRUNC"),
                        (os.O_WRONLY | os.O_APPEND, "O_APPEND")]:
        fails(EROFS, f"open with {text}", os.open, a, flags)
    fails(EROFS, "truncate", os.truncate, a, 0)
    fails(EROFS, "chmod", os.chmod, a, 0o600)
    fails((EROFS, EPERM), "setxattr", os.setxattr, a, "user.xdg.tags", b"t")
    fails((EROFS, EPERM, ENODATA), "removexattr", os.removexattr, a, "user.xdg.tags")
    equal(read_file(os.path.join(home.real, "photos/a.jpg")), b"the content of photos/a.jpg", "the real file")


def reading(home):
    """open, read, mmap, links and special files below devices/."""
    big = random.randbytes(9 << 20) + b"tail"
    write_file(os.path.join(home.real, "big"), big)
    start(home)
    a = entry(home, "photos/a.jpg")
    equal(read_file(a), b"the content of photos/a.jpg", "read")
    equal(hashlib.sha256(read_file(entry(home, "big"))).digest(), hashlib.sha256(big).digest(), "a file of 9 MiB")
    with open(entry(home, "big"), "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
        check(m[5 << 20:(5 << 20) + 4096] == big[5 << 20:(5 << 20) + 4096] and m[-4:] == b"tail", "mmap reads what the file holds")
        equal(os.pread(f.fileno(), 100, len(big)), b"", "read at the end")
        equal(os.pread(f.fileno(), 100, len(big) - 2), b"il", "read across the end")
    equal(os.readlink(entry(home, "photos/link")), "a.jpg", "a symlink inside the location")
    equal(read_file(entry(home, "photos/link")), b"the content of photos/a.jpg", "read through it")
    for path, target in [("absolute", "/etc/passwd"), ("outside", "../outside"), ("deep", "photos/../../x")]:
        os.symlink(target, os.path.join(home.real, path))
        shown = entry(home, path)
        within(SECOND, f"the symlink {path} is shown", lambda: os.lstat(shown).st_size == len(target))
        fails(EPERM, f"readlink of {path} -> {target}", os.readlink, shown)
        fails(EPERM, f"open through {path} -> {target}", read_file, shown)
    # The kernel opens a FIFO of a mount by itself, as a pipe of its own: what matters is that the real one is not opened.
    fifo = os.open(entry(home, "fifo"), os.O_RDONLY | os.O_NONBLOCK)
    fails(errno.ENXIO, "a writer of the real FIFO finds no reader", os.open, os.path.join(home.real, "fifo"), os.O_WRONLY | os.O_NONBLOCK)
    os.close(fifo)
    fails(EISDIR, "read of a folder", read_file, entry(home, "photos"))
    fails(ENOTDIR, "listing of a file", os.listdir, a)
    fails(ENOENT, "a name that is not there", os.stat, entry(home, "photos/none"))
    fails(ENAMETOOLONG, "a name of 256 bytes", os.stat, entry(home, "n" * 256))
    st = os.statvfs(home.mnt)
    check(st.f_blocks > 0 and st.f_bfree > 0 and st.f_files > 0 and st.f_ffree > 0, "statfs is never zero")
    equal(st.f_namemax, 255, "longest name")
    if not ROOT:
        check(not os.access(home.mnt, os.W_OK), "the root is not writable, so that trash is not offered")
    check(os.access(a, os.R_OK) and os.access(home.tags, os.W_OK), "access answers")
    for name in ("security.capability", "security.selinux", "system.posix_acl_access"):
        fails((EOPNOTSUPP, ENODATA), f"getxattr of {name}", os.getxattr, a, name)
    # A file edited between two reads, the page cache warm.
    real = os.path.join(home.real, "photos/b.jpg")
    read_file(entry(home, "photos/b.jpg"))
    for text in ("longer than before, by far", "short", "other"):
        write_file(real, text)
        equal(read_file(entry(home, "photos/b.jpg")), text.encode(), "read at once after an edit")
    write_file(real, "OTHER")
    os.utime(real, ns=(os.stat(real).st_atime_ns, os.stat(real).st_mtime_ns + 1))
    equal(read_file(entry(home, "photos/b.jpg")), b"OTHER", "read at once after an edit of the same size")


def collections(home):
    """tags/ and albums/: mkdir, rmdir, rename and all that is not allowed there."""
    start(home)
    for kind in ("tags", "albums"):
        p = lambda *names: at(home, kind, *names)
        works(f"{kind}: mkdir", os.mkdir, p("new"))
        st = os.stat(p("new"))
        check(stat.S_ISDIR(st.st_mode) and st.st_uid == os.getuid() and st.st_ino > 0, f"{kind}: a new one is a folder of mine")
        fails(EEXIST, f"{kind}: mkdir again", os.mkdir, p("new"))
        check("new" in os.listdir(p()), f"{kind}: it is listed")
        fails(EPERM, f"{kind}: symlink", os.symlink, entry(home, "photos/a.jpg"), p("link"))
        fails(EISDIR, f"{kind}: unlink", os.unlink, p("new"))
        refused_changes(home, p(), p("new"), (EPERM,), kind)
        works(f"{kind}: rename", os.rename, p("new"), p("newer"))
        check("newer" in os.listdir(p()) and "new" not in os.listdir(p()), f"{kind}: the new name is listed, the old is not")
        works(f"{kind}: rename to its own name", os.rename, p("newer"), p("newer"))
        link(home, "photos/a.jpg", kind, "newer", "a.jpg")
        works(f"{kind}: rename with links in it", os.rename, p("newer"), p("new"))
        equal(read_file(p("new", "a.jpg")), b"the content of photos/a.jpg", f"{kind}: the link came along")
        fails(ENOTEMPTY, f"{kind}: rmdir of a full one", os.rmdir, p("new"))
        os.mkdir(p("empty"))
        works(f"{kind}: rename onto an empty one", os.rename, p("new"), p("empty"))
        equal((lib.errno_of(os.stat, p("new")), listing(p("empty"))), (ENOENT, ["a.jpg"]), f"{kind}: which it replaces")
        os.mkdir(p("other"))
        link(home, "photos/b.jpg", kind, "other", "b.jpg")
        fails(ENOTEMPTY, f"{kind}: rename onto a full one", os.rename, p("other"), p("empty"))
        equal((listing(p("other")), listing(p("empty"))), (["b.jpg"], ["a.jpg"]), f"{kind}: both are as they were")
        fails(EEXIST, f"{kind}: RENAME_NOREPLACE onto one that is there", renameat2, p("other"), p("empty"), lib.RENAME_NOREPLACE)
        works(f"{kind}: RENAME_NOREPLACE", renameat2, p("other"), p("free"), lib.RENAME_NOREPLACE)
        fails(EINVAL, f"{kind}: RENAME_EXCHANGE", renameat2, p("free"), p("empty"), lib.RENAME_EXCHANGE)
        fails(EINVAL, f"{kind}: an unknown flag of rename", renameat2, p("free"), p("x1"), 8)
        fails(EPERM, f"{kind}: a tag into a tag", os.rename, p("free"), p("empty", "free"))
        fails(NOT_HERE, f"{kind}: to the root", os.rename, p("free"), at(home, "free"))
        fails(NOT_HERE + (EROFS,), f"{kind}: to devices", os.rename, p("free"), entry(home, "free"))
        fails(ENOENT, f"{kind}: rename of one that is not there", os.rename, p("none"), p("x1"))
        fails(ENOENT, f"{kind}: rmdir of one that is not there", os.rmdir, p("none"))
        os.unlink(p("free", "b.jpg"))
        works(f"{kind}: rmdir", os.rmdir, p("free"))
        fails(ENOENT, f"{kind}: it is gone", os.stat, p("free"))
        works(f"{kind}: mkdir of a name that was removed", os.mkdir, p("free"))
        equal(listing(p("free")), [], f"{kind}: it is empty")
        os.mkdir(p("again"))
        removed = os.open(p("again"), os.O_RDONLY | os.O_DIRECTORY)
        os.rmdir(p("again"))
        works(f"{kind}: the same made again", os.mkdir, p("again"))
        link(home, "photos/b.jpg", kind, "again", "b.jpg")
        works(f"{kind}: stat of the removed one, which is open", os.stat, removed)
        fails(ENOENT, f"{kind}: what is in the new one is not in it", os.stat, "b.jpg", dir_fd=removed)
        fails(ENOENT, f"{kind}: nothing can be made in it", os.symlink, "x", "x", dir_fd=removed)
        equal((os.listdir(removed), listing(p("again"))), ([], ["b.jpg"]), f"{kind}: the removed one and the new one")
        os.close(removed)
    fails(EPERM, "a tag to albums", os.rename, at(home, "tags/t"), at(home, "albums/t"))
    fails(EPERM, "an album to tags", os.rename, at(home, "albums/x"), at(home, "tags/x"))
    fails(EPERM, "mkdir in favorites", os.mkdir, at(home, "favorites/new"))
    home.check_clean("collections")


def names(home):
    """Which names tags, albums and links may have."""
    start(home)
    tag = lambda name: os.path.join(os.fsencode(home.tags), name)
    for name in (b"and", b"or", b"not", b"files", b"eq", b"x.1", b"-", b"-rf", b" ", b"'\"", b"a b", b"a=b", b"%s", b"(", b"*",
                 b"tags", b"\\", "\u00e4\u00f6\u00fc".encode(), "\U0001f4da".encode(), b"n" * 255, b".dot", b"trailing "):
        works(f"mkdir of the tag {name!r}", os.mkdir, tag(name))
        check(name in os.listdir(tag(b"")), f"{name!r} is shown as typed")
        works(f"rmdir of the tag {name!r}", os.rmdir, tag(name))
    for name in (b"n" * 256, ("\u00e4" * 128).encode()):
        fails(ENAMETOOLONG, f"a tag name of {len(name)} bytes", os.mkdir, tag(name))
    for name in (b"\xff", b"ok\x80", b"\xed\xa0\x80", b"\x01", b"line\nfeed", b"\x7f", b"tab\t", b"\xc2\x85"):
        fails((EINVAL, EPERM, errno.EILSEQ), f"the tag name {name!r}", os.mkdir, tag(name))
        fails(ENOENT, f"look-up of {name!r}", os.stat, tag(name))
    nfc, nfd = "caf\u00e9".encode(), "cafe\u0301".encode()
    os.mkdir(tag(nfd))
    check(nfd in os.listdir(tag(b"")), "a name in NFD is shown as typed")
    fails(EEXIST, "the same name in NFC", os.mkdir, tag(nfc))
    works("look-up as typed", os.stat, tag(nfd))
    fails(EEXIST, "rename of another to the same name in NFC", os.rename, tag(b"t"), tag(nfc))
    works("rename to the other form", os.rename, tag(nfd), tag(nfc))
    within(SECOND, "it is shown as it was typed last", lambda: nfc in os.listdir(tag(b"")) and nfd not in os.listdir(tag(b"")))
    works("rename to another name", os.rename, tag(nfc), tag(b"plain"))
    within(SECOND, "both forms are gone", lambda: not os.path.exists(tag(nfc)) and not os.path.exists(tag(nfd)))
    litter = [b".Trash", b".Trash-1000", b".hidden", b".directory", b".DS_Store", b"._x", b"autorun.inf", b"desktop.ini",
              b"Thumbs.db", b".xdg-volume-info", b".git", b".fuse_hidden0001"]
    log = home.rows("SELECT position AS n FROM shared_stream")[0]["n"]
    for name in litter:
        for folder in (home.mnt, home.tags, home.albums, at(home, "tags/t"), home.favorites):
            fails(ENOENT, f"look-up of {name!r} in {folder}", os.lstat, os.path.join(os.fsencode(folder), name))
        for folder in (home.tags, home.albums):
            fails((EPERM, EINVAL), f"mkdir of {name!r}", os.mkdir, os.path.join(os.fsencode(folder), name))
            fails((EPERM, EINVAL), f"rename to {name!r}", os.rename, os.path.join(folder, "t" if folder == home.tags else "x"),
                  os.path.join(folder, name.decode()))
        fails(NOT_HERE, f"mkdir of {name!r} in /", os.mkdir, os.path.join(os.fsencode(home.mnt), name))
    equal(home.rows("SELECT position AS n FROM shared_stream")[0]["n"], log, "records that litter left in the log")
    write_file(os.path.join(home.real, ".hidden"), "real")
    within(SECOND, "such a name below devices/ is real", lambda: read_file(entry(home, ".hidden")) == b"real")
    for name in (b"plain", b"with space", b"\xff\xfe bytes", b"new\nline", b"-dash", b"n" * 255, "caf\u00e9".encode()):
        place = os.path.join(tag(b"u"), name)
        works(f"a link called {name!r}", os.symlink, entry(home, "photos/b.jpg"), place)
        check(name in os.listdir(tag(b"u")), f"the link {name!r} keeps its name")
        equal(read_file(place), b"the content of photos/b.jpg", f"read through {name!r}")
        works(f"removal of {name!r}", os.unlink, place)
    fails(ENAMETOOLONG, "a link name of 256 bytes", os.symlink, entry(home, "photos/b.jpg"), os.path.join(tag(b"u"), b"n" * 256))
    home.check_clean("names")


def links(home):
    """Inside a tag, an album and favorites: which targets are taken, what a link is, unlink."""
    start(home)
    real = lambda p: os.path.join(home.real, p)
    write_file(os.path.join(home.dir, "stranger"), "not in a location")
    os.mkdir(real(".git"))
    write_file(real(".git/ignored"), "ignored")
    for place, up in [(("tags", "t"), "../.."), (("albums", "x"), "../.."), (("favorites",), "..")]:
        text = place[0]
        p = lambda *names: at(home, *place, *names)
        good = [("relative", f"{up}/devices/here/real/photos/a.jpg", "photos/a.jpg"),
                ("relative, with detours", f"{up}/tags/../devices//here/./real/sub/../photos/b.jpg", "photos/b.jpg"),
                ("absolute through the mount", entry(home, "photos/c.jpg"), "photos/c.jpg"),
                ("absolute, of the real file", real("sub/a.jpg"), "sub/a.jpg"),
                ("a folder", entry(home, "photos/inner"), "photos/inner"),
                ("a folder with a slash", real("sub") + "/", "sub"),
                ("an empty file", entry(home, "empty"), "empty"),
                ("a FIFO", entry(home, "fifo"), "fifo")]
        for i, (what, target, path) in enumerate(good):
            name = f"link {i}"
            works(f"{text}: {what}", os.symlink, target, p(name))
            st = os.lstat(p(name))
            equal(os.readlink(p(name)), f"{up}/devices/here/real/{path}", f"{text}: target of {what}")
            check(stat.S_ISLNK(st.st_mode) and st.st_nlink == 1 and st.st_uid == os.getuid()
                  and st.st_size == len(os.readlink(p(name))), f"{text}: {what} is a link with its true size")
            equal(os.path.realpath(p(name)), entry(home, path), f"{text}: {what} resolves")
        equal(listing(p()), [f"link {i}" for i in range(len(good))], f"{text}: the listing")
        inodes = [e.inode() for e in os.scandir(p())]
        check(len(set(inodes)) == len(inodes) and inodes == [os.lstat(e.path).st_ino for e in os.scandir(p())],
              f"{text}: one inode for each link")
        fails(EEXIST, f"{text}: an entry that is in, by another name", os.symlink, entry(home, "photos/a.jpg"), p("again"))
        fails(EEXIST, f"{text}: a name that is taken", os.symlink, entry(home, "photos/inner/d.jpg"), p("link 0"))
        bad = ["nowhere", "/nowhere", entry(home, "photos/none"), real("photos/none"), "photos/a.jpg", "/etc/passwd",
               os.path.join(home.dir, "stranger"), real(".git/ignored"), f"{up}/devices/here/none", f"{up}/../../../etc/passwd",
               "../" * 50 + "etc/passwd", home.mnt, home.tags, at(home, "devices"), "/", ".", f"{up}/tags", "x" * 4000]
        for target in bad:
            fails(ENOENT, f"{text}: the target {target[:60]!r}", os.symlink, target, p("bad"))
        fails(ENOENT, f"{text}: nothing was made of them", os.lstat, p("bad"))
        fails(EPERM, f"{text}: mkdir", os.mkdir, p("new"))
        fails(ENOTDIR, f"{text}: rmdir of a link", os.rmdir, p("link 0"))
        refused_changes(home, p(), p("link 0"), (EPERM,), text)
        fails(EROFS, f"{text}: open for writing through a link", os.open, p("link 0"), os.O_WRONLY)
        for name in listing(p()):
            works(f"{text}: unlink of {name}", os.unlink, p(name))
        equal(listing(p()), [], f"{text}: it is empty")
        fails(ENOENT, f"{text}: unlink of what is gone", os.unlink, p("link 0"))
    works("a link that was removed can come back", link, home, "photos/a.jpg", "tags", "t", "link 0")
    for name in ("photos/a.jpg", "photos/b.jpg", "sub/a.jpg"):
        equal(read_file(real(name)), f"the content of {name}".encode(), "unlink never touched the content")
    home.check_clean("links")


def moves(home):
    """rename of links: within, between collections, onto others, from and to where it is not allowed."""
    start(home)
    p = lambda path: at(home, path)
    for name in ("a", "b", "c"):
        link(home, f"photos/{name}.jpg", "tags", "t", f"{name}.jpg")
    works("within a tag", os.rename, p("tags/t/a.jpg"), p("tags/t/A.jpg"))
    equal(listing(p("tags/t")), ["A.jpg", "b.jpg", "c.jpg"], "the link has the new name")
    works("to its own name", os.rename, p("tags/t/A.jpg"), p("tags/t/A.jpg"))
    works("onto another link", os.rename, p("tags/t/A.jpg"), p("tags/t/b.jpg"))
    equal((listing(p("tags/t")), os.readlink(p("tags/t/b.jpg"))),
          (["b.jpg", "c.jpg"], "../../devices/here/real/photos/a.jpg"), "which it replaces")
    works("to another tag", os.rename, p("tags/t/b.jpg"), p("tags/u/a.jpg"))
    equal((listing(p("tags/t")), listing(p("tags/u"))), (["c.jpg"], ["a.jpg"]), "it is there and no longer here")
    equal(read_file(p("tags/u/a.jpg")), b"the content of photos/a.jpg", "read through the moved link")
    works("to an album", os.rename, p("tags/u/a.jpg"), p("albums/x/a.jpg"))
    works("to favorites", os.rename, p("albums/x/a.jpg"), p("favorites/star.jpg"))
    equal(os.readlink(p("favorites/star.jpg")), "../devices/here/real/photos/a.jpg", "its target fits the new depth")
    equal((listing(p("tags/u")), listing(p("albums/x"))), ([], []), "and it left the others")
    works("back to a tag", os.rename, p("favorites/star.jpg"), p("tags/u/a.jpg"))
    link(home, "photos/a.jpg", "tags", "v", "other name")
    log = home.rows("SELECT position AS n FROM shared_stream")[0]["n"]
    works("to where the entry is already", os.rename, p("tags/u/a.jpg"), p("tags/v/new name"))
    equal((listing(p("tags/u")), listing(p("tags/v"))), ([], ["new name"]), "one link remains, with the new name")
    equal(home.rows("SELECT position AS n FROM shared_stream")[0]["n"], log + 1, "log number after one move: one change set")
    within(SECOND, "nothing old comes back", lambda: lib.errno_of(os.lstat, p("tags/v/other name")) == ENOENT)
    link(home, "photos/b.jpg", "tags", "u", "b")
    link(home, "photos/inner/d.jpg", "tags", "v", "d")
    works("onto a link in another tag", os.rename, p("tags/u/b"), p("tags/v/d"))
    equal((listing(p("tags/v")), os.readlink(p("tags/v/d"))), (["d", "new name"], "../../devices/here/real/photos/b.jpg"),
          "which it replaces there")
    works("onto the link of the same entry in another tag", lambda: (link(home, "photos/b.jpg", "tags", "u", "b"),
                                                                  os.rename(p("tags/u/b"), p("tags/v/d"))))
    equal((listing(p("tags/u")), listing(p("tags/v"))), ([], ["d", "new name"]), "it is in once")
    link(home, "photos/c.jpg", "tags", "u", "c")
    works("onto another's link, the entry being in under a third name",
          lambda: (link(home, "photos/b.jpg", "tags", "u", "b"), os.rename(p("tags/u/b"), p("tags/v/new name"))))
    equal((listing(p("tags/u")), listing(p("tags/v"))), (["c"], ["new name"]), "one link remains")
    fails(EPERM, "from devices/ to a tag", os.rename, entry(home, "photos/a.jpg"), p("tags/t/x"))
    fails((EPERM, EROFS), "from a tag to devices/", os.rename, p("tags/u/c"), entry(home, "photos/x"))
    fails(EPERM, "a link to tags/", os.rename, p("tags/u/c"), p("tags/x"))
    fails(NOT_HERE, "a link to /", os.rename, p("tags/u/c"), p("x"))
    fails(EISDIR, "a link onto a tag", os.rename, p("tags/u/c"), p("tags/t"))
    fails(ENOTDIR, "a tag onto a link", os.rename, p("tags/t"), p("tags/u/c"))
    fails(EEXIST, "RENAME_NOREPLACE onto a link", renameat2, p("tags/u/c"), p("tags/v/new name"), lib.RENAME_NOREPLACE)
    works("RENAME_NOREPLACE", renameat2, p("tags/u/c"), p("tags/u/c2"), lib.RENAME_NOREPLACE)
    works("RENAME_NOREPLACE between tags", renameat2, p("tags/u/c2"), p("tags/v/c2"), lib.RENAME_NOREPLACE)
    fails(EINVAL, "RENAME_EXCHANGE", renameat2, p("tags/v/c2"), p("tags/v/new name"), lib.RENAME_EXCHANGE)
    fails(EINVAL if ROOT else (EINVAL, EPERM), "RENAME_WHITEOUT", renameat2, p("tags/v/c2"), p("tags/v/w"), lib.RENAME_WHITEOUT)
    fails(EINVAL, "an unknown flag", renameat2, p("tags/v/c2"), p("tags/v/w"), 64)
    fails(ENOENT, "a link that is not there", os.rename, p("tags/u/none"), p("tags/u/new"))
    home.check_clean("moves")
    before = {d: listing(p(d)) for d in ("tags/t", "tags/u", "tags/v", "albums/x", "favorites")}
    home.unmount()
    home.mount()
    equal({d: listing(p(d)) for d in before}, before, "the same after a remount")


def moved_links_answer_at_once(home):
    """The name that a rename between collections returned for is there in the very next call, and the old one is not."""
    start(home)
    link(home, "photos/a.jpg", "tags", "t", "a")
    places = [at(home, p) for p in ("tags/t/a", "albums/x/a", "favorites/a", "tags/u/a")]
    calls = {"lstat": os.lstat, "readlink": os.readlink, "stat": os.stat, "open": read_file, "getxattr": lambda p: os.getxattr(p, "user.xdg.tags")}
    wrong = {}
    for i in range(200):
        old, new = places[i % 4], places[(i + 1) % 4]
        os.lstat(old)
        os.rename(old, new)
        name = random.choice(list(calls))
        got = lib.errno_of(calls[name], new)
        if got and not (name == "getxattr" and got == ENODATA):
            wrong[name, lib.name_of(got)] = wrong.get((name, lib.name_of(got)), 0) + 1
        if lib.errno_of(os.lstat, old) != ENOENT:
            wrong["the old name"] = wrong.get("the old name", 0) + 1
        if not within(SECOND, f"round {i}: the link is at its new place", lambda: os.path.lexists(new)):
            break
    equal(wrong, {}, "calls of 200 that failed right after a rename")


def same_names(home):
    """Two links of one name: both are shown, with a suffix that depends on the file alone."""
    long = "n" * 250 + ".jpg"
    for folder in ("one", "two", "three"):
        os.makedirs(os.path.join(home.real, folder))
        write_file(os.path.join(home.real, folder, "a.b.jpg"), f"a of {folder}")
        write_file(os.path.join(home.real, folder, long), f"long of {folder}")
        write_file(os.path.join(home.real, folder, "bare"), f"bare of {folder}")
    start(home)
    files = {f: [entry(home, f"{d}/{f}") for d in ("one", "two", "three")] for f in ("a.b.jpg", long, "bare")}
    for file, three in files.items():
        home.shelf("-l", home.lib, "tag", "add", "t", *three)
        home.shelf("-l", home.lib, "tag", "add", "u", *reversed(three))
    within(SECOND, "all nine are listed", lambda: len(os.listdir(at(home, "tags/t"))) == 9)
    shown = {n: os.readlink(at(home, "tags/t", n)) for n in os.listdir(at(home, "tags/t"))}
    equal({n: os.readlink(at(home, "tags/u", n)) for n in os.listdir(at(home, "tags/u"))}, shown,
          "the names in a tag that was filled in the other order")
    equal(len({v for v in shown.values()}), 9, "different targets")
    suffixed = [n for n in shown if re.fullmatch(r"a\.b \([0-9a-f]{8}\)\.jpg", n)]
    equal((len(suffixed), "a.b.jpg" in shown), (2, True), "one plain name, two with a suffix before the extension")
    bare = [n for n in shown if re.fullmatch(r"bare \([0-9a-f]{8}\)", n)]
    equal((len(bare), "bare" in shown), (2, True), "the same without an extension")
    cut = [n for n in shown if n.startswith("nnn")]
    check(len(cut) == 3 and all(len(n) <= 255 and n.endswith(".jpg") for n in cut), f"long names are cut to fit: {cut}")
    for name, target in shown.items():
        path = target.replace("../../devices/here/real/", "")
        equal(read_file(at(home, "tags/t", name)), read_file(os.path.join(home.real, path)), f"content of {name[:40]}")
    home.unmount()
    home.mount()
    equal({n: os.readlink(at(home, "tags/t", n)) for n in os.listdir(at(home, "tags/t"))}, shown, "names after a remount")
    gone, kept = suffixed
    os.unlink(at(home, "tags/t", gone))
    within(SECOND, "removal by a name with suffix", lambda: sorted(os.listdir(at(home, "tags/t"))) == sorted(set(shown) - {gone}))
    os.unlink(at(home, "tags/t/a.b.jpg"))
    left = lambda: [n for n in os.listdir(at(home, "tags/t")) if n.startswith("a.b")]
    within(SECOND, "the last one takes the plain name", lambda: left() == ["a.b.jpg"])
    within(SECOND, "and is it", lambda: os.readlink(at(home, "tags/t/a.b.jpg")) == shown[kept])
    within(SECOND, "its name with suffix is gone", lambda: not os.path.lexists(at(home, "tags/t", kept)))
    other = [n for n in os.listdir(at(home, "tags/u")) if re.fullmatch(r"a\.b \(.*\)\.jpg", n)][0]
    target = os.readlink(at(home, "tags/u", other))
    works("rename of a name with suffix", os.rename, at(home, "tags/u", other), at(home, "tags/u/mine.jpg"))
    equal(os.readlink(at(home, "tags/u/mine.jpg")), target, "the renamed one")
    home.check_clean("same names")


def removal_is_exact(home):
    """rm -r of a tag or an album takes exactly its own pairs, and no content, whatever else there is."""
    names_ = [f"f{i}" for i in range(30)]
    for name in names_:
        write_file(os.path.join(home.real, name), f"content of {name}")
    start(home)
    places = [f"tags/t{i}" for i in range(6)] + [f"albums/x{i}" for i in range(3)] + ["favorites"]
    for place in places[:-1]:
        os.mkdir(at(home, place))
    for place in places:
        for name in random.sample(names_, random.randrange(1, 20)):
            link(home, name, place, name)
    content = {n: read_file(os.path.join(home.real, n)) for n in names_}
    while len(places) > 1:
        place = places.pop(random.randrange(len(places) - 1))
        before = home.pairs()
        kind, tag = ("tag", place[5:]) if place.startswith("tags") else ("album", place[7:])
        mine = {p for p in before if p[0] == kind and p[1] == tag}
        check(mine, f"{place} has pairs")
        if random.random() < 0.5:
            subprocess.run(["rm", "-r", at(home, place)], check=True)
        else:
            shutil.rmtree(at(home, place))
        equal(before - home.pairs(), mine, f"pairs that rm -r {place} removed")
        equal(home.pairs() - before, set(), f"pairs that rm -r {place} added")
        check(not os.path.lexists(at(home, place)), f"{place} is gone")
    equal({n: read_file(os.path.join(home.real, n)) for n in names_}, content, "the content")
    home.check_clean("removal is exact")


def tools(home):
    """What people type: coreutils and gio do the right thing or fail with words that make sense, and lose nothing."""
    start(home)
    stranger = os.path.join(home.dir, "stranger.txt")
    write_file(stranger, "a file from elsewhere")
    a, b = entry(home, "photos/a.jpg"), entry(home, "photos/b.jpg")

    def tool(*command, ok, text):
        done = subprocess.run(command, capture_output=True, cwd=home.mnt, env={**home.env, "LC_ALL": "C"}, timeout=60, check=False)
        said = (done.stdout + done.stderr).decode(errors="replace")
        check((done.returncode == 0) == ok, f"{text}: exit {done.returncode}: {said.strip()}")
        check("not implemented" not in said and "Input/output" not in said, f"{text}: said {said.strip()!r}")

    tool("ln", "-s", a, "tags/t/", ok=True, text="ln -s FILE TAG/")
    tool("ln", "-s", "../../devices/here/real/photos/b.jpg", "tags/t/", ok=True, text="ln -s RELATIVE TAG/")
    tool("ln", "-rs", "devices/here/real/photos/c.jpg", "tags/t/", ok=True, text="ln -rs FILE TAG/")
    tool("cp", "-s", entry(home, "sub/a.jpg"), "tags/u/", ok=True, text="cp -s FILE TAG/")
    equal((listing(at(home, "tags/t")), listing(at(home, "tags/u"))), (["a.jpg", "b.jpg", "c.jpg"], ["a.jpg"]), "what they made")
    tool("ln", "-s", a, "tags/t/", ok=False, text="ln -s of a file that is in")
    tool("ln", a, "tags/u/hard", ok=False, text="ln (hard)")
    tool("cp", b, "tags/u/", ok=False, text="cp FILE TAG/")
    tool("cp", stranger, "tags/u/", ok=False, text="cp of a stranger")
    tool("mv", stranger, "tags/u/", ok=False, text="mv of a stranger")
    tool("mv", b, "tags/u/", ok=False, text="mv FILE TAG/")
    tool("touch", "tags/u/new", ok=False, text="touch")
    tool("mv", stranger, "devices/here/real/", ok=False, text="mv into devices/")
    equal(read_file(stranger), b"a file from elsewhere", "the stranger is still there")
    equal(listing(at(home, "tags/u")), ["a.jpg"], "nothing came of them")
    tool("mv", "tags/t/b.jpg", "tags/u/", ok=True, text="mv LINK TAG/")
    tool("mv", "tags/t/a.jpg", "tags/t/c.jpg", "albums/x/", ok=True, text="mv LINK LINK ALBUM/")
    tool("mv", "-T", "tags/u", "tags/u2", ok=True, text="mv -T TAG TAG")
    tool("mv", "tags/u2", "tags/renamed", ok=True, text="mv TAG NAME")
    tool("mv", "tags/renamed", "tags/t", ok=False, text="mv TAG into a TAG")
    tool("mv", "-T", "tags/renamed", "tags/t", ok=True, text="mv -T TAG onto an empty TAG")
    equal(listing(at(home, "tags/t")), ["a.jpg", "b.jpg"], "the tag after it")
    tool("rm", "-r", "tags/t", ok=True, text="rm -r TAG")
    tool("rm", "-rf", "devices/here/real/photos", ok=False, text="rm -rf below devices/")
    tool("rm", "-r", "albums", ok=False, text="rm -r albums, which itself stays")
    equal(listing(os.path.join(home.real, "photos")), ["a.jpg", "b.jpg", "c.jpg", "inner", "link"], "the real folder")
    tool("ls", "-laR", ".", ok=True, text="ls -laR")
    tool("du", "-s", ".", ok=True, text="du")
    tool("df", ".", ok=True, text="df")
    tool("tar", "cf", "/dev/null", "tags", "devices/here/real/photos", ok=True, text="tar")
    if shutil.which("gio"):
        tool("gio", "trash", a, ok=False, text="gio trash")
        tool("gio", "info", a, ok=True, text="gio info")
    else:
        print("  gio is missing: not tried")
    home.check_clean("tools")


def xattrs(home):
    """user.xdg.tags reads as the tags of a file."""
    start(home)
    a = entry(home, "photos/a.jpg")
    name = "user.xdg.tags"
    fails(ENODATA, "a file without tags", os.getxattr, a, name)
    check(name not in os.listxattr(a), "a file without tags does not list it")
    link(home, "photos/a.jpg", "tags", "t", "a.jpg")
    equal(os.getxattr(a, name), b"t", "one tag")
    link(home, "photos/a.jpg", "tags", "u", "a.jpg")
    equal(sorted(os.getxattr(a, name).split(b",")), [b"t", b"u"], "two tags")
    check(name in os.listxattr(a), "it is listed")
    equal(sorted(os.getxattr(at(home, "tags/t/a.jpg"), name).split(b",")), [b"t", b"u"], "through a link")
    link(home, "photos/a.jpg", "albums", "x", "a.jpg")
    equal(sorted(os.getxattr(a, name).split(b",")), [b"t", b"u"], "an album is no tag")
    link(home, "photos/inner", "tags", "v", "inner")
    equal(os.getxattr(entry(home, "photos/inner"), name), b"v", "a folder's tags")
    os.unlink(at(home, "tags/t/a.jpg"))
    equal(os.getxattr(a, name), b"u", "after an unlink")
    os.rename(at(home, "tags/u"), at(home, "tags/renamed"))
    equal(os.getxattr(a, name), b"renamed", "after a rename")
    fails((EROFS, EPERM), "writing it", os.setxattr, a, name, b"z")
    fails(ENODATA, "another user attribute", os.getxattr, a, "user.other")


def other_paths(home):
    """Links are relative: they work through a symlink to the mount and through a bind mount."""
    start(home)
    link(home, "photos/a.jpg", "tags", "t", "a.jpg")
    second = os.path.join(home.dir, "second path")
    os.symlink(home.mnt, second)
    equal(read_file(os.path.join(second, "tags/t/a.jpg")), b"the content of photos/a.jpg", "through a symlink to the mount")
    works("tagging through it", os.symlink, os.path.join("..", "..", "devices/here/real/photos/b.jpg"),
          os.path.join(second, "tags/t/b.jpg"))
    bound = os.path.join(home.dir, "bound")
    os.mkdir(bound)
    script = 'mount --bind "$1" "$2" && cd "$2" && readlink -e tags/t/a.jpg && cat tags/t/a.jpg'
    done = subprocess.run(["unshare", "-m"] + ([] if ROOT else ["-Ur"]) + ["sh", "-ec", script, "sh", home.mnt, bound],
                          capture_output=True, timeout=60, check=False)
    if done.returncode != 0 and not done.stdout:
        raise lib.Skip(f"no bind mount here: {done.stderr.decode().strip()}")
    equal(done.stdout.decode(), f"{bound}/devices/here/real/photos/a.jpg\nthe content of photos/a.jpg", "through a bind mount")


def json_of(home):
    return home.shelf("-l", home.lib, "status", "--json").encode().replace(b" ", b"")


def looking_changes_nothing(home):
    """Look-ups, listings and reads never write; walking takes time by the number of links, not of combinations."""
    start(home)
    for i in range(200):
        os.mkdir(at(home, f"tags/many{i}"))
        if i < 40:
            link(home, "photos/a.jpg", f"tags/many{i}", "a.jpg")
    dump = lambda: subprocess.run(["sqlite3", "-readonly", os.path.join(home.lib, "database.db"), ".dump"],
                                  capture_output=True, check=True).stdout
    # Content ids are still being computed, and the log is cut two seconds after the last change: both are no answers to looks.
    at_rest = lambda: b"INSERT INTO log " not in dump() and b'"unhashed":0' in json_of(home) and dump() == (time.sleep(0.3), dump())[1]
    check(lib.poll(at_rest, 20, every=0.2), "the catalogue comes to rest")
    before = dump()
    for _ in range(2000):
        folder = random.choice([home.mnt, home.tags, home.albums, at(home, "tags/t"), home.shown, entry(home, "photos")])
        path = os.path.join(os.fsencode(folder), random.randbytes(random.randrange(8, 60)).replace(b"\0", b"x").replace(b"/", b"y"))
        if os.path.basename(path) not in (b".", b".."):
            fails(ENOENT, f"look-up of {path!r}", random.choice([os.stat, os.lstat, os.readlink, os.listdir, read_file]), path)
    start_ = time.monotonic()
    walked = subprocess.run(["find", home.tags], capture_output=True, check=True).stdout.count(b"\n")
    equal(walked, 1 + 3 + 200 + 40, "what find visits below tags/")
    check(time.monotonic() - start_ < 5 * lib.PATIENCE, "and how long it takes")
    check(dump() == before, "the database is as before")


lib.run(fixed_directories, reading, collections, names, links, moves, moved_links_answer_at_once, same_names, removal_is_exact, tools, xattrs, other_paths,
        looking_changes_nothing)
