#!/usr/bin/env python3
"""A bad line between two network interfaces: takes frames from each, and puts them out at the other one later, or never.

    line.py INTERFACE INTERFACE DELAY_MS LOSS_PERCENT SEED

What netem does, where the kernel has none. Frames keep the notes that the kernel attaches to them (checksum and segments
still to be made: the virtio header), so nothing of the interfaces has to be changed. Says "there" when it works."""

import heapq
import itertools
import random
import select
import socket
import sys
import time

SOL_PACKET, PACKET_VNET_HDR, PACKET_OUTGOING, ETH_P_ALL = 263, 15, 4, 3
FRAME_MAX = 70000


def open_interface(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    s.bind((name, ETH_P_ALL))
    s.setblocking(False)
    return s


def take(ends, rng, delay, loss, waiting, number):
    wait = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
    for readable in select.select(ends, [], [], wait)[0]:
        try:
            frame, (_, _, kind, *_) = readable.recvfrom(FRAME_MAX)
        except OSError:  # an interface that went down
            continue
        if kind != PACKET_OUTGOING and rng.random() >= loss:
            other = ends[1 - ends.index(readable)]
            heapq.heappush(waiting, (time.monotonic() + delay, next(number), other, frame))


def main():
    ends = [open_interface(name) for name in sys.argv[1:3]]
    delay, loss, rng = float(sys.argv[3]) / 1000, float(sys.argv[4]) / 100, random.Random(int(sys.argv[5]))
    waiting, number = [], itertools.count()
    print("there", flush=True)
    while True:
        take(ends, rng, delay, loss, waiting, number)
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, end, frame = heapq.heappop(waiting)
            try:
                end.send(frame)
            except OSError:  # the other side is down, or takes no more: lost as well
                pass


main()
