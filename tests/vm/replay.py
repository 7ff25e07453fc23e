"""Power cuts from a log of writes: what QEMU's blklogwrites recorded, and the disk as it was at any
moment of it.

The log has the form of dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst of
Linux): a superblock, then entries of one sector each, followed by the data that was written.
Between two flushes a disk may keep any of the writes, so a cut keeps all up to the last flush
before it, and of those behind a random choice, the last one perhaps torn between two sectors.
"""

import struct

MAGIC = 0x6a736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
SUPERBLOCK = struct.Struct('<QQQI')
ENTRY = struct.Struct('<QQQQ')


class Entry:
    """One write; `start` is where its header lies in the log, `end` behind its data."""

    def __init__(self, log, start, sector_bytes):
        sector, count, self.flags, _ = ENTRY.unpack_from(log, start)
        self.offset = sector * sector_bytes
        self.length = count * sector_bytes
        self.start = start
        self.data_at = start + sector_bytes
        self.end = self.data_at + (0 if self.flags & DISCARD else self.length)

    def is_flush(self):
        return bool(self.flags & (FLUSH | FUA))


class Log:
    def __init__(self, path):
        with open(path, 'rb') as handle:
            self.bytes = handle.read()
        magic, version, _, self.sector_bytes = SUPERBLOCK.unpack_from(self.bytes)
        if (magic, version) != (MAGIC, 1):
            raise AssertionError(f'{path} is no log of writes')
        self.entries = list(self.read())

    def read(self):
        at = self.sector_bytes
        while at + self.sector_bytes <= len(self.bytes):
            entry = Entry(self.bytes, at, self.sector_bytes)
            if entry.end > len(self.bytes):
                return  # cut short by the end of QEMU
            yield entry
            at = entry.end

    def apply(self, disk, entry, length=None):
        """Writes the entry, or its first bytes only, to an open file."""
        length = entry.length if length is None else length
        disk.seek(entry.offset)
        if entry.flags & DISCARD:
            disk.write(bytes(length))
        elif length:
            disk.write(self.bytes[entry.data_at:entry.data_at + length])

    def cut(self, disk, count, choice):
        """The disk after a power cut behind `count` entries; `choice` is a random.Random. An entry
        that carries a flush flushes what came before it."""
        kept = 0
        for index in range(count):
            if self.entries[index].is_flush():
                kept = index + 1
        for entry in self.entries[:kept]:
            self.apply(disk, entry)
        volatile = self.entries[kept:count]
        chance = choice.choice((0.0, 0.5, 1.0))
        for entry in volatile:
            if choice.random() < chance:
                self.apply(disk, entry)
        if volatile and chance > 0 and not volatile[-1].flags & DISCARD:
            sectors = volatile[-1].length // self.sector_bytes
            self.apply(disk, volatile[-1], choice.randint(0, sectors) * self.sector_bytes)
