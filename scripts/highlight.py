"""Colours for C, for commands and for differences: as much as helps to read,
and no more."""

import html
import re

KEYWORDS = set("""
_Noreturn _Thread_local break case const continue default do else enum extern
for goto if inline return sizeof static struct switch typedef union volatile
while""".split())
TYPES = set("bool char double float int long short signed unsigned void".split())

C = re.compile(r"""
    (?P<comment>//.*)
  | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?<=include\ )<[^>]*>)
  | (?P<keyword>^\s*\#\s*\w+)
  | (?P<number>\b\d[\w.]*)
  | (?P<word>[A-Za-z_]\w*)
""", re.X)


def kind_of(match):
    """The class of a token in the style sheet, or nothing."""
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
    parts, end = [], 0
    for match in C.finditer(line):
        parts += [html.escape(line[end:match.start()], quote=False),
                  span(kind_of(match), match[0])]
        end = match.end()
    return "".join(parts) + html.escape(line[end:], quote=False)


def command_line(line):
    """The comment behind a command, or the prompt before it."""
    match = re.match(r"(\$ )?(.*?)((?:^|\s+)#\s.*)?$", line)
    return (span("comment", match[1] or "") + html.escape(match[2], quote=False)
            + span("comment", match[3] or ""))


def difference(line):
    return span({"+": "new", "-": "old"}.get(line[:1], ""), line)


LANGUAGES = {"c": c_line, "sh": command_line, "console": command_line,
             "diff": difference}


def highlight(text, language):
    """A text as HTML, to stand in <pre>."""
    of_line = LANGUAGES.get(language, lambda line: span("", line))
    return "\n".join(map(of_line, text.split("\n")))
