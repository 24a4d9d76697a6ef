"""What the text may point at in the source: lessons and functions, by name.

A lesson is a comment that begins with `// LESSON name:`. Above a function it
reaches to the end of that; elsewhere to the next blank line or the end of its
block. A function has the comment above it, if there is one.
"""

import re

from results import ROOT

FOLDERS = ("fib", "servers", "client")
MODEL_FOLDERS = ("servers", "servers/more")
ENDINGS = (".c", ".h", ".S")

LESSON = re.compile(r"^(\s*)// LESSON ([a-z0-9-]+): ")
FUNCTION = re.compile(r"^[a-z_][^;={]*?\b([a-z_0-9]+)\([^;]*$")


def sources():
    """The paths of the files that may hold lessons."""
    return sorted(str(path.relative_to(ROOT)) for folder in FOLDERS
                  for path in (ROOT / folder).rglob("*")
                  if path.suffix in ENDINGS)


def model_files():
    """The paths of all models by their names, in the order of the lists."""
    return {model: f"{folder}/{model}.c" for folder in MODEL_FOLDERS
            if (ROOT / folder / "MODELS").exists()
            for model in (ROOT / folder / "MODELS").read_text("utf-8").split()}


def lines_of(path):
    return (ROOT / path).read_text("utf-8").split("\n")


def is_comment(line):
    return line.lstrip().startswith("//")


def indent_of(line):
    return len(line) - len(line.lstrip())


def end_of_lesson(lines, begin):
    """The line after the last of the lesson that begins there."""
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
    while begin > 0 and is_comment(lines[begin - 1]):
        begin -= 1
    return begin


def functions(lines):
    """The functions that are defined there: name, first line, line of the
    opening brace, line after the closing one."""
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
    """The lessons that are there: name, first line, line after the last."""
    for begin, line in enumerate(lines):
        match = LESSON.match(line)
        if match:
            yield match[2], begin, end_of_lesson(lines, begin)


def quotable(lines):
    """All that has a name: the lines from where to where."""
    found = {name: (start_of_comment(lines, begin), end)
             for name, begin, _, end in functions(lines)}
    found.update((name, (begin, end)) for name, begin, end in lessons(lines))
    return found


def quoted(target):
    """The text that `file#name` stands for, or the whole file. Raises KeyError
    or OSError if there is none."""
    path, _, name = target.partition("#")
    lines = lines_of(path)
    begin, end = quotable(lines)[name] if name else (0, len(lines) - 1)
    indent = indent_of(lines[begin])
    return "\n".join(line[indent:] for line in lines[begin:end])
