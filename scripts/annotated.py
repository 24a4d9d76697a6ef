"""A source file in two columns: its comments on the left, in the manner of
docco, and on the right the code that they are about."""

import html
import re
from dataclasses import dataclass

from highlight import c_line
from lessons import LESSON, functions, indent_of, is_comment, lessons
from marked import escaped


@dataclass
class Part:
    """A comment and the code that follows it, both lists of lines."""

    first: int  # the number of the first line of code, from 1
    comment: list
    code: list


def continues(line, code):
    """Whether a comment goes on that began behind the last line of code."""
    return bool(code) and code[-1].rfind("//") == indent_of(line) > 0


def borders(lines):
    """The numbers of the lines, from 1, at which something else begins."""
    ends = {end + 1 for _, _, end in lessons(lines)
            if end < len(lines) and not lines[end]}
    return ends | {begin + 1 for _, begin, _, _ in functions(lines)}


def parts(lines):
    """The parts of a file. A new one begins with a comment, with a function,
    and where a lesson ends."""
    found, begins = [Part(1, [], [])], borders(lines)
    for number, line in enumerate(lines, 1):
        part = found[-1]
        comment = is_comment(line) and not continues(line, part.code)
        alone = part.comment and not part.code and not line
        if part.code and (comment or number in begins) or alone:
            part = Part(number, [], [])
            found.append(part)
        if comment:
            part.comment.append(line.strip())
        elif line or part.code:
            part.first = part.first if part.code else number
            part.code.append(line)
    for part in found:
        while part.code and not part.code[-1]:
            part.code.pop()
    return [part for part in found if part.comment or part.code]


# ---- Comments


def is_set(text):
    """Whether a line stands as it is: commands, tables, fields of a header."""
    return bool(re.match(r"   |[A-Z]\w+  +\S", text))


def paragraphs(comment):
    """The paragraphs of a comment, as lists of lines."""
    paragraph = []
    for line in comment:
        text = re.sub(r"^// ?", "", line)
        if paragraph and (not text or is_set(text) != is_set(paragraph[0])):
            yield paragraph
            paragraph = []
        if text:
            paragraph.append(text)
    if paragraph:
        yield paragraph


def paragraph_html(paragraph):
    if is_set(paragraph[0]):
        return f"<pre>{html.escape(chr(10).join(paragraph))}</pre>"
    text = " ".join(paragraph)
    if text.startswith("---- "):
        return f"<h2>{escaped(text[5:])}</h2>"
    lesson = LESSON.match("// " + text)
    if lesson:
        name, rest = lesson[2], text.split(": ", 1)[1]
        text = escaped(rest[0].upper() + rest[1:])
        return f'<h3><a href="#{name}">{name}</a></h3>\n<p>{text}</p>'
    return f"<p>{escaped(text)}</p>"


# ---- Pages


def names_at(lines):
    """The names of the functions by the number of their first line."""
    return {begin + 1: name for name, begin, _, _ in functions(lines)}


def code_html(part, names):
    rows = []
    for number, line in enumerate(part.code, part.first):
        name = f' id="{names[number]}"' if number in names else ""
        rows.append(f'<span class="line"{name} data-n="{number}">'
                    f"{c_line(line)}</span>")
    return "\n".join(rows)


def part_html(part, names):
    lesson = next(filter(None, map(LESSON.match, part.comment)), None)
    mark = f' lesson" id="{lesson[2]}" tabindex="-1' if lesson else ""
    note = "\n".join(map(paragraph_html, paragraphs(part.comment)))
    kind = "part" if part.code else "part alone"
    code = (f'<pre class="code">{code_html(part, names)}</pre>'
            if part.code else "")
    return (f'<section class="{kind}{mark}">\n<div class="note">{note}</div>\n'
            f"{code}</section>")


def annotated(text):
    """The body of the page."""
    lines = text.rstrip("\n").split("\n")
    names = names_at(lines)
    return "\n".join(part_html(part, names) for part in parts(lines))
