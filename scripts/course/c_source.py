"""Shows our C source in the course: lessons and functions that texts can quote
by name, colours, and a file in two columns, comments left and code right.

A lesson is a comment that begins with `// LESSON name:`, and the code below it.
Above a function it reaches to the end of the function; elsewhere to the next
blank line or the end of its block. The comment above a function is part of the
function.
"""

import html
import itertools
import re
from dataclasses import dataclass

from lib.models import ROOT

FOLDERS = ("fib", "servers", "client")
ENDINGS = (".c", ".h", ".S")

LESSON = re.compile(r"^(\s*)// LESSON ([a-z0-9-]+): ")
NAME = re.compile(r"\w+\(|\w+_\w")  # of a function or variable, not a word
FUNCTION = re.compile(r"^[a-z_][^;={]*?\b([a-z_0-9]+)\([^;]*$")


def sources():
    """Returns the paths of our C and assembly files, sorted, as seen from the
    root of the project."""
    return sorted(str(path.relative_to(ROOT)) for folder in FOLDERS
                  for path in (ROOT / folder).rglob("*")
                  if path.suffix in ENDINGS)


def lines_of(path):
    return (ROOT / path).read_text("utf-8").split("\n")


def fields(path):
    """Returns the four fields of a server's top comment, by their names."""
    return dict(re.findall(r"^// (Model|Blocks|Strength|Weakness)  +(.*)$",
                           "\n".join(lines_of(path)), re.M))


def is_comment(line):
    return line.lstrip().startswith("//")


def indent_of(line):
    return len(line) - len(line.lstrip())


def end_of_lesson(lines, begin):
    """Returns the index of the line after the lesson that starts at `begin`."""
    indent, inside = indent_of(lines[begin]), False
    for number in range(begin, len(lines)):
        line = lines[number]
        if inside and line.startswith("}"):
            return number + 1
        inside = inside or not indent and line == "{"
        if not inside and (not line or indent_of(line) < indent):
            return number
    return len(lines)


def start_of_comment(lines, begin):
    """Returns where the comment right above a line starts, or `begin`."""
    while begin > 0 and is_comment(lines[begin - 1]):
        begin -= 1
    return begin


def functions(lines):
    """Yields each function: its name, and the indexes of its first line, of its
    opening brace, and of the line after its closing brace."""
    for begin, line in enumerate(lines):
        match = FUNCTION.match(line)
        if not match:
            continue
        brace = begin + 1
        while brace < len(lines) and indent_of(lines[brace]):
            brace += 1
        if brace < len(lines) and lines[brace] == "{":
            yield match[1], begin, brace, lines.index("}", brace) + 1


def lessons(lines):
    """Yields each lesson in these lines: its name, and the indexes of its first
    line and of the line after its last."""
    for begin, line in enumerate(lines):
        match = LESSON.match(line)
        if match:
            yield match[2], begin, end_of_lesson(lines, begin)


def quotable(lines):
    """Returns all lessons and functions by name: the index of the first line,
    and that of the line after the last. A comment belongs to its function."""
    found = {name: (start_of_comment(lines, begin), end)
             for name, begin, _, end in functions(lines)}
    found.update((name, (begin, end)) for name, begin, end in lessons(lines))
    return found


def quoted(target):
    """Returns the text of a lesson or function, given as "file#name", or of a
    whole file, given as "file", without its indent. Raises KeyError if the file
    has nothing of that name, OSError if there is no such file."""
    path, _, name = target.partition("#")
    lines = lines_of(path)
    begin, end = quotable(lines)[name] if name else (0, len(lines) - 1)
    indent = indent_of(lines[begin])
    return "\n".join(line[indent:] for line in lines[begin:end])


# ---- Colours for C, for commands and for differences

KEYWORDS = set("""
_Noreturn _Thread_local break case const continue default do else enum extern
for goto if inline return sizeof static struct switch typedef union volatile
while""".split())
TYPES = set("""
bool char double float int long short signed unsigned void""".split())

C = re.compile(r"""
    (?P<comment>//.*)
  | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?<=include\ )<[^>]*>)
  | (?P<keyword>^\s*\#\s*\w+)
  | (?P<number>\b\d[\w.]*)
  | (?P<word>[A-Za-z_]\w*)
  | .
""", re.X)


def kind_of(match):
    """Returns the class that a token has in the style sheet, "" or None."""
    if match.lastgroup != "word":
        return match.lastgroup
    word = match[0]
    if word in KEYWORDS:
        return "keyword"
    return "type" if word in TYPES or word.endswith("_t") else ""


def span(kind, text):
    text = html.escape(text, quote=False)
    return f'<span class="{kind}">{text}</span>' if kind else text


def c_line(line):
    """Returns a line of C as HTML, in colours."""
    return C.sub(lambda match: span(kind_of(match), match[0]), line)


def shell_line(line):
    """Returns a line of shell as HTML: the prompt and the comment in grey."""
    match = re.match(r"(\$ )?(.*?)((?:^|\s+)#\s.*)?$", line)
    return (span("comment", match[1] or "") + html.escape(match[2], quote=False)
            + span("comment", match[3] or ""))


def difference(line):
    """Returns a line of a diff as HTML: added and removed lines in colours."""
    return span({"+": "new", "-": "old"}.get(line[:1], ""), line)


LANGUAGES = {"c": c_line, "sh": shell_line, "console": shell_line,
             "diff": difference}


def highlight(text, language):
    """Returns a text as HTML for a <pre>, in the colours of its language."""
    of_line = LANGUAGES.get(language, lambda line: span("", line))
    return "\n".join(map(of_line, text.split("\n")))


# ---- A file in two columns


def escaped(text):
    """Returns a comment as HTML. The only Markdown in comments is `code`."""
    return re.sub(r"`(.+?)`", r"<code>\1</code>", html.escape(text))


@dataclass
class Part:
    """A comment and the code that follows it, both lists of lines."""

    first: int  # the number of the first line of code, from 1
    comment: list
    code: list


def continues(line, code):
    """Returns whether a comment line continues the comment that ends the last
    line of `code`: both start in the same column."""
    return bool(code) and code[-1].rfind("//") == indent_of(line) > 0


def borders(lines):
    """Returns the numbers of lines that start a function or follow a lesson."""
    ends = {end + 1 for _, _, end in lessons(lines)
            if end < len(lines) and not lines[end]}
    return ends | {begin + 1 for _, begin, _, _ in functions(lines)}


def parts(lines):
    """Returns the parts of a file. A new part starts with each comment and each
    function, and behind each lesson."""
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
    """Returns whether a comment line keeps its line breaks: a command, a row of
    a table, a field of a header."""
    return bool(re.match(r"   |[A-Z]\w+  +\S", text))


def paragraphs(comment):
    """Yields the paragraphs of a comment, as lists of lines without "//"."""
    lines = (re.sub(r"^// ?", "", line) for line in comment)
    for kind, paragraph in itertools.groupby(
            lines, lambda text: is_set(text) if text else None):
        if kind is not None:
            yield [*paragraph]


def paragraph_html(paragraph):
    """Returns a paragraph as HTML: "---- " starts a heading, LESSON too."""
    if is_set(paragraph[0]):
        return f"<pre>{html.escape(chr(10).join(paragraph))}</pre>"
    text = " ".join(paragraph)
    if text.startswith("---- "):
        return f"<h2>{escaped(text[5:])}</h2>"
    lesson = LESSON.match("// " + text)
    if lesson:
        name, text = lesson[2], text.split(": ", 1)[1]
        if not NAME.match(text):
            text = text[0].upper() + text[1:]
        return f'<h3><a href="#{name}">{name}</a></h3>\n<p>{escaped(text)}</p>'
    return f"<p>{escaped(text)}</p>"


# ---- Pages


def code_html(part, names):
    """Returns the code of a part as HTML. Each line has its number, and the
    first line of a function is the target of links to it. `names` has the
    functions by the numbers of these lines."""
    rows = []
    for number, line in enumerate(part.code, part.first):
        name = f' id="{names[number]}"' if number in names else ""
        rows.append(f'<span class="line"{name} data-n="{number}">'
                    f"{c_line(line)}</span>")
    return "\n".join(rows)


def part_html(part, names):
    """Returns a part as HTML: its comment beside its code."""
    lesson = next(filter(None, map(LESSON.match, part.comment)), None)
    mark = f' lesson" id="{lesson[2]}" tabindex="-1' if lesson else ""
    note = "\n".join(map(paragraph_html, paragraphs(part.comment)))
    kind = "part" if part.code else "part alone"
    code = (f'<pre class="code">{code_html(part, names)}</pre>'
            if part.code else "")
    return (f'<section class="{kind}{mark}">\n<div class="note">{note}</div>\n'
            f"{code}</section>")


def annotated(text):
    """Returns the body of the page of a file with this text."""
    lines = text.rstrip("\n").split("\n")
    names = {begin + 1: name for name, begin, _, _ in functions(lines)}
    return "\n".join(part_html(part, names) for part in parts(lines))
