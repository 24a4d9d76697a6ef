"""A document as a list of blocks, which can be written as Markdown, or as a
page of HTML that needs no other file and no network.

The texts in blocks may contain **bold**, *italic*, `code` and [links](target),
and no other markup.
"""

import base64
import html
import pathlib
import re
from dataclasses import dataclass

from lib.verdicts import FAILS, HOLDS, INCONCLUSIVE

# Texts that are shown in colour when they are a cell of a table.
COLOURED = (HOLDS, FAILS, INCONCLUSIVE)

HERE = pathlib.Path(__file__).resolve().parent
PAGE_STYLE = (HERE / "page.css").read_text("utf-8")

# Makes a page dark if the reader's system is set to a dark theme.
DARK = """document.documentElement.classList.toggle("dark",
    matchMedia("(prefers-color-scheme: dark)").matches);
"""


def inline(text):
    """Converts a text with markup to HTML."""
    code = []  # Its text is not searched for markup.

    def put_aside(match):
        code.append(match[1])
        return f"\0{len(code) - 1}\0"

    text = re.sub(r"`(.+?)`", put_aside, html.escape(text, quote=True))
    text = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)
    text = re.sub(r"\*(\S|\S.*?\S)\*", r"<em>\1</em>", text)
    text = re.sub(r"\[(.+?)\]\((.+?)\)", r'<a href="\2">\1</a>', text)
    return re.sub("\0(\\d+)\0",
                  lambda match: f"<code>{code[int(match[1])]}</code>", text)


def folded(summary, body):
    """Returns HTML that hides `body` until a click on `summary`."""
    return f"<details><summary>{summary}</summary>\n{body}\n</details>"


def figure(cell):
    """Converts a cell to HTML, with its range, in brackets, on a new line."""
    return re.sub(r"^(\S.*) (\([^()]*\))$", r"\1<br><small>\2</small>",
                  inline(cell))


@dataclass(frozen=True)
class Heading:
    level: int
    text: str
    name: str = ""  # id in the page, if another heading has the same text

    def markdown(self):
        return f"{'#' * self.level} {self.text}"

    def html(self, _directory):
        name = self.name or re.sub(r"\W+", "-", self.text.lower()).strip("-")
        return (f'<h{self.level} id="{name}">{inline(self.text)}'
                f"</h{self.level}>")


@dataclass(frozen=True)
class Text:
    text: str

    def markdown(self):
        return self.text

    def html(self, _directory):
        return f"<p>{inline(self.text)}</p>"


@dataclass(frozen=True)
class Items:
    items: tuple

    def markdown(self):
        return "\n".join(f"- {item}" for item in self.items)

    def html(self, _directory):
        items = "".join(f"<li>{inline(item)}</li>\n" for item in self.items)
        return f"<ul>\n{items}</ul>"


@dataclass(frozen=True)
class Table:
    header: tuple
    rows: tuple
    left: tuple = ()  # headings of columns that hold words, not figures

    def markdown(self):
        rule = [":--" if name in self.left else "--:" for name in self.header]
        lines = (self.header, rule, *self.rows)
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def html(self, _directory):
        header = self.row("th", self.header)
        rows = "\n".join(self.row("td", row) for row in self.rows)
        return (f'<div class="wide"><table>\n<thead>{header}</thead>\n'
                f"<tbody>\n{rows}\n</tbody></table></div>")

    def row(self, tag, cells):
        """Returns a row as HTML. `tag` is the element of a cell, th or td."""
        return "<tr>" + "".join(
            f'<{tag} class="{self.kind(heading, cell)}">{figure(cell)}</{tag}>'
            for heading, cell in zip(self.header, cells)) + "</tr>"

    def kind(self, heading, cell):
        """Returns the class of a cell in the style sheet."""
        side = "left" if heading in self.left else "right"
        return f"{side} {cell}" if cell in COLOURED else side


@dataclass(frozen=True)
class Picture:
    name: str  # file name of a PNG or SVG in the document's folder
    text: str  # description for readers who cannot see it

    def markdown(self):
        return f"![{self.text}]({self.name})"

    def html(self, directory):
        kind = "svg+xml" if self.name.endswith(".svg") else "png"
        data = base64.b64encode((directory / self.name).read_bytes()).decode()
        return (f'<img alt="{html.escape(self.text, quote=True)}" '
                f'src="data:image/{kind};base64,{data}">')


@dataclass(frozen=True)
class Code:
    text: str

    def markdown(self):
        return f"```\n{self.text}\n```"

    def html(self, _directory):
        return f"<pre>{html.escape(self.text)}</pre>"


def markdown(blocks):
    return "\n\n".join(block.markdown() for block in blocks) + "\n"


def page_of(title, kind, body, style="", script="", language="en"):
    """Returns the text of a page of HTML, which needs no other file. `kind` is
    the class of its body in the style sheet."""
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n'
        '<meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n"
        '<meta name="viewport" content="width=device-width">\n'
        f"<style>\n{PAGE_STYLE}{style}</style>\n"
        f"<script>\n{DARK}{script}</script>\n</head>\n"
        f'<body class="{kind}">\n{body}\n</body>\n</html>\n')


def page(title, blocks, directory):
    """Returns a document as a page. `directory` has its pictures."""
    return page_of(title, "report", "\n".join(
        block.html(directory) for block in blocks))
