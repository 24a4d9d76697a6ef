"""Shows two files side by side, as HTML. Long equal parts, and the comments at
the tops of the files, are folded. What remains visible is the lesson."""

import difflib
import html
import itertools
import re

from course.c_source import c_line, functions, is_comment
from lib.document import folded
from lib.text import counted, listed

# A numbered line is a pair of the line's number and its text.

CONTEXT = 3  # equal lines that stay visible on both sides of a difference
FOLDED_MIN = 6  # equal lines, at least, that are folded
ALIKE_MIN = 0.5  # similarity from which a line counts as changed, not replaced


def texts(numbered):
    return [text for _, text in numbered]


def words(line):
    return re.findall(r"\w+|\s+|.", line)


def marked(line, other):
    """Returns a line as HTML, with the words marked that `other` lacks."""
    mine, theirs = words(line), words(other)
    same = difflib.SequenceMatcher(None, mine, theirs, False)
    parts = []
    for what, begin, end, _, _ in same.get_opcodes():
        text = html.escape("".join(mine[begin:end]), quote=False)
        parts.append(text if what == "equal" or not text.strip()
                     else f"<mark>{text}</mark>")
    return "".join(parts)


def alike(left, right):
    return difflib.SequenceMatcher(
        None, words(left), words(right), False).ratio() >= ALIKE_MIN


def cell(number, code, kind):
    """Returns the two cells of one side: the line's number and its code. They
    are empty if `number` is None."""
    if number is None:
        return '<td class="n"></td><td class="none"></td>'
    return (f'<td class="n {kind}">{number}</td>'
            f'<td class="{kind}">{code}</td>')


def row(left, right):
    """Returns a row. A side is a numbered line, or (None, None)."""
    changed = left[1] != right[1]
    both = changed and None not in (left[0], right[0])
    if both and alike(left[1], right[1]):
        texts = marked(left[1], right[1]), marked(right[1], left[1])
    else:
        texts = c_line(left[1] or ""), c_line(right[1] or "")
    return "<tr>" + "".join(
        cell(side[0], text, kind if changed else "")
        for side, text, kind in zip((left, right), texts, ("old", "new"))
    ) + "</tr>"


def rows(a, b, block):
    """Returns the rows of a block, which is an opcode of SequenceMatcher."""
    _, a_begin, a_end, b_begin, b_end = block
    return [row(*pair) for pair in itertools.zip_longest(
        a[a_begin:a_end], b[b_begin:b_end], fillvalue=(None, None))]


def table(lines, stop=False):
    """Returns a table with these rows. With `stop`, the keys that go to the
    next and previous place stop at it."""
    kind = ' class="compared change" tabindex="-1"' if stop else ' class="compared"'
    body = "\n".join(lines)
    return (f"<table{kind}>\n<colgroup><col class='n'><col><col class='n'><col>"
            f"</colgroup>\n{body}\n</table>")


def begun(a, begin, end):
    """Returns the names of the functions that start in a[begin:end]."""
    return [f"{name}()" for name, first, _, _ in functions(texts(a))
            if begin <= first < end]


def unchanged(a, b, block, first, last):
    """Returns the tables of an equal block, as HTML: the lines next to
    differences stay visible, the lines between them are folded. No difference
    comes before the `first` block, and none after the `last`."""
    lines = rows(a, b, block)
    top, bottom = 0 if first else CONTEXT, 0 if last else CONTEXT
    middle = lines[top:len(lines) - bottom]
    if len(middle) < FOLDED_MIN:
        return [table(lines)]
    begin, end = block[1] + top, block[2] - bottom
    names = begun(a, begin, end)
    said = counted(len(middle), "line") + " the same" + (
        f": {listed(names)}" if names else "")
    return [part for part in (
        table(lines[:top]) if top else "", folded(said, table(middle)),
        table(lines[len(lines) - bottom:]) if bottom else "") if part]


def differences(a, b):
    """Returns the tables of two lists of numbered lines, as HTML."""
    blocks = difflib.SequenceMatcher(None, texts(a), texts(b),
                                     False).get_opcodes()
    tables = []
    for number, block in enumerate(blocks):
        if block[0] == "equal":
            tables += unchanged(a, b, block, number == 0,
                                number == len(blocks) - 1)
        else:
            tables.append(table(rows(a, b, block), stop=True))
    return "\n".join(tables)


def head(lines):
    """Returns the number of lines in the comment at the top of a file."""
    return next((number for number, line in enumerate(lines)
                 if not is_comment(line)), 0)


def side_by_side(a, b):
    """Returns the comparison of the lines of two files as HTML."""
    heads = head(a), head(b)
    a, b = list(enumerate(a, 1)), list(enumerate(b, 1))
    above = differences(a[:heads[0]], b[:heads[1]])
    return ((folded("What the files say of themselves", above) + "\n"
             if above else "") + differences(a[heads[0]:], b[heads[1]:]))


def counts(a, b):
    """Returns the numbers of lines added and removed from `a` to `b`."""
    blocks = difflib.SequenceMatcher(None, a, b, False).get_opcodes()
    changed = [block for block in blocks if block[0] != "equal"]
    return (sum(block[4] - block[3] for block in changed),
            sum(block[2] - block[1] for block in changed))
