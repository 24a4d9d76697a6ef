"""Converts the Markdown of our texts to HTML.

It knows headings, paragraphs, lists, tables, pictures, fenced blocks, folded
answers (<details>), and inside a text what document.inline() knows. It drops
comments. Anything else is an error, so that no page shows something that its
author did not mean.
"""

import os
import re

from course.c_source import highlight
from lib.document import Heading, Items, Picture, Table, Text, folded, inline
from lib.models import ROOT

HEADING = re.compile(r"(#{1,4}) (.+)$")
ITEM = re.compile(r"(-|\d+\.) +(.+)$")
PICTURE = re.compile(r"!\[([^]]+)\]\(([^) ]+)\)$")
SUMMARY = re.compile(r"<details><summary>(.+)</summary>$")
COMMENT = re.compile(r"<!--.*?-->", re.S)
FENCE = re.compile(r"```(\w*)$")
ROW = re.compile(r"\| ?(.*?) ?\|$")
LINE = re.compile("(.+)$")


def without(pattern, text):
    """Returns a text without the matches. Every line keeps its number."""
    return re.sub(pattern, lambda match: "\n" * match[0].count("\n"), text)


def doubt(text):
    """Returns the first Markdown in this text that we do not have, or ""."""
    bare = re.sub(r"`[^`]+`", "", text)
    bare = re.sub(r"(?<!!)\[[^]]+\]\([^) ]+\)", "", bare)
    bare = re.sub(r"\*\*\S(.*?\S)?\*\*|\*\S(.*?\S)?\*", "", bare)
    found = re.search(r"`|\]\(|!\[|\]\[|\*\S|<[a-z/!]|&\w+;|\\|^[>=]|^ {4}",
                      bare)
    return found[0].strip() or "indented text" if found else ""


class Reader:
    """Reads the lines of a text from the first to the last, and converts them.
    `where` is the path of the text. change_link(target) returns the target that
    a link or picture has on the page."""

    def __init__(self, text, where, change_link):
        self.lines, self.number = self.without_comments(text), 0
        self.where, self.change_link = where, change_link
        self.directory = ROOT / os.path.dirname(where)

    @staticmethod
    def without_comments(text):
        """Returns the lines of a text without its comments. Comments in fenced
        blocks stay, and every line keeps its number."""
        parts = re.split(r"(^```.*?^```$)", text, flags=re.M | re.S)
        parts[::2] = (without(COMMENT, part) for part in parts[::2])
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

    # ---- Blocks: each reads the lines behind a match, and returns the HTML

    def listing(self, fence):
        begin, text = self.number, []
        while self.line() != "```":
            if self.line() is None:
                self.fail("this block does not end", begin - 1)
            text.append(self.lines[self.number])
            self.number += 1
        self.number += 1
        code = highlight("\n".join(text), fence[1])
        return f'<pre class="listing {fence[1]}">{code}</pre>'

    def heading(self, match):
        text = self.text([match[2]], self.number - 1)
        return Heading(len(match[1]), text).html(self.directory)

    def folded(self, summary):
        begin, blocks = self.number, []
        while not self.take("</details>$"):
            if self.line() is None:
                self.fail("these <details> do not end", begin - 1)
            blocks += self.block()
        return folded(inline(summary[1]), "\n".join(blocks))

    def picture(self, match):
        name = self.change_link(match[2])
        return Picture(name, match[1]).html(self.directory)

    def table(self, first):
        rows = [first[1]]
        while match := self.take(ROW):
            rows.append(match[1])
        cells = [[self.text([cell.strip()], self.number - 1)
                  for cell in row.split("|")] for row in rows]
        if len(cells) < 2 or len({len(row) for row in cells}) > 1:
            self.fail("the rows of this table differ in their columns")
        header, rules, *rows = cells
        left = [name for name, rule in zip(header, rules)
                if not rule.endswith("-:")]
        return Table(header, rows, left).html(self.directory)

    def items(self, first):
        items = [self.wrapped(first[2])]
        while match := self.take(ITEM):
            items.append(self.wrapped(match[2]))
        html = Items(items).html(self.directory)
        return html if first[1] == "-" else re.sub("(</?)ul>", r"\1ol>", html)

    def paragraph(self, first):
        return Text(self.wrapped(first[1])).html(self.directory)

    KINDS = ((FENCE, listing), (HEADING, heading), (SUMMARY, folded),
             (PICTURE, picture), (ROW, table), (ITEM, items), (LINE, paragraph))

    def block(self):
        """Reads the block at the current line. Returns a list with its HTML, or
        an empty list at a blank line."""
        for pattern, read in self.KINDS:
            if match := self.take(pattern):
                return [read(self, match)]
        self.number += 1
        return []

    def html(self):
        blocks = []
        while self.line() is not None:
            blocks += self.block()
        return "\n".join(blocks)


def html_of(text, where, change_link=lambda target: target):
    """Returns the HTML of a text. Raises ValueError, with `where` and a line
    number, if the text has Markdown that we do not know."""
    return Reader(text, where, change_link).html()
