"""Finds the name of a running program's variable by its address, so that a
futex can be shown with its name in the source."""

import struct

from watch import proc

HEADER = "<16xHHIQQQIHHHHHH"  # of a 64-bit ELF file, see elf(5)
SECTION = "<IIQQQQIIQQ"
SYMBOL = "<IBBHQQ"
SYMBOL_TABLE, OBJECT, POSITION_INDEPENDENT = 2, 1, 3


def variables(data):
    """Reads the symbol table of an ELF file. Returns True if the file can be
    loaded at any address, and the variables as (address, size, name). Raises
    ValueError or struct.error for any other file."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("no 64-bit little-endian ELF file")
    header = struct.unpack_from(HEADER, data)
    kind, offset, count = header[0], header[5], header[11]
    sections = [struct.unpack_from(SECTION, data, offset + i * 64)
                for i in range(count)]
    found = []
    for section in sections:
        if section[1] == SYMBOL_TABLE:
            names = sections[section[6]][4]
            table = data[section[4]:section[4] + section[5]]
            for symbol in struct.iter_unpack(SYMBOL, table):
                if symbol[1] & 15 == OBJECT and symbol[5]:
                    start = names + symbol[0]
                    name = data[start:data.index(b"\0", start)].decode()
                    found.append((symbol[4], symbol[5], name))
    return kind == POSITION_INDEPENDENT, found


def load_address(pid):
    """Returns the address at which a process has loaded its program, or 0."""
    for line in proc.text(pid, "maps").splitlines():
        fields = line.split(None, 5)
        if len(fields) == 6 and fields[5].startswith("/"):
            return int(fields[0].partition("-")[0], 16)
    return 0


class Symbols:
    """The variables of the program that one process runs."""

    def __init__(self, pid):
        try:
            data = (proc.ROOT / str(pid) / "exe").read_bytes()
            movable, self.found = variables(data)
            self.base = load_address(pid) if movable else 0
        except (OSError, ValueError, struct.error, IndexError):
            self.base, self.found = 0, []

    def name(self, address):
        """Returns the name of the variable at an address, or ""."""
        for start, size, name in self.found:
            if start <= address - self.base < start + size:
                return name
        return ""
