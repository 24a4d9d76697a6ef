"""The terminal: reads keys without Return, and draws each window over the
previous one.

With TERM=dumb, which has no cursor to move, the windows are printed one below
the other. With NO_COLOR set, they have no colours.
"""

import os
import re
import select
import shutil
import sys
import termios
import tty

from watch.screen import BUSY, FAINT, TITLE, WAITS

CODES = {TITLE: "1", BUSY: "1;32", WAITS: "33", FAINT: "2"}
KEYS = {"\x1b[A": "up", "\x1b[B": "down", "\x1bOA": "up", "\x1bOB": "down",
        "\x1b[5~": "page up", "\x1b[6~": "page down"}
ONE_KEY = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.S)
ENTER = "\x1b[?1049h\x1b[?25l"  # use the alternate screen, hide the cursor
LEAVE = "\x1b[?25h\x1b[?1049l"


class Console:
    """The terminal, for use in a `with` block. When the block ends, the
    terminal is as it was before."""

    def __init__(self):
        self.is_dumb = os.environ.get("TERM", "dumb") in ("", "dumb")
        self.colours = not self.is_dumb and "NO_COLOR" not in os.environ
        self.saved = None

    def __enter__(self):
        if sys.stdin.isatty():
            self.saved = termios.tcgetattr(sys.stdin)
            # TCSAFLUSH would drop keys that were typed before.
            tty.setcbreak(sys.stdin, termios.TCSADRAIN)
        if not self.is_dumb:
            print(ENTER, end="", flush=True)
        return self

    def __exit__(self, *_):
        if not self.is_dumb:
            print(LEAVE, end="", flush=True)
        if self.saved:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self.saved)

    @staticmethod
    def size():
        """Returns the number of columns and of lines of the window."""
        size = shutil.get_terminal_size()
        return max(20, size.columns), max(8, size.lines)

    def draw(self, lines):
        """Draws a window: a list of `screen.Line`."""
        if self.is_dumb:
            print(*(line.text.rstrip() for line in lines), sep="\n", end="\n\n",
                  flush=True)
            return
        drawn = (self.styled(line) + "\x1b[K" for line in lines)
        print("\x1b[H" + "\r\n".join(drawn), end="\x1b[J", flush=True)

    def styled(self, line):
        """Returns the text of a line with the escape codes of its style."""
        code = CODES.get(line.style) if self.colours else None
        return f"\x1b[{code}m{line.text}\x1b[0m" if code else line.text

    @staticmethod
    def keys(timeout_s):
        """Waits for keys for at most `timeout_s`. Returns a list of characters,
        or names in KEYS, and ["q"] once the terminal has been closed."""
        ready, _, _ = select.select([sys.stdin], [], [], max(0, timeout_s))
        if not ready:
            return []
        text = os.read(sys.stdin.fileno(), 1024).decode(errors="replace")
        return [KEYS.get(key, key) for key in ONE_KEY.findall(text)] or ["q"]
