#!/usr/bin/env python3
"""Writes cursor.png from the drawing below: python3 assets/cursor.py

A 24x24 RGBA picture. '#' is black, '.' white, ':' a soft shadow, a space is transparent.
The hot spot is the tip, at (1, 1).
"""
import pathlib
import struct
import zlib

DRAWING = """

 #
 ##
 #.#
 #..#
 #...#
 #....#
 #.....#
 #......#
 #.......#
 #........#
 #.........#
 #......#####:
 #...#..#::::
 #..##..#:
 #.#: #..#:
 ##:  #..#:
 #:    #..#:
       #..#:
        ##::
         ::
"""
COLOURS = {"#": (0, 0, 0, 255), ".": (255, 255, 255, 255), ":": (0, 0, 0, 60), " ": (0, 0, 0, 0)}
SIZE = 24


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


rows = (DRAWING.split("\n")[1:] + [""] * SIZE)[:SIZE]
raw = b"".join(b"\0" + b"".join(bytes(COLOURS[c]) for c in row.ljust(SIZE)) for row in rows)
png = b"\x89PNG\r\n\x1a\n"
png += chunk(b"IHDR", struct.pack(">IIBBBBB", SIZE, SIZE, 8, 6, 0, 0, 0))
png += chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
pathlib.Path(__file__).with_name("cursor.png").write_bytes(png)
