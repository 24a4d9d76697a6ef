"""Reads the Markdown of our texts into the blocks of document.py.

It knows headings, paragraphs, lists, tables, pictures, fenced blocks, folded
answers (<details>), and inside a text what document.inline() knows. It drops
comments. Anything else is an error, so that no page shows something that its
author did not mean.
"""

import re
from dataclasses import dataclass

from course.c_source import highlight
from lib.document import Heading, Items, Picture, Table, Text, folded, inline

HEADING = re.compile(r"(#{1,4}) (.+)$")
ITEM = re.compile(r"(-|\d+\.) +(.+)$")
PICTURE = re.compile(r"!\[([^]]+)\]\(([^) ]+)\)$")
SUMMARY = re.compile(r"<details><summary>(.+)</summary>$")
COMMENT = re.compile(r"<!--.*?-->", re.S)
FENCE = re.compile(r"```(\w*)$")


@dataclass(frozen=True)
class Numbered:
    items: tuple

    def html(self, directory):
        return re.sub(r"(</?)ul>", r"\1ol>", Items(self.items).html(directory))


@dataclass(frozen=True)
class Folded:
    """Blocks below a summary, which are hidden until the reader opens it."""

    summary: str
    blocks: tuple

    def html(self, directory):
        blocks = "\n".join(block.html(directory) for block in self.blocks)
        return folded(inline(self.summary), blocks)


@dataclass(frozen=True)
class Listing:
    """A fenced block: code, commands or output."""

    language: str
    text: str

    def html(self, _directory):
        return (f'<pre class="listing {self.language}">'
                f"{highlight(self.text, self.language)}</pre>")


def doubt(text):
    """Returns the first Markdown in this text that we do not have, or ""."""
    bare = re.sub(r"`[^`]+`", "", text)
    bare = re.sub(r"(?<!!)\[[^]]+\]\([^) ]+\)", "", bare)
    bare = re.sub(r"\*\*\S(.*?\S)?\*\*|\*\S(.*?\S)?\*", "", bare)
    found = re.search(r"`|\]\(|!\[|\]\[|\*\S|<[a-z/!]|&\w+;|\\|^[>=]|^ {4}",
                      bare)
    return found[0].strip() or "indented text" if found else ""


class Reader:
    """Reads the lines of a text from the first to the last. change_link(target)
    returns the target that a link or picture has on the page."""

    def __init__(self, text, where, change_link):
        self.lines, self.where = self.without_comments(text), where
        self.number, self.change_link = 0, change_link

    @staticmethod
    def without_comments(text):
        """Returns the lines of a text without its comments. Comments in fenced
        blocks stay, and every line keeps its number."""
        def blank(match):
            return "\n" * match[0].count("\n")

        parts = re.split(r"(^```.*?^```$)", text, flags=re.M | re.S)
        parts[::2] = (COMMENT.sub(blank, part) for part in parts[::2])
        return "".join(parts).split("\n")

    def line(self):
        """Returns the current line, or None at the end of the text."""
        return (self.lines[self.number].rstrip()
                if self.number < len(self.lines) else None)

    def take(self, pattern):
        """If the current line matches the pattern, returns the match and goes
        to the next line. Otherwise returns None."""
        match = re.match(pattern, self.line() or "")
        self.number += bool(match)
        return match

    def fail(self, what, number=None):
        """Raises ValueError for the current line, or that with this index."""
        raise ValueError(f"{self.where}:{(number or self.number) + 1}: {what}")

    def text(self, words, begin):
        """Joins lines to a text and changes its links. Raises ValueError, for
        the line `begin`, if it has Markdown that we do not know."""
        text = " ".join(words)
        if doubt(text):
            self.fail(f"'{doubt(text)}' is not in our Markdown", begin)
        return re.sub(r"\]\(([^) ]+)\)", lambda match:
                      f"]({self.change_link(match[1])})", text)

    def wrapped(self, first):
        """Returns a text of one or more lines, of which `first` is the first.
        It ends at a blank line or where another block starts."""
        words, begin = [first], self.number - 1
        while self.line() and not ITEM.match(self.line()) and not re.match(
                r"```|#+ |\||</?details|!\[", self.line()):
            if re.match(r"=+$|-+$|>|    ", self.line()):
                self.fail(f"'{self.line()}' is not in our Markdown")
            words.append(self.line().strip())
            self.number += 1
        return self.text(words, begin)

    # ---- Blocks

    def listing(self, language):
        """Reads a fenced block, behind its first fence. Returns the block."""
        begin, text = self.number, []
        while self.line() != "```":
            if self.line() is None:
                self.fail("this block does not end", begin - 1)
            text.append(self.lines[self.number])
            self.number += 1
        self.number += 1
        return Listing(language, "\n".join(text))

    def folded(self, summary):
        """Reads folded blocks, behind their summary, and returns them."""
        begin, blocks = self.number, []
        while not self.take("</details>$"):
            if self.line() is None:
                self.fail("these <details> do not end", begin - 1)
            blocks += self.block()
        return Folded(summary, tuple(blocks))

    def items(self, first):
        """Reads and returns the list whose first item is the match `first`."""
        kind = Items if first[1] == "-" else Numbered
        items = [self.wrapped(first[2])]
        while match := self.take(ITEM):
            items.append(self.wrapped(match[2]))
        return kind(tuple(items))

    def table(self, first):
        """Reads and returns the table whose first row is the match `first`."""
        rows = [first[1]]
        while match := self.take(r"\| ?(.*?) ?\|$"):
            rows.append(match[1])
        cells = [[self.text([cell.strip()], self.number - 1)
                  for cell in row.split("|")] for row in rows]
        if len(cells) < 2 or len({len(row) for row in cells}) > 1:
            self.fail("the rows of this table differ in their columns")
        rules = cells.pop(1)
        left = tuple(name for name, rule in zip(cells[0], rules)
                     if not rule.endswith("-:"))
        return Table(tuple(cells[0]), tuple(map(tuple, cells[1:])), left)

    def block(self):
        """Reads the block at the current line. Returns a list with the block,
        or an empty list at a blank line."""
        if self.take("$"):
            return []
        if match := self.take(FENCE):
            return [self.listing(match[1])]
        if match := self.take(HEADING):
            return [Heading(len(match[1]),
                            self.text([match[2]], self.number - 1))]
        if match := self.take(SUMMARY):
            return [self.folded(match[1])]
        if match := self.take(PICTURE):
            return [Picture(self.change_link(match[2]), match[1])]
        if match := self.take(r"\| ?(.*?) ?\|$"):
            return [self.table(match)]
        if match := self.take(ITEM):
            return [self.items(match)]
        first = self.line()
        self.number += 1
        return [Text(self.wrapped(first))]

    def blocks(self):
        while self.line() is not None:
            yield from self.block()


def parse(text, where, change_link=lambda target: target):
    """Returns the blocks of a text. Raises ValueError, with `where` and a line
    number, if the text has Markdown that we do not know."""
    return list(Reader(text, where, change_link).blocks())

