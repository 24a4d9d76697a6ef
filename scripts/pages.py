#!/usr/bin/env python3
"""Makes the site of the course: the tutorial and the sheets, every source file
that is taught in two columns, and the differences between servers side by side.

    pages.py DIR        writes the site there, and nothing else may be in it
    pages.py --check    only says whether it could be made, and every link of
                        it leads somewhere

Each page is one file that needs no other and no network. What the pages are
follows from the source: the differences are those that the heads of the servers
name (`diff -u ...`), the anchors are the lessons and the functions.
"""

import html
import os
import pathlib
import re
import shutil
import sys
from dataclasses import dataclass
from typing import Callable

from annotated import annotated
from document import Heading, Items, Table, Text
from lessons import lines_of, model_files, sources
from marked import parse
from results import ROOT
from sidebyside import counts, side_by_side

TEXTS = ("TUTORIAL.md", "TUTORIAL.zh-CN.md", "course/demonstration.md",
         "course/lab.md", "course/project.md")
TAUGHT = ("fib", "servers")

# Pages that are there already, by the name under which our texts link to them.
COPIED = {"results/reference/report.md": "results/reference/report.html"}

# A link that leads out of the site: only its text is shown.
OUTSIDE = "outside:"

STYLE = (ROOT / "scripts" / "pages.css").read_text("utf-8")
KEYS = (ROOT / "scripts" / "pages.js").read_text("utf-8")


@dataclass(frozen=True)
class Page:
    path: str  # below the folder of the site
    title: str
    kind: str  # text, source or diff: how wide it is
    body: Callable  # given the site, returns the HTML
    says: str = ""  # what it is, for the list of pages


# ---- What there is


def texts():
    for path in filter(lambda path: (ROOT / path).exists(), TEXTS):
        text = (ROOT / path).read_text("utf-8")
        yield Page(path.replace(".md", ".html"), text.split("\n")[0].strip("# "),
                   "text", lambda site, path=path, text=text:
                   site.text(path, text))


def is_taught(path):
    return path.startswith(TAUGHT) or any("// LESSON " in line
                                          for line in lines_of(path))


def in_reading_order(paths):
    """The models first, then what they rest on; a header before its code."""
    models = list(model_files().values())

    def place(path):
        folder, name = os.path.split(path)
        stem, ending = os.path.splitext(name)
        rank = models.index(path) if path in models else len(models)
        return rank, folder != "fib", folder, stem, ending != ".h"

    return sorted(paths, key=place)


def sentence(path):
    """What a file says that it is: the rest of its first line."""
    return lines_of(path)[0].partition(" - ")[2]


def files():
    for path in in_reading_order(filter(is_taught, sources())):
        text = (ROOT / path).read_text("utf-8")
        yield Page(f"{path}.html", path, "source",
                   lambda _site, text=text: annotated(text), sentence(path))


def differences():
    """The pairs of files that the heads of the servers say to compare."""
    found = []
    for path in in_reading_order(sources()):
        for line in lines_of(path):
            match = re.search(r"//.*\bdiff -u (\S+\.c) (\S+\.c)$", line)
            if match:
                pair = tuple(beside(path, name) for name in match.groups())
                found += [pair] if pair not in found else []
    return found


def beside(path, name):
    """The path of a file that another one names, perhaps from its folder."""
    for there in (os.path.join(os.path.dirname(path), name), name):
        if (ROOT / there).exists():
            return there
    raise ValueError(f"{path} names {name}, which is not there")


def name_of(path):
    return pathlib.PurePath(path).stem


def diffs():
    for pair in differences():
        a, b = map(lines_of, pair)
        names = tuple(map(name_of, pair))
        added, removed = counts(a, b)
        yield Page(f"diff/{'-'.join(names)}.html", " → ".join(names), "diff",
                   lambda site, pair=pair: site.diff(*pair),
                   f"{added} lines more, {removed} less")


# ---- The site


class Site:
    def __init__(self):
        self.texts, self.diffs = list(texts()), list(diffs())
        self.files = list(files())
        index = Page("index.html", "fiblab: the course", "text",
                     Site.index)
        self.pages = [index, *self.texts, *self.diffs, *self.files]
        self.of_source = {
            **{page.path[:-len(".html")]: page.path for page in self.files},
            **{path: path.replace(".md", ".html") for path in TEXTS
               if (ROOT / path).exists()}, **COPIED}

    def link(self, source, target):
        """A target as it is written in the text `source`, for its page."""
        path, hash_sign, name = target.partition("#")
        if not path or "://" in target:
            return target
        folder = os.path.dirname(source)
        path = os.path.normpath(os.path.join(folder, path))
        if path not in self.of_source:
            if not (ROOT / path).exists():
                raise ValueError(f"{source}: no {target}")
            return OUTSIDE
        page = os.path.relpath(self.of_source[path], folder or ".")
        return page + hash_sign + name

    # ---- Bodies

    def html(self, source, blocks):
        """Blocks of the text `source`, whose links are changed already."""
        directory = ROOT / os.path.dirname(source)
        return "\n".join(block.html(directory) for block in blocks)

    def text(self, source, text):
        return self.html(source, parse(
            text, source, lambda target: self.link(source, target)))

    def diff(self, a, b):
        left, right = (f'<a href="../{path}.html">{path}</a>'
                       for path in (a, b))
        return (f'<div class="sides"><h2>{left}</h2><h2>{right}</h2></div>\n'
                + side_by_side(lines_of(a), lines_of(b)))

    def index(self):
        models = Table(
            ("model", "how it is built", "who waits where"),
            tuple(self.model_row(*pair) for pair in model_files().items()),
            ("model", "how it is built", "who waits where"))
        folders = {}
        for page in self.files:
            folders.setdefault(os.path.dirname(page.title), []).append(page)
        blocks = [
            Heading(1, "fiblab: how servers wait"),
            Text("One job, done in several ways. Read the tutorial with a "
                 "terminal beside it; its links lead into the source."),
            entries(self.texts), Heading(2, "The models"), models,
            Heading(2, "Side by side"),
            Text("The difference between two servers is the lesson."),
            entries(self.diffs)]
        for folder, pages in folders.items():
            blocks += [Heading(2, f"{folder}/"), entries(pages)]
        return self.html("", blocks)

    @staticmethod
    def model_row(model, path):
        fields = dict(re.findall(r"^// (Model|Blocks)  +(.*)$",
                                 "\n".join(lines_of(path)), re.M))
        return f"[{model}]({path}.html)", fields["Model"], fields["Blocks"]

    # ---- Pages

    def neighbours(self, page):
        """Links to the pages before and after this one."""
        at = self.pages.index(page)
        begin = os.path.dirname(page.path) or "."
        for key, other in (("prev", at - 1), ("next", at + 1)):
            if 0 <= other < len(self.pages):
                href = os.path.relpath(self.pages[other].path, begin)
                title = html.escape(self.pages[other].title)
                text = f"← {title}" if key == "prev" else f"{title} →"
                yield f'<a rel="{key}" href="{href}">{text}</a>'

    def bar(self, page):
        begin = os.path.dirname(page.path) or "."
        top = [f'<a id="{name}-page" href="{os.path.relpath(path, begin)}">'
               f"{text}</a>" for name, path, text in (
                   ("index", "index.html", "All pages"),
                   ("tutorial", "TUTORIAL.html", "Tutorial"))]
        return (f"<nav>{' '.join(top)} <b>{html.escape(page.title)}</b> "
                f"<span>{' '.join(self.neighbours(page))}</span></nav>")

    def whole(self, page):
        """The page, from its first byte to its last."""
        body = re.sub(f'<a href="{OUTSIDE}">(.*?)</a>', r"\1",
                      page.body(self))
        head = "" if page.kind == "text" else (
            f"<h1>{html.escape(page.title)}</h1>\n")
        return (
            f'<!DOCTYPE html>\n<html lang="{language(page.path)}">\n<head>\n'
            '<meta charset="utf-8">\n'
            f"<title>{html.escape(page.title)}</title>\n"
            '<meta name="viewport" content="width=device-width">\n'
            f"<style>\n{STYLE}</style>\n<script>\n{KEYS}</script>\n</head>\n"
            f'<body class="{page.kind}">\n{self.bar(page)}\n'
            f"<main>\n{head}{body}\n</main>\n"
            "<footer>Keys: <kbd>j</kbd> <kbd>k</kbd> next and previous place, "
            "<kbd>n</kbd> <kbd>p</kbd> page, <kbd>o</kbd> unfold all, "
            "<kbd>t</kbd> tutorial, <kbd>i</kbd> all pages, <kbd>d</kbd> dark "
            "or light</footer>\n</body>\n</html>\n")

    def all(self):
        """The pages by their paths."""
        return {**{page.path: self.whole(page) for page in self.pages},
                **{path: (ROOT / path).read_text("utf-8")
                   for path in COPIED.values()}}


def entries(pages):
    def entry(page):
        says = f": {escaped_for_text(page.says)}" if page.says else ""
        return f"[{page.title}]({page.path}){says}"

    return Items(tuple(map(entry, pages)))


def escaped_for_text(says):
    """A sentence of the source that may hold what inline() would take for
    something else."""
    return says.replace("*", "\u2217")


# ---- Checks


def language(path):
    """That of a page: a translation has it in its name."""
    translated = re.search(r"\.([a-z]{2}(?:-[A-Z]{2})?)\.html$", path)
    return translated[1] if translated else "en"


def dead_links(found):
    """A sentence for every link of these pages that leads nowhere."""
    names = {path: set(re.findall(r'\bid="([^"]+)"', text))
             for path, text in found.items()}
    for path, text in found.items():
        for target in re.findall(r'href="([^"]+)"', text):
            page, _, name = html.unescape(target).partition("#")
            to = os.path.normpath(os.path.join(os.path.dirname(path), page)
                                  ) if page else path
            if "://" not in target and (
                    to not in found or name and name not in names[to]):
                yield f"{path} has a dead link: {target}"


def strangers(found):
    """A sentence for every thing that a page would fetch from elsewhere."""
    for path, text in found.items():
        for tag in re.findall(r"<(?:img|link|script|iframe)[^>]*>", text):
            source = re.search(r'(?:src|href)="([^"]{1,60})', tag)
            if source and not source[1].startswith("data:"):
                yield f"{path} needs another file: {source[1]}"
        for style in re.findall(r"<style>(.*?)</style>", text, re.S):
            for source in re.findall(r"@import [^;]+|url\([^)]+", style):
                yield f"{path} needs another file: {source}"


def write(directory, found):
    if directory.exists():
        shutil.rmtree(directory)
    for path, text in found.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text, encoding="utf-8")
    print(f"{directory / 'index.html'}: {len(found)} pages")


def main(arguments):
    if len(arguments) != 1:
        sys.exit(__doc__)
    found = Site().all()
    problems = [*dead_links(found), *strangers(found)]
    if arguments[0] != "--check":
        write(pathlib.Path(arguments[0]), found)
    for problem in problems:
        print(f"pages: {problem}", file=sys.stderr)
    return bool(problems)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (OSError, ValueError) as failure:
        sys.exit(f"pages: {failure}")
