#!/usr/bin/env python3
"""Tests of the programs for the course: its HTML pages, quotations of the
source, skeletons, predictions, grades, and the page of a class. Parts: see
tap.py."""

import contextlib
import csv
import dataclasses
import io
import itertools
import json
import math
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import tempfile
import textwrap
import types
import unittest
import unittest.mock

import made_up
import tap
from programs import (
    PATIENCE_S, need_matplotlib, patient_bin, write_script)
from sentences import facts
from under_test import (
    ALL_MODELS, BIN, CONVERSATION, EXPERIMENTS, MODELS, PROGRAMS, REFERENCE,
    ROOT, Runs, as_module, attack_cell, attacks, c_source, classroom,
    command_line, doctor, failures, grade, judgements, markdown, matrix,
    measured, predict, predictions, processes, program, quotes, read_runs,
    side_by_side, site, skeleton, soak, write_claims)

# More than a build or a part of the grading takes on the slowest machine.
LONG_S = 600
# How long a server of ours may take to start, where a test must wait for it.
SHORT_S = 10

BAD_SERVER = """\
#!/usr/bin/env python3
import os, signal, socket, threading

def serve(client):
    try:
        for count, line in enumerate(client.makefile("rb"), 1):
            if count % 10_000 == 0:
                continue  # No reply to one of 10,000 requests.
            a, b = 0, 1
            for _ in range(int(line)):
                a, b = b, a + b
            client.sendall(b"fib: %d\\n" % a)
    except ConnectionError:
        os._exit(1)  # A reset connection ends the server. So does a full
                     # descriptor table, in accept().

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
listener = socket.create_server(("127.0.0.1", 0))
print(f"bad: listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]],
                     daemon=True).start()
"""

SOURCE = """\
// pool.c - an example.
//
//     diff -u a.c b.c

#include <stdio.h>

// LESSON whole: of the function below.
// Try it: not.
static int first(int a,
                 int b)
{
    int c;  // One line
            // and another.

    // LESSON inner: as far as the blank line.
    c = a < b;
    c++;

    return c;
}

// LESSON data: no function.
static int table[3];

static int second(void)
{
    return 2;
}
""".split("\n")


class Lessons(unittest.TestCase):
    def quoted(self, name):
        """Returns the first and the last line of a quotation of SOURCE."""
        begin, end = c_source.quotable(SOURCE)[name]
        return SOURCE[begin].strip(), SOURCE[end - 1].strip()

    def test_how_far_a_lesson_reaches(self):
        self.assertEqual(self.quoted("whole")[1], "}")
        self.assertEqual(self.quoted("inner")[1], "c++;")
        self.assertEqual(self.quoted("data")[1], "static int table[3];")

    def test_a_function_has_its_comment(self):
        self.assertEqual(self.quoted("first"),
                         ("// LESSON whole: of the function below.", "}"))
        self.assertEqual(self.quoted("second")[0], "static int second(void)")

    def test_every_lesson_of_the_source_is_found(self):
        found = [name for path in c_source.sources()
                 for name, _, _ in c_source.lessons(c_source.lines_of(path))]
        said = sum((ROOT / path).read_text("utf-8").count("// LESSON ")
                   for path in c_source.sources())
        self.assertEqual(len(found), said)
        self.assertGreater(said, 20)

    def test_a_quotation_loses_its_indent(self):
        text = c_source.quoted("servers/fork.c#two-closes")
        self.assertTrue(text.startswith("// LESSON two-closes: "))
        self.assertTrue(text.endswith("\nclose(client);"))
        with self.assertRaises(KeyError):
            c_source.quoted("servers/fork.c#no-such-lesson")


class Markdown(unittest.TestCase):
    def html(self, text):
        return markdown.html_of(textwrap.dedent(text), "x.md")

    def test_all_that_our_texts_use(self):
        html = self.html("""\
            # A title

            A paragraph with *italics*, **bold** and `a * b * c`,
            <!-- dropped --> and a [link](x.md#y).

            - one
              goes on
            - two

            1. first
            2. second

            | a | b |
            |---|--:|
            | 1 | 2 |

            <details><summary>Fold `it`</summary>

            Inside.
            </details>

            ```c
            int a; // <b>
            <!-- stays -->
            ```
            """)
        for part in ('<h1 id="a-title">', "<em>italics</em>",
                     "<strong>bold</strong>", "<code>a * b * c</code>",
                     '<a href="x.md#y">link</a>', "<li>one goes on</li>",
                     "<ol>", "<li>second</li>", '<td class="left">1</td>',
                     '<td class="right">2</td>',
                     "<summary>Fold <code>it</code></summary>",
                     "<p>Inside.</p>", '<span class="type">int</span>',
                     "// &lt;b&gt;", "&lt;!-- stays --&gt;"):
            self.assertIn(part, html)
        self.assertNotIn("dropped", html)

    def test_anything_else_is_an_error(self):
        for text in ("a `b", "a **b", "a <b>b</b>", "> quoted", "a\n===",
                     "![picture](x.png) in a line", "[a][b]", "a \\* b",
                     "a\n    indented", "&nbsp;", "```\nno end",
                     "<details><summary>x</summary>\nno end",
                     "| a | b |\n|---|---|\n| 1 |"):
            with self.assertRaises(ValueError, msg=text) as caught:
                self.html(text)
            self.assertRegex(str(caught.exception), r"^x\.md:\d+: ")

    def test_the_number_of_the_line_is_right(self):
        with self.assertRaisesRegex(ValueError, "x.md:4: '`'"):
            markdown.html_of("one\n<!-- two\n-->\na ` b", "x.md")


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.found = site.Site().all()

    def test_the_lesson_diffs_are_there(self):
        for a, b in (("blocking", "fork"), ("fork", "thread"),
                     ("thread", "coroutine"), ("blocking", "nonblocking")):
            self.assertIn(f"diff/{a}-{b}.html", self.found)

    def test_the_first_page_has_the_player_three_ways_and_the_five(self):
        before, after = self.found["index.html"].split('<h2 id="models">')
        player, ways = before.split('<div class="ways">')
        self.assertIn('class="replay"', player)
        self.assertEqual(ways.count("<section>"), 3)
        cards, rest = after.split("<details>", 1)
        self.assertEqual(re.findall(r'<h3 [^>]*><a href="servers/(\w+)', cards),
                         [*MODELS])
        self.assertGreater(rest.count("<details>"), 3)

    def test_what_is_compared_is_a_link(self):
        for page, href in (
                ("diff/blocking-fork.html", "../diff/fork-thread.html"),
                ("servers/blocking.c.html", "../diff/blocking-fork.html"),
                ("servers/coro/examples/fetch.h.html",
                 "../../../diff/fetch_blocking-fetch_coroutines.html"),
                ("TUTORIAL.html", "diff/blocking-fork.html")):
            self.assertIn(f'href="{href}"', self.found[page], page)

    def test_links_lead_to_lessons(self):
        self.assertIn('href="servers/fork.c.html#two-closes"',
                      self.found["TUTORIAL.html"])
        self.assertIn('id="two-closes"', self.found["servers/fork.c.html"])
        self.assertIn('id="start_client"', self.found["servers/fork.c.html"])

    def test_no_link_is_dead_and_nothing_is_fetched(self):
        self.assertGreater(len(self.found), 50)
        self.assertEqual([*site.dead_links(self.found)], [])
        self.assertEqual([*site.strangers(self.found)], [])

    def test_a_dead_link_is_noticed(self):
        found = {"a.html": '<a href="b/c.html#x">', "b/c.html": '<p id="y">'}
        said, = site.dead_links(found)
        self.assertRegex(said, r"^a\.html .* b/c\.html#x$")
        found["b/c.html"] = '<p id="x">'
        self.assertEqual([*site.dead_links(found)], [])
        for text in ('<img src="x.png">',
                     "<style>p { background: url(x.png) }</style>"):
            said, = site.strangers({"a.html": text})
            self.assertRegex(said, r"^a\.html .*\bx\.png$")

    def test_no_name_is_on_a_page_twice(self):
        for path, page in self.found.items():
            ids = re.findall(r'\bid="([^"]+)"', page)
            self.assertEqual(len(ids), len(set(ids)), f"{path}: {sorted(ids)}")

    def test_only_a_site_is_replaced(self):
        pages = {"index.html": "new"}
        with tempfile.TemporaryDirectory() as name, \
                contextlib.redirect_stdout(io.StringIO()):
            folder = pathlib.Path(name)
            site.write(folder, pages)
            (folder / "old.html").touch()
            site.write(folder, pages)
            self.assertEqual([*folder.iterdir()], [folder / "index.html"])
            (folder / "index.html").rename(folder / "thesis.txt")
            with self.assertRaisesRegex(ValueError, "other files"):
                site.write(folder, pages)
            self.assertTrue((folder / "thesis.txt").exists())

    def test_a_link_to_a_missing_file_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "servers/none.c"):
            site.Site().text("x.md", "[a](servers/none.c)")

    def test_every_line_of_code_is_on_its_page(self):
        for path in ("servers/fork.c", "servers/coro/co_loop.c", "fib/fib.h"):
            lines = c_source.lines_of(path)
            shown = [line for part in c_source.parts(lines)
                     for line in (*part.comment, *part.code)]
            self.assertEqual([line.strip() for line in lines if line.strip()],
                             [line.strip() for line in shown if line.strip()])

    def test_code_has_the_numbers_of_its_lines(self):
        shown = [(number, line) for part in c_source.parts(SOURCE)
                 for number, line in enumerate(part.code, part.first)]
        self.assertGreater(len(shown), 10)
        for number, line in shown:
            self.assertEqual(SOURCE[number - 1], line)

    def test_a_comment_behind_code_stays_there(self):
        self.assertTrue(any("            // and another." in part.code
                            for part in c_source.parts(SOURCE)))

    def test_a_lesson_begins_with_a_capital_letter_but_no_name_does(self):
        for begin, shown in (("after fork() both", "After fork() both"),
                             ("serve_client() blocks", "serve_client() blocks"),
                             ("poll() reports", "poll() reports"),
                             ("due_ns stores", "due_ns stores")):
            self.assertIn(f"<p>{shown}.</p>", c_source.annotated(
                f"// LESSON x: {begin}.\nint a;\n"))

    def test_colours(self):
        self.assertEqual(
            c_source.c_line('if (a < 1)  // "x"'),
            '<span class="keyword">if</span> (a &lt; '
            '<span class="number">1</span>)  '
            '<span class="comment">// "x"</span>')
        self.assertIn('<span class="string">"a // b"</span>',
                      c_source.c_line('f("a // b");'))

    def test_side_by_side(self):
        a = ["same"] * 20 + ["net_recv(client);"] + ["end"]
        b = ["same"] * 20 + ["co_recv(client);", "more"] + ["end"]
        html = side_by_side.side_by_side(a, b)
        self.assertIn("<mark>net_recv</mark>(client);", html)
        self.assertIn("<mark>co_recv</mark>(client);", html)
        folded, = re.findall("<summary>(.*)</summary>", html)
        self.assertEqual(facts(folded), "| 17")
        self.assertEqual(side_by_side.counts(a, b), (2, 1))
        self.assertEqual(html.count("<tr>"), 23)

    def test_side_by_side_the_code_comes_first(self):
        html = side_by_side.side_by_side(
            ["// a", "//", "int x;"], ["// b", "int y;"])
        head, code = html.split("</details>")
        self.assertIn("// <mark>a</mark>", head)
        for number, kind, word in ((3, "old", "x"), (2, "new", "y")):
            self.assertIn(f'<td class="n {kind}">{number}</td>'
                          f'<td class="{kind}">int <mark>{word}</mark>;', code)


NARROW_PX = 320

# Loads the pages of a list, one after the other, in a narrow frame. Each page
# says how wide it is. Lists those that are wider than the frame.
NARROW = """\
<!DOCTYPE html><iframe style="width: %(width)dpx"></iframe><pre>loading</pre>
<script>
const paths = %(paths)s, wide = [], frame = document.querySelector("iframe");
let at = -1;
function next() {
    if (++at < paths.length)
        frame.src = paths[at];
    else
        document.querySelector("pre").textContent = `wide: ${wide}.`;
}
onmessage = (event) => {
    if (event.data > %(width)d)
        wide.push(`${paths[at]} ${event.data}`);
    next();
};
next();
</script>
"""
SAYS_WIDTH = """<script>
onload = () => parent.postMessage(document.documentElement.scrollWidth, "*");
</script>"""


# Presses keys below the last place of a page, and lists where that leads.
PRESSES = """<script>
const presses = (key) => {
    dispatchEvent(new KeyboardEvent("keydown", {key}));
    const {id, tagName} = document.activeElement;
    return `${key}: ${id || tagName};`;
};
onload = () => {
    scrollTo(0, document.body.scrollHeight);
    document.title = ["j", "k", "k", "j"].map(presses).join(" ");
};
</script>"""


@tap.part("browser")
class Browser(unittest.TestCase):
    def setUp(self):
        self.browser = (shutil.which("chromium")
                        or shutil.which("google-chrome"))
        if self.browser is None:
            self.skipTest("no chromium")

    def shown(self, page):
        """Returns the HTML of a page after its scripts have run."""
        return subprocess.run(
            [self.browser, "--headless", "--no-sandbox", "--disable-gpu",
             f"--user-data-dir={page.parent}/profile", "--dump-dom",
             f"--virtual-time-budget={1000 * LONG_S}", page.as_uri()],
            capture_output=True, text=True, timeout=LONG_S, check=True).stdout

    def test_the_keys_for_places_work_at_the_end_of_a_page(self):
        text = site.Site().all()["course/project.html"]
        last, end = re.findall('<h2 id="([^"]+)"', text)[-2:]
        with tempfile.TemporaryDirectory() as name:
            page = pathlib.Path(name, "page.html")
            page.write_text(f"{text}{PRESSES}<div style='height: 2000px'>",
                            "utf-8")
            title, = re.findall("<title>(.*)</title>", self.shown(page))
        self.assertEqual(title, f"j: BODY; k: {end}; k: {last}; j: {end};")

    def test_a_telephone_shows_every_page_without_scrolling_sideways(self):
        found = site.Site().all()
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            with contextlib.redirect_stdout(io.StringIO()):
                site.write(folder / "pages", {
                    path: text + SAYS_WIDTH for path, text in found.items()})
            (folder / "all.html").write_text(NARROW % {
                "width": NARROW_PX,
                "paths": json.dumps([f"pages/{path}" for path in found])})
            self.assertIn("<pre>wide: .</pre>", self.shown(folder / "all.html"))


class Texts(unittest.TestCase):
    RUNS = "results/reference/runs.csv"

    def problems(self, text):
        """Returns what scripts/course/quotes reports about a text."""
        return [what for _, what in quotes.problems(text)]

    def test_quotations(self):
        right = c_source.quoted("servers/fork.c#two-closes")
        text = "<!-- quote servers/fork.c#{} -->\n```c\n{}\n```\n"
        self.assertEqual(self.problems(text.format("two-closes", right)), [])
        stale = text.format("two-closes", right.replace("close", "shut"))
        self.assertEqual(len(self.problems(stale)), 1)
        self.assertEqual(quotes.with_quotations(stale),
                         text.format("two-closes", right))
        self.assertEqual(len(self.problems(text.format("none", right))), 1)

    def test_code_without_a_source(self):
        self.assertEqual(len(self.problems("```c\nint a;\n```")), 1)
        self.assertEqual(self.problems(
            "<!-- not in the source -->\n```c\nint a;\n```"), [])

    def test_figures(self):
        at = read_runs(ROOT / self.RUNS).sound().where(
            experiment="throughput", connections=100.0)
        cost = at.where(model="fork").median("server_cpu_us_per_req")
        text = (f"a <!-- figure {self.RUNS} throughput fork connections=100\n"
                "server_cpu_us_per_req digits=3 -->{} µs")
        right = text.format(f"{cost:.2f}")
        self.assertEqual(self.problems(right), [])
        self.assertEqual(len(self.problems(text.format("17"))), 1)
        self.assertEqual(quotes.with_figures(text.format("17")), right)

    def test_forms_of_figures(self):
        written = measured.written
        self.assertEqual(written("servers/blocking.c lines"), str(len(
            c_source.lines_of("servers/blocking.c")) - 1))
        self.assertRegex(written(f"{self.RUNS} throughput thread "
                                 "connections=100 p50_us duration"),
                         r"^\d+ µs$")
        self.assertRegex(written(f"{self.RUNS} idle nonblocking idle=1000 "
                                 "rate_kept percent"), r"^\d+ %$")
        self.assertEqual(written(f"{self.RUNS} wait coroutine+--trap "
                                 "connections=1000 connections count"),
                         "1,000")
        self.assertGreater(float(written(
            "results/reference/claims.csv idle fork kib_per_silent median")),
            2)

    def test_figures_that_no_model_has(self):
        for words in (f"{self.RUNS} nothing", "no/file lines",
                      f"{self.RUNS} throughput nobody connections=1 p50_us"):
            text = f"<!-- figure {words} -->3"
            self.assertEqual(len(self.problems(text)), 1, words)
            self.assertEqual(quotes.with_figures(text), text)
        self.assertEqual(len(self.problems(
            "<!-- figure servers/fork.c lines -->x")), 1)

    def test_commands(self):
        self.assertEqual(self.problems("`make bench QUICK=1`, `bin/fork`"), [])
        first, second = self.problems("```sh\nmake all nonsense  # make x\n"
                                      "bin/nobody | tests/run\n```")
        self.assertTrue(first.endswith(" make nonsense"))
        self.assertTrue(second.endswith(" bin/nobody"))

    def test_links(self):
        self.assertEqual(self.problems(
            "[a](servers/fork.c#two-closes) [b](#here) [c](https://a.b/c)"), [])
        ghosts, = self.problems("`[a](b)` [a](servers/fork.c#ghosts)")
        self.assertIn("servers/fork.c#ghosts", ghosts)
        self.assertEqual([*quotes.stale_links("\n[a](lab.md)", "course")], [])
        (line, said), = quotes.stale_links("\n[a](lab.md)", "")
        self.assertEqual((line, said.split()[-1]), (2, "lab.md"))

    def test_translations(self):
        original = "[a](x.c#one)\n```sh\nmake\n```\n[b](x.c#two)"
        self.assertEqual([*quotes.untranslated(original, original)], [])
        for text, lacking in (
                (original.replace("[b](x.c#two)", ""), "x.c#two"),
                (original.replace("make", "make html"), "make html"),
                (original.replace("```sh\nmake\n```", ""), "make"),
                ("<!-- not run: x -->\n```sh\nmake\n```\n" + original, "x"),
                (original + "\n```sh\nmake\n```", "make")):
            said, = (what for _, what in quotes.untranslated(text, original))
            self.assertIn(lacking, said)

    def test_the_path(self):
        text = ("| 1 | [A](#1-a) | ? | 40 |\n| 2 | [B](#2-b) | ? | |\n"
                "| 3 | [C](#3-c) | ? | 50 |\n"
                "*The path of 90 minutes continues in [3](#3-c).*\n"
                "*The path of 90 minutes ends. [2](#2-b) comes next.*\n")
        self.assertEqual([*quotes.stale_path(text)], [])
        first, last = text.splitlines()[-2:]
        for stale, said in ((text.replace("| 50", "| 60"), "100 minutes"),
                            (text.replace(first, ""), "3-c"),
                            (text.replace(last, ""), "3-c")):
            (_, what), = quotes.stale_path(stale)
            self.assertIn(said, what)

    def test_our_texts(self):
        paths = quotes.texts()
        self.assertLessEqual({"README.md", "TUTORIAL.md",
                              "TUTORIAL.zh-CN.md", "course/lab.md",
                              "course/staff/answers.md"}, set(paths))
        for path in paths:
            text = (ROOT / path).read_text("utf-8")
            self.assertEqual([*quotes.problems(text, path)], [], path)

    def test_tables_of_models(self):
        readme = (ROOT / "README.md").read_text("utf-8")
        self.assertEqual([match[2] for match in quotes.TABLE.finditer(readme)],
                         ["servers", "servers/more"])
        stale = readme.replace("an endless loop over all clients", "a loop")
        problem, = self.problems(stale)
        self.assertIn("models in servers", problem)
        self.assertEqual(quotes.with_tables(stale), readme)


class OwnRun(unittest.TestCase):
    """Pages with the figures of a reader's own run. The claims of that run come
    from made-up figures; TEXT has sentences marked with the claims that they
    rest on."""

    TEXT = textwrap.dedent("""\
        # A text

        Always. <!-- claim latency fork,thread cores -->Both use *two* cores,
        see [fork.c](servers/fork.c). <!-- claim latency thread cores -->
        <!-- claim latency nonblocking cores -->All as expected! Never.

        - <!-- claim latency nonblocking cores -->One core
        - <!-- claim hog fork kept_beside_hogs -->Shared by `fork`. More.

        | a | b |
        |---|---|
        | <!-- claim hog fork kept_beside_hogs -->Well | x |

        <!-- claim latency fork cores -->两个核。完。
        """)

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="My Lab ")
        self.addCleanup(scratch.cleanup)
        self.run_folder = pathlib.Path(scratch.name)
        measured.claims_of.cache_clear()
        measured.runs_of.cache_clear()

    def claim(self, **runs):
        """Judges the claims on these runs, which are given by experiment, and
        writes claims.csv."""
        write_claims(self.run_folder / "claims.csv", judgements(
            (experiment, runs[experiment.name]) for experiment in EXPERIMENTS
            if experiment.name in runs))
        measured.claims_of.cache_clear()

    def doubted(self, text=TEXT):
        """Returns the sentences of a text that the run contradicts, and the
        reasons that are shown beside them."""
        text = measured.with_doubts(text, self.run_folder)
        html, count = measured.marked(markdown.html_of(text, "x.md"))
        found = re.findall(r'<mark [^>]+>(.*?)</mark> <span class="doubt">'
                           "(.*?)</span>", html, re.S)
        self.assertEqual(len(found), count)
        return [re.sub("<.*?>", "", sentence) for sentence, _ in found], [
            said for _, said in found]

    GOOD = made_up.on_cores(fork=(1.9,) * 6, thread=(1.9,) * 6,
                            nonblocking=(1.0,) * 6)

    def test_a_run_that_agrees_marks_nothing(self):
        self.claim(latency=self.GOOD, hog=made_up.beside_hogs(fork=(0.6,) * 6))
        self.assertEqual(self.doubted(), ([], []))

    def test_a_run_that_contradicts_marks_the_sentences_of_its_claims(self):
        both = "Both use two cores, see fork.c."
        third = "All as expected!"
        self.claim(latency=made_up.on_cores(
            fork=(1.9,) * 6, thread=(1.0,) * 6, nonblocking=(1.0,) * 6),
            hog=made_up.beside_hogs(fork=(0.6,) * 6))
        self.assertEqual(self.doubted()[0], [both, third])
        self.claim(latency=made_up.on_cores(
            fork=(1.9,) * 6, thread=(1.9,) * 6, nonblocking=(1.9,) * 6),
            hog=made_up.beside_hogs(fork=(0.2,) * 6))
        self.assertEqual(self.doubted()[0], [
            third, "One core", "Shared by fork.", "Well"])
        self.claim(latency=made_up.on_cores(
            fork=(1.0,) * 6, thread=(1.9,) * 6, nonblocking=(1.0,) * 6))
        self.assertEqual(self.doubted()[0], [both, "两个核。"])

    def test_rounds_that_disagree_mark_nothing(self):
        self.claim(latency=made_up.on_cores(
            fork=(1.9, 1.0) * 3, thread=(1.9, 1.0) * 3,
            nonblocking=(1.9, 1.0) * 3))
        self.assertEqual(self.doubted()[0], [])

    def test_the_reason_is_that_of_the_claim_with_its_figures(self):
        for rounds, word in ((6, "does not hold"), (2, "seems")):
            self.claim(latency=made_up.on_cores(
                fork=(1.0, 1.1) * (rounds // 2), thread=(1.9,) * rounds))
            reasons = self.doubted()[1]
            self.assertEqual(len(reasons), 2)
            for said in reasons:
                self.assertIn(word, said)
                self.assertIn("there is only one core", said)
                self.assertIn("(1.0 to 1.1)", said)

    def test_models_that_took_no_part_are_not_judged(self):
        self.claim(latency=made_up.on_cores(thread=(1.0,) * 6))
        self.assertEqual(self.doubted()[0], [
            "Both use two cores, see fork.c.", "All as expected!"])

    def test_claims_of_an_older_version_are_refused(self):
        (self.run_folder / "claims.csv").write_text(
            "experiment,claim,verdict\nlatency,x,fails\n", encoding="utf-8")
        with self.assertRaisesRegex(ValueError, "make plot"):
            self.doubted()

    def test_the_run_is_named(self):
        self.assertEqual(measured.of_run(
            "In the\nreference run, the [reference run](x), 参考测量里",
            self.run_folder), "In your run, [your run](x), 你的测量里")

    def test_figures_and_pictures_are_those_of_the_run(self):
        with open(REFERENCE / "runs.csv", newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file)
                    if row["experiment"] == "throughput"]
        with open(self.run_folder / "runs.csv", "w", newline="",
                  encoding="utf-8") as file:
            out = csv.DictWriter(file, rows[0])
            out.writeheader()
            out.writerows({**row, "server_cpu_us_per_req": 77} for row in rows)
        self.claim(latency=self.GOOD)
        (self.run_folder / "hog.png").write_bytes(b"mine")
        mark = "<!-- figure results/reference/runs.csv"
        text = (f"{mark} throughput fork connections=100 server_cpu_us_per_req"
                f" -->5 µs, {mark} idle thread idle=10000 kib_per_silent "
                "-->8.3 KiB\n\n![a](results/reference/hog.png)\n\n"
                "![b](results/reference/idle.png)\n")
        shown = measured.of_run(text, self.run_folder)
        self.assertIn("-->77 µs", shown)
        self.assertRegex(shown, r"-->8\.3 KiB \(on the reference machine\)")
        self.assertEqual(shown.count("your run has no such picture"), 1)
        self.assertEqual(measured.of_run(text, REFERENCE), text)
        self.assertEqual(
            [measured.picture(REFERENCE / name, self.run_folder)
             for name in ("hog.png", "idle.png")],
            [self.run_folder / "hog.png", REFERENCE / "idle.png"])

    def test_marks_are_checked(self):
        for mark in ("latency fork", "latency nobody cores",
                     "latency fork,nobody cores", "nothing fork cores",
                     "latency fork p50_us"):
            self.assertEqual(len([*quotes.stale_claims(
                f"<!-- claim {mark} -->A sentence.")]), 1, mark)
        self.assertEqual([*quotes.stale_claims(self.TEXT)], [])
        self.assertEqual(len([*quotes.stale_claims(
            "<!-- claim latency fork cores -->\n\nOther.")]), 1)
        self.assertEqual(len([*quotes.untranslated(
            "<!-- claim latency fork cores -->两。", "Two.")]), 1)

    def test_every_page_says_whose_figures_it_shows(self):
        shutil.copy(REFERENCE / "environment.txt", self.run_folder)
        (self.run_folder / "report.html").write_text("mine", encoding="utf-8")
        self.claim(latency=self.GOOD)
        text = "# A\n\n![a](results/reference/hog.png)\n"
        own = site.Site(self.run_folder)
        self.assertIn(self.run_folder.name, own.text("x.md", text))
        self.claim(latency=made_up.on_cores(fork=(1.9,) * 6, thread=(1,) * 6))
        counted = own.text("x.md", text + self.TEXT)
        self.assertEqual(re.findall('href="#(doubt-.)"', counted),
                         re.findall('id="(doubt-.)"', counted))
        self.assertRegex(counted, r"decide 6 sentences .* <a href=\"#doubt-1")
        self.assertNotIn("reference machine", own.text("x.md", "# A\n"))
        self.assertIn("reference machine", site.Site().text("x.md", text))
        self.assertEqual(own.all()["report.html"], "mine")


class SkeletonTexts(unittest.TestCase):
    def test_what_is_taken_out(self):
        for model in MODELS:
            lines = c_source.lines_of(f"servers/{model}.c")
            text = "\n".join(skeleton.skeleton(model, lines))
            taken = [name for (name, *_), _ in skeleton.removals(lines)]
            self.assertGreater(len(taken), 1)
            self.assertEqual(text.count("not_written();"), len(taken))
            self.assertNotIn("LESSON", text)
            self.assertLessEqual(max(map(len, text.split("\n"))), 80)

    def test_each_model_has_tasks_and_each_task_a_function(self):
        self.assertEqual(set(skeleton.TASKS), set(MODELS))
        for model, tasks in skeleton.TASKS.items():
            taken = {name for (name, *_), _ in skeleton.removals(
                c_source.lines_of(f"servers/{model}.c"))}
            self.assertLessEqual(set(tasks), taken, model)

    def test_no_lesson_stands_for_a_task(self):
        """Checks that the README says of each function what it has to do."""
        for model in MODELS:
            lines = c_source.lines_of(f"servers/{model}.c")
            for said in skeleton.tasks_said(model, lines):
                self.assertRegex(said, r"^- `\w+\(\)`: [A-Z]")


@tap.part("lab")
class Lab(unittest.TestCase):
    def test_one_folder_has_all_that_is_handed_in(self):
        with tempfile.TemporaryDirectory(prefix="My Lab ") as scratch:
            answers = pathlib.Path(scratch, "my answers")
            answers.write_text("4\n1\n")
            folder = pathlib.Path(scratch, "hand in")
            subprocess.run(
                ["make", "lab", f"LAB={folder}", f"ANSWERS={answers}",
                 f"BIN={os.path.relpath(BIN, ROOT)}", "QUICK=1", "ONLY=silent",
                 "ROUNDS=1"], cwd=ROOT,
                stdout=subprocess.DEVNULL, timeout=LONG_S, check=True)
            questions = (folder / "answers.md").read_text("utf-8").split()
            self.assertEqual(questions[1::2],
                             [f"Q{number}" for number in range(1, 13)])
            self.assertEqual(len(read_runs(folder / "runs.csv")), len(MODELS))
            kept = json.loads((folder / "predictions.json").read_text())
            self.assertEqual(len(kept["answers"]), 2)
            tutorial = (folder / "pages" / "TUTORIAL.html").read_text("utf-8")
            self.assertIn("your own run</strong>, hand in:", tutorial)
            self.assertTrue((folder / "pages" / "report.html").exists())


@tap.part("skeletons")
class Skeletons(unittest.TestCase):
    """The skeletons of the models. Each must build, fail the conversation, and
    pass it once its file is replaced by the complete model."""

    def setUp(self):
        """Makes a folder inside the project, as readers do."""
        (ROOT / "build").mkdir(exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=ROOT / "build")
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)

    def run_in(self, directory, *command, **more):
        return subprocess.run(command, cwd=directory, capture_output=True,
                              text=True, timeout=LONG_S, check=False, **more)

    def converse(self, *command):
        """Returns whether a server passes the part `protocol`."""
        done = self.run_in(
            ROOT, CONVERSATION, *command,
            env={**os.environ, "ONLY": "protocol",
                 "PATIENCE": str(PATIENCE_S)})
        self.assertRegex(done.stdout, r"\n# \d+ passed, \d+ failed\n$")
        return done.returncode == 0

    def make(self, model, directory):
        return self.run_in(ROOT, "make", "skeleton", f"MODEL={model}",
                           f"SKELETON={directory}")

    def begin(self, model, name=""):
        """Makes the skeleton of a model, in a folder of this name or else of
        the model's. Returns the folder."""
        directory = self.scratch / (name or model)
        done = self.make(model, directory)
        self.assertEqual(done.returncode, 0, done.stderr)
        return directory

    def test_all_of_them(self):
        for model in MODELS:
            with self.subTest(model):
                directory = self.begin(model)
                built = self.run_in(directory, "make", "CFLAGS=-Werror")
                self.assertEqual(built.returncode, 0, built.stderr)
                self.assertFalse(self.converse(directory / model))
                shutil.copyfile(ROOT / "servers" / f"{model}.c",
                                directory / f"{model}.c")
                built = self.run_in(directory, "make")
                self.assertEqual(built.returncode, 0, built.stderr)
                self.assertTrue(self.converse(directory / model))

    def test_the_command_that_grades_it_names_it(self):
        directory = self.begin("thread", "my server")
        command, = re.findall(r"^ +(make -C .*)$",
                              (directory / "README.md").read_text(), re.M)
        shown = self.run_in(directory, "sh", "-c", f"{command} -n")
        self.assertIn(f'"{os.path.relpath(directory, ROOT)}/thread"',
                      shown.stdout)

    def test_what_was_written_is_not_lost(self):
        directory = self.begin("thread")
        (directory / "thread.c").write_text("mine")
        done = self.make("thread", directory)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual((directory / "thread.c").read_text(), "mine")

    def test_unknown_models(self):
        done = self.make("none", self.scratch / "none")
        self.assertNotEqual(done.returncode, 0)
        for model in MODELS:
            self.assertIn(model, done.stderr)
        self.assertFalse((self.scratch / "none").exists())


@tap.part("skeletons")
class Makefile(unittest.TestCase):
    def test_flags_of_the_user_are_added_to_ours(self):
        done = subprocess.run(
            ["make", "-n", "V=1", "CFLAGS=-O3", "LDFLAGS=-s",
             "BUILD=build/none", "BIN=build/none", "build/none/thread"],
            cwd=ROOT, capture_output=True, text=True, check=True)
        self.assertRegex(done.stdout, r"-std=c11 .*-O2 .*-O3 -c -o ")
        self.assertRegex(done.stdout, r"-pthread .*-z,now -s -o ")

    def test_the_doctor_says_that_python_is_missing(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "env").symlink_to(shutil.which("env"))
            done = subprocess.run(
                [shutil.which("make"), "doctor"], cwd=ROOT, text=True,
                env={"PATH": folder}, capture_output=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("make setup installs it", done.stderr)

    def test_a_variable_without_a_value_has_its_default(self):
        """Checks that `make CC= BIN=` runs no command "-pthread", whose dash
        would tell make to ignore that it fails, and writes nothing to /."""
        done = subprocess.run(
            ["make", "-n", "-B", "V=1", "CC=", "BUILD=", "BIN="],
            cwd=ROOT, capture_output=True, text=True, check=True)
        self.assertRegex(done.stdout, "(?m)^cc .* -o bin/thread build/plain/")
        self.assertNotIn(" /", done.stdout)

    def test_a_switch_that_is_0_is_off(self):
        def command(value):
            return subprocess.run(
                ["make", "-n", "-o", "all", "bench", "watch", "setup", *(
                    f"{name}={value}" for name in
                    ("QUICK", "FULL", "ONCE", "JSON", "ELSEWHERE"))],
                cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for switch in ("--quick", "--full", "--once", "--json", "elsewhere"):
            self.assertRegex(command(1), f"{switch}\\b")
            self.assertNotRegex(command(0), f"{switch}\\b")


# How the test runs each target of `make help`: with these settings. None means
# that it takes long, or changes more than the project.
TARGETS = {
    "all": "", "examples": "", "help": "", "doctor": "", "html": "",
    "tests": "", "elsewhere": "",
    "plot": "RUN=results/reference", "class": "DIR=results",
    "compare": "A=results/reference B=results/reference",
    "scale": "N=100", "predict": "ANSWERS=answers", "mutant": "N=07",
    "skeleton": "MODEL=thread", "watch": "ONCE=1",
    "torture": "MODELS=thread ONLY=idle", "soak": "MODELS=thread SECONDS=1",
    "drain": "MODELS=thread DRAINS=1", "clean": "",
    **dict.fromkeys((
        "bench", "bench-client", "bench-coro", "check", "faults", "format",
        "fuzz", "grade", "lab", "lint", "mutants", "setup", "test")),
}


def only_what_is_needed(folder, names):
    """Returns which of these names in a folder the copy of the project does not
    need: what other tests build, the runs of the user, and compiled modules of
    Python. A file that another test removes or renames while the copy is made
    could not be copied."""
    kept = {ROOT / "build": {"plain"}, ROOT / "results": {"reference"},
            ROOT / "bin": {*ALL_MODELS, "fibload"}}
    of_root = {".git"} if pathlib.Path(folder) == ROOT else set()
    return (set(names) - kept.get(pathlib.Path(folder), set(names)) | of_root
            | {"__pycache__"})


@tap.part("anywhere")
class Anywhere(unittest.TestCase):
    """The targets of `make help` in a copy of the project whose path has spaces
    and letters that ASCII does not have."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="Prüfung ö ")
        cls.copy = pathlib.Path(cls.scratch.name, "fib lab")
        shutil.copytree(ROOT, cls.copy, symlinks=True,
                        ignore=only_what_is_needed)
        (cls.copy / "answers").write_text("4\n1\n", encoding="utf-8")

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def make(self, target, language="C"):
        """Runs a target in the copy. Returns its output."""
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("LC_")}
        done = subprocess.run(
            ["make", target, *TARGETS[target].split()], cwd=self.copy,
            env={**environment, "LANG": language}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=LONG_S, check=False)
        said = done.stdout.decode()
        self.assertEqual(done.returncode, 0, f"{target}, {language}: {said}")
        return said

    def test_every_target_is_known(self):
        self.assertEqual({*re.findall("^  make ([a-z-]+)", self.make("help"),
                                      re.M)}, {*TARGETS})

    def test_targets_work_in_two_languages(self):
        installed = subprocess.run(["locale", "-a"], capture_output=True,
                                   text=True, check=False).stdout
        german = ["de_DE.UTF-8"] if "de_DE.utf8" in installed else []
        for language in ["C", *german]:
            for target, settings in TARGETS.items():
                if settings is not None and target != "clean":
                    self.make(target, language)
            shutil.rmtree(self.copy / "build" / "skeleton")
        self.make("clean")
        self.assertFalse((self.copy / "bin").exists())
        if not german:
            self.skipTest("the locale de_DE.UTF-8 is not installed")


@tap.part("grading")
class Conversations(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)

    def converse(self, *arguments):
        """Runs the conversation's part `command_line` with one or more servers,
        separated by "--". Fails if a check fails. Returns the output."""
        done = subprocess.run(
            [CONVERSATION, *arguments], capture_output=True, text=True,
            timeout=LONG_S, check=False,
            env={**os.environ, "ONLY": "command_line", "MODEL": "thread"})
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_any_path_and_any_option(self):
        """Checks that a server's path may be long and have spaces, and that its
        options arrive unchanged."""
        directory = self.scratch.joinpath("My Lab", *["long name " * 20] * 3)
        directory.mkdir(parents=True)
        server = write_script(directory / "a server", f"""\
#!/bin/sh
printf '%s' "$1" > "$0 was told"
shift
exec "{BIN}/thread" "$@"
""")
        self.converse(server, "two  words", "--delay", "0")
        told = directory / "a server was told"
        self.assertEqual(told.read_text(), "two  words")

    def test_a_second_signal_comes_when_the_server_is_at_rest(self):
        server = write_script(self.scratch / "mine",
                              BUSY_WHEN_STOPPED.format(seconds=1.5))
        done = subprocess.run(
            [CONVERSATION, server], capture_output=True, text=True,
            timeout=LONG_S, check=False,
            env={**os.environ, "ONLY": "stopping", "MODEL": "any",
                 "PATIENCE": str(PATIENCE_S)})
        self.assertRegex(done.stdout, r"\nok \d+ - any: a second signal ends "
                                      r"it\n")

    def test_several_servers(self):
        said = self.converse(BIN / "thread", "--delay", "0", "--", BIN / "fork")
        one = self.converse(BIN / "fork")
        self.assertEqual(said.count("ok "), 2 * one.count("ok "))


# A server for the check of a second signal only, which starts a server with
# this delay. It computes for so many seconds of CPU time before it notices a
# second signal.
BUSY_WHEN_STOPPED = """\
#!/usr/bin/env python3
import signal, socket, sys, time

if "600000" not in sys.argv:
    sys.exit(1)

def stop(*_):
    listener.close()
    until = time.process_time() + {seconds}
    while time.process_time() < until:
        pass
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

listener = socket.create_server(("127.0.0.1", 0))
signal.signal(signal.SIGTERM, stop)
print(f"mine: listening on 127.0.0.1:{{listener.getsockname()[1]}}", flush=True)
client, _ = listener.accept()
client.recv(100)
while True:
    signal.pause()
"""


# A server whose replies lack the newline.
NO_NEWLINE = """\
#!/usr/bin/env python3
import socket

listener = socket.create_server(("127.0.0.1", 0))
print(f"mine: listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
while True:
    client, _ = listener.accept()
    while client.recv(100):
        client.sendall(b"fib: 8")
    client.close()
"""


@tap.part("mistakes")
class Mistakes(unittest.TestCase):
    """Servers with a mistake each. The conversation prints what the student
    must know, and one mistake does not fail many checks."""

    def converse(self, script, part="protocol", patience_s=PATIENCE_S):
        """Runs a part of the conversation with a server. Returns the failed
        checks, and the lines that explain them."""
        with tempfile.TemporaryDirectory() as scratch:
            server = write_script(pathlib.Path(scratch, "mine"), script)
            done = subprocess.run(
                [CONVERSATION, server], capture_output=True, text=True,
                timeout=LONG_S, check=False,
                env={**os.environ, "ONLY": part, "MODEL": "thread", "MANY": "9",
                     "PATIENCE": str(patience_s)})
        return (re.findall(r"^not ok \d+ - thread: (.*)$", done.stdout, re.M),
                re.findall(r"^# (.*)$", done.stdout, re.M))

    def converse_soon(self, script):
        """Runs the first part with a server that lets its clients wait. Lets
        each wait last a second or, if the server needs longer to start on this
        machine, several."""
        for patience_s in (1, SHORT_S, PATIENCE_S):
            failed, lines = self.converse(script, patience_s=patience_s)
            if "it starts" not in failed:
                break
        return failed, lines

    def test_it_does_not_start(self):
        for script, check, said in (
                ("echo no luck >&2; exit 3", "it starts: no luck",
                 ["on standard error: no luck",
                  "it ended with exit status 3"]),
                ("kill -ABRT $$", "it starts", ["signal 6 ended it: Aborted"]),
                (f"echo hello; exec sleep {LONG_S}", "it starts",
                 ["on standard output: hello", f"within {SHORT_S} s, it "
                  "printed no line that ends in its port"]),
                (f"echo listening on 127.0.0.1:1; exec sleep {LONG_S}",
                 "a client can connect to the port that it has printed",
                 ["port 1: Connection refused"])):
            failed, lines = self.converse(f"#!/bin/sh\n{script}\n",
                                          patience_s=SHORT_S)
            self.assertEqual(failed, [check])
            self.assertEqual(lines[:len(said)], said)

    def test_a_reply_without_a_newline(self):
        _, lines = self.converse_soon(NO_NEWLINE)
        self.assertEqual(lines[0], r'sent "30\n6\n", heard "fib: 8" without a '
                                   r'newline instead of "fib: 832040\n"')

    def test_how_many_checks_pass_without_a_right_reply(self):
        """Checks the number for a server that is right but for its replies. The
        conversation has as many checks as that of a right server."""
        right = (ROOT / "tests/graded/python").read_text("utf-8")
        wrong = right.replace('"fib: %d\\n"', '"fib: %d"')
        self.assertNotEqual(wrong, right)
        failed, _ = self.converse_soon(wrong)
        self.assertEqual(len(failed),
                         grade.PARTS[0].checks - grade.WITHOUT_REPLY, failed)

    def test_a_connection_that_ends_too_early(self):
        _, lines = self.converse(NO_NEWLINE.replace("while client", "if client")
                                 .replace("8", r"832040\nfib: 8\n"))
        self.assertRegex(
            lines[0], r'^sent "1\\n2\\n3\\n", heard (the end of the connection|of '
                      r'an error \(.*\)) instead of "fib: 1\\n"')

    def test_it_does_not_stop(self):
        failed, lines = self.converse_soon(
            f"#!/bin/sh\ntrap : TERM\n'{BIN}/thread' \"$@\" &\n"
            "while :; do wait; done\n")
        self.assertIn("--max-n: it stops cleanly", failed)
        self.assertRegex("\n".join(lines),
                         r"it did not end within \d+ s, and was killed")

    def test_a_refused_option_fails_only_checks_that_need_it(self):
        failed, _ = self.converse(
            "#!/bin/sh\ncase \"$*\" in *--delay*) echo no --delay >&2; exit 2; "
            f"esac\nexec '{BIN}/thread' \"$@\"\n", "stopping")
        # A request that waits for its backend, and a second signal.
        self.assertEqual(failed, 2 * ["it starts: no --delay"])


# A server whose child outlives it, in a session of its own, as a daemon does.
# Such a child writes its id and the process group of the server to a pipe. The
# server may answer its first client, so that the conversation continues.
LEAVES_A_CHILD = """\
#!/usr/bin/env python3
import os, signal, socket, time

group = os.getpgrp()
listener = socket.create_server(("127.0.0.1", 0))
if os.fork() == 0:
    listener.close()
    os.setsid()
    os.write({pipe}, b"%d %d\\n" % (os.getpid(), group))
    time.sleep({seconds})
    os._exit(0)
print(f"mine: listening on 127.0.0.1:{{listener.getsockname()[1]}}", flush=True)
if {answers}:
    client, _ = listener.accept()
    client.sendall(b"\\n")
signal.pause()
"""


@tap.part("grading")
class Leftovers(unittest.TestCase):
    """However the conversation ends, no process of a server is left. All of
    them have a pipe of this test open, so that the pipe ends with the last."""

    def start(self, answers=False):
        """Starts the conversation, and waits for the child of a server."""
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.pipe, writer = os.pipe()
        self.addCleanup(os.close, self.pipe)
        server = write_script(
            pathlib.Path(scratch.name, "mine"),
            LEAVES_A_CHILD.format(pipe=writer, seconds=5 * LONG_S,
                                  answers=answers))
        self.conversation = subprocess.Popen(
            [CONVERSATION, server], pass_fds=[writer], start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "ONLY": "drain", "DRAINS": "1",
                 "PATIENCE": str(LONG_S)},
            # A shell may have started the tests with SIGINT ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        os.close(writer)
        self.said = b""
        self.all_ended = False
        self.addCleanup(self.end_all)
        self.read()

    def end_all(self):
        """Ends the conversation, and the children of the servers if they may
        still run. Otherwise their numbers may be those of other processes."""
        self.conversation.kill()
        self.conversation.wait()
        for child, _ in [] if self.all_ended else self.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def children(self):
        """Returns for each child its id and its server's process group."""
        return [tuple(map(int, line.split()))
                for line in self.said.splitlines()]

    def read(self):
        """Waits for output of a child. Returns false if no process is left that
        could write. Fails if neither comes."""
        ready, _, _ = select.select([self.pipe], [], [], LONG_S)
        self.assertTrue(ready, f"a child is left: {self.children()}")
        said = os.read(self.pipe, 4096)
        self.said += said
        self.all_ended = said == b""
        return said

    def test_at_its_end(self):
        self.start(answers=True)
        while self.read():
            pass
        self.assertEqual(len(self.children()), 1)
        self.assertEqual(self.conversation.wait(), 1)

    def test_when_a_signal_ends_it(self):
        for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with self.subTest(signo.name):
                self.start()
                self.conversation.send_signal(signo)
                while self.read():
                    pass
                self.assertEqual(self.conversation.wait(), -signo)

    def test_when_a_signal_ends_its_process_group(self):
        """Checks that a server is in the process group of the conversation: so
        Ctrl-C in a terminal ends both."""
        self.start()
        (_, group), *_ = self.children()
        self.assertEqual(group, self.conversation.pid)
        os.killpg(group, signal.SIGKILL)
        while self.read():
            pass


class Predictions(unittest.TestCase):
    def ask(self, text):
        """Returns the answers of a reader who types these lines."""
        with contextlib.redirect_stdout(io.StringIO()):
            return predict.ask_all(io.StringIO(text))

    def test_answers(self):
        answers = self.ask("4\n\ncoroutine\n2 times\n")
        self.assertEqual(answers, {"behind-silent": 4, "cheapest": "coroutine",
                                   "fork-coroutine": 2})
        self.assertEqual(self.ask("10,000\n1,234.5\n"),
                         {"behind-silent": 10000, "served": 1234.5})
        for text in ("many\n", "-1\n", "4\n1\nerlang\n", "nan\n", "2,5\n"):
            wrong = text.split()[-1]
            number = text.count("\n")
            with self.assertRaises(ValueError) as caught:
                self.ask(text)
            self.assertIn(repr(wrong), str(caught.exception))
            self.assertIn(f" {number}: ", str(caught.exception))

    def test_every_question_has_an_answer_in_the_reference(self):
        runs = read_runs(REFERENCE / "runs.csv")
        self.assertEqual(len(predictions.QUESTIONS), 12)
        for question in predictions.QUESTIONS:
            guess = "fork" if question.models else 1.0
            *_, measured, verdict = predictions.row(question, guess, runs)
            self.assertNotEqual(verdict, "not measured", question.name)
            self.assertNotEqual(measured, "-", question.name)

    def test_verdicts(self):
        exact, close, model = (next(
            q for q in predictions.QUESTIONS if q.name == name) for name in (
                "served", "memory-thread", "cheapest"))
        verdict = predictions.verdict
        right, wrong = verdict(exact, 1, 1), verdict(exact, 2, 1)
        near, far = verdict(close, 8, 5), verdict(close, 64, 8)
        self.assertEqual(len({right, wrong, near, far}), 4)
        self.assertEqual(facts(far), "| 8.0")
        self.assertEqual(facts(verdict(close, 8, 64)), "| 8.0")
        self.assertNotEqual(verdict(close, 8, 64), far)
        self.assertEqual(verdict(close, 0, 8), wrong)
        self.assertEqual(verdict(model, "fork", ["fork", "thread"]), right)
        self.assertEqual(verdict(model, "fork", ["thread"]), wrong)

    def test_only_earlier_predictions_are_taken_along(self):
        with tempfile.TemporaryDirectory() as scratch:
            results = pathlib.Path(scratch)
            for name in ("before", "after"):
                (results / name).mkdir()
            predictions.keep(results / "before")
            (results / predictions.KEPT).write_text(json.dumps(
                {"made": "today", "answers": {"served": 3}}))
            predictions.keep(results / "after")
            runs = read_runs(REFERENCE / "runs.csv")
            self.assertEqual(predictions.section(results / "before", runs), [])
            heading, _, table = predictions.section(results / "after", runs)
        self.assertEqual(heading.level, 2)
        self.assertEqual([row[1:3] for row in table.rows], [("3", "1")])

    def test_only_what_was_measured_was_right_or_wrong(self):
        runs = read_runs(REFERENCE / "runs.csv")
        for answers, numbers, is_wrong in (
                ({"served": 1}, "1 1", False), ({"served": 3}, "0 1", True),
                ({"served": 1, "wait-trap": 9}, "1 1", False)):
            measured = runs if len(answers) == 1 else Runs(
                run for run in runs if run["experiment"] != "wait")
            with tempfile.TemporaryDirectory() as scratch:
                folder = pathlib.Path(scratch)
                (folder / predictions.KEPT).write_text(json.dumps(
                    {"made": "today", "answers": answers}))
                _, text, _ = predictions.section(folder, measured)
            self.assertEqual(facts(text.text), f"| {numbers}")
            self.assertEqual("look first" in text.text, is_wrong)


@tap.part("reports")
class Reports(unittest.TestCase):
    """Programs run as a whole: bench with predictions, predict, classroom."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)

    def call(self, name, *arguments):
        """Runs one of our programs. Returns the finished process."""
        done = subprocess.run([program(name), *arguments], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=LONG_S, check=False)
        self.assertNotIn("Traceback", done.stdout)
        return done

    def test_a_report_shows_the_predictions(self):
        (self.scratch / predictions.KEPT).write_text(json.dumps(
            {"made": "today", "answers": {"behind-silent": 3}}))
        done = self.call("bench", "--only", "silent", "--rounds", "1",
                         "--quick", "--out", self.scratch / "run",
                         "--bin", patient_bin(self.scratch))
        self.assertEqual(done.returncode, 0, done.stdout)
        said = (self.scratch / "run" / "report.md").read_text("utf-8")
        # A row of the table: question, predicted 3, measured 4, verdict.
        self.assertRegex(said, r"\n\| .* \| 3 \| 4 \| \w+ \|\n")

    def test_predictions_from_a_file(self):
        answers = self.scratch / "answers"
        answers.write_text("4\n1\n")
        out = self.scratch / "my" / "results" / "predictions.json"
        done = self.call("predict", "--answers", answers, "--out", out)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(json.loads(out.read_text())["answers"],
                         {"behind-silent": 4, "served": 1})

    def test_no_predictions(self):
        done = self.call("predict", "--answers", "/dev/null",
                         "--out", self.scratch / "none")
        self.assertNotEqual(done.returncode, 0)
        self.assertFalse((self.scratch / "none").exists())

    def test_a_class(self):
        write_class(self.scratch)
        done = self.call("classroom", self.scratch)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("max", done.stdout)
        page = (self.scratch / classroom.PAGE).read_text("utf-8")
        for figure in classroom.FIGURES:
            self.assertIn(figure.text, page)

    def test_a_class_has_a_picture(self):
        need_matplotlib()
        write_class(self.scratch)
        done = self.call("classroom", self.scratch)
        self.assertEqual(done.returncode, 0, done.stdout)
        page = (self.scratch / classroom.PAGE).read_text("utf-8")
        self.assertEqual(page.count('src="data:image/png;base64,'), 1)
        picture = (self.scratch / classroom.PICTURE).read_bytes()
        self.assertEqual(picture[:4], b"\x89PNG")

    def test_a_class_without_runs(self):
        done = self.call("classroom", self.scratch)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("runs.csv", done.stdout)
        self.assertEqual(list(self.scratch.iterdir()), [])

    def test_a_folder_that_does_not_exist(self):
        """Checks that the message names the folder, and says it in words."""
        none = self.scratch / "none"
        self.assertIn(f"classroom: there is no folder {none}: ",
                      self.call("classroom", none).stdout)
        self.assertIn(f"error: A: {none} has no runs.csv",
                      self.call("compare", none, none).stdout)


class CommandLines(unittest.TestCase):
    def test_every_program_explains_itself_and_each_of_its_options(self):
        for package, names in PROGRAMS.items():
            for name in names:
                if name == "pictures":  # it needs matplotlib
                    continue
                with unittest.mock.patch("sys.argv", [name, "--help"]), \
                        contextlib.redirect_stdout(io.StringIO()) as said, \
                        self.assertRaises(SystemExit) as ended:
                    as_module(name).main()
                self.assertEqual(ended.exception.code, 0, name)
                text = said.getvalue()
                self.assertIn(as_module(name).__doc__.split("\n")[0], text)
                for line in re.findall(r"^  (-.*\n.*)", text, re.M):
                    self.assertRegex(line, r"  \w|\n {20,}\w", name)

    def test_a_path_with_spaces_is_one_server(self):
        with tempfile.TemporaryDirectory() as scratch:
            server = pathlib.Path(scratch, "my server")
            server.touch()
            self.assertEqual(command_line.programs(str(server)), [server])
        self.assertEqual(command_line.programs("./a ./b"),
                         [pathlib.Path("a"), pathlib.Path("b")])

    def test_servers_of_one_name_cannot_be_told_apart(self):
        parser = command_line.parser("")
        a, b = pathlib.Path("/a/mine"), pathlib.Path("/b/mine")
        self.assertEqual(command_line.by_name(parser, [a, a]), {"mine": a})
        with tempfile.TemporaryDirectory() as scratch:
            link = pathlib.Path(scratch, "link")
            link.symlink_to(a)
            self.assertEqual(command_line.by_name(parser, [link]), {"link": a})
        with contextlib.redirect_stderr(io.StringIO()) as said, \
                self.assertRaises(SystemExit):
            command_line.by_name(parser, [a, b])
        self.assertIn("--server: /a/mine and /b/mine", said.getvalue())


class Doctor(unittest.TestCase):
    """What `make doctor` says of a machine on which nothing can be built."""

    def examined(self, examine, **changes):
        """Returns the finding of an examination, with other variables of the
        environment. It must say what is missing, and what to do."""
        with unittest.mock.patch.dict(os.environ, changes):
            found = examine()
        self.assertEqual(found.state, doctor.MISSING)
        self.assertTrue(found.cost and found.remedy)
        return found.fact

    def test_a_compiler_that_cannot_be_run(self):
        for name, fact in (("no-such-cc -m32", "no no-such-cc -m32"),
                           (" ", "no  "),
                           ("cc 'x", "CC is cc 'x: No closing quotation")):
            self.assertEqual(self.examined(doctor.compiler, CC=name), fact)

    def test_a_folder_that_cannot_be_written_to(self):
        with unittest.mock.patch.object(doctor.os, "access",
                                        return_value=False):
            self.assertIn(str(ROOT), self.examined(doctor.folders))
        self.assertEqual(doctor.folders().state, doctor.GOOD)


class Explanations(unittest.TestCase):
    """Every check of the grade has an explanation of its failure, and every
    explanation belongs to a check."""

    FALLBACK = failures.explained("no such check")

    # Functions in C that record a check, and the index of the argument that is
    # the check's name.
    CHECKS = {"ok": 1, "server_check_memory": 3, "check_overload": 0,
              "subject_check_memory": 4}

    def arguments(self, text, begin):
        """Returns the arguments of a function call in C, as texts. `begin` is
        the offset behind the opening parenthesis."""
        found, depth = [""], 1
        for token in re.findall(r'"(?:[^"\\]|\\.)*"|.', text[begin:], re.S):
            depth += (token in ("(", "[", "{")) - (token in (")", "]", "}"))
            if depth == 0:
                return found
            if token == "," and depth == 1:
                found.append("")
            else:
                found[-1] += token
        raise ValueError("a call without an end")

    def names(self):
        """Yields the names of all checks in the conversation's source. Numbers
        that are filled in at run time are 8 here, texts are x."""
        for path in (ROOT / "tests" / "conversation").glob("*.c"):
            text = re.sub(r"//.*", "", path.read_text("utf-8"))
            for call in re.finditer(
                    rf"(?<!\w)({'|'.join(self.CHECKS)})\(", text):
                arguments = self.arguments(text, call.end())
                place = self.CHECKS[call[1]]
                literals = re.findall(r'"((?:[^"\\]|\\.)*)"',
                                      "".join(arguments[place:place + 1]))
                name = re.sub(r"%[\d.]*[lz]?[dfu]", "8", "".join(literals))
                name = name.replace("%s", "x").replace("%%", "%")
                if name and call[1] == "check_overload":
                    name += ": while full, it does not spin"
                # "x (...": x is the name that a caller gives, found there.
                if name and not name.startswith("x ("):
                    yield name

    def test_every_check_of_the_conversation(self):
        names = list(self.names())
        self.assertGreater(len(names), 70)
        self.assertEqual([name for name in names if failures.explained(
            name) == self.FALLBACK], [])

    def test_the_limits_that_they_name(self):
        self.assertIn(f"within {grade.PATIENCE_S} s",
                      failures.explained("it starts"))

    def test_a_wrong_reply_is_not_a_missing_one(self):
        self.assertNotEqual(
            failures.explained("all replies that arrive are right"),
            failures.explained("all 8 replies it has counted arrive (8)"))

    def test_every_problem_of_the_hostile_table(self):
        known = {attack.name for attack in matrix.ATTACKS}
        self.assertLessEqual(set(grade.TRIED), known)
        for attack in known:
            for word in ("beside", "waits", "never", "cut", "lost", "dead",
                         "spins", "grows", "leaks", "exit", "wrong", "fails"):
                self.assertNotEqual(failures.explained(
                    f"{attack}, {word}: "), self.FALLBACK)
        for check in ("SIGTERM, left: ", "SIGKILL, port: "):
            self.assertNotEqual(failures.explained(check), self.FALLBACK)

    def test_every_explanation_is_of_some_check(self):
        texts = [*self.names(), *(
            f"{attack.name}, {word}: " for attack in matrix.ATTACKS
            for word in ("beside", "waits", "never", "cut", "lost", "dead",
                         "spins", "grows", "leaks", "exit", "wrong", "fails",
                         "left", "port"))]
        self.assertEqual([pattern for pattern, _ in failures.EXPLANATIONS
                          if not any(re.search(pattern, text)
                                     for text in texts)], [])


def options_for(server, model, programs=BIN):
    """Returns the grader's options. `programs` is the folder of fibload."""
    return types.SimpleNamespace(server=server, model=model, bin=programs,
                                 conversation=CONVERSATION)


class Grades(unittest.TestCase):
    PART = grade.Part("waiting", 30, "", 2)

    def test_attacks_that_do_not_end(self):
        endless = subprocess.TimeoutExpired("torture", 1)
        with unittest.mock.patch.object(grade, "call", side_effect=endless), \
                self.assertRaises(processes.RunFailed):
            grade.judge_torture(options_for(BIN / "blocking", "fork"))

    def test_attacks_without_a_result(self):
        with unittest.mock.patch.object(grade, "call"), \
                self.assertRaisesRegex(processes.RunFailed,
                                       "torture'? --server .*/blocking'? "):
            grade.judge_torture(options_for(BIN / "blocking", "fork"))

    def test_runs_are_repeated_unless_all_fail(self):
        expected = grade.expected_of("fork")
        cells = {cell for one in expected for cell in one.cells}
        failed = processes.RunFailed("fork did not stop")
        for outcomes, rounds in (((failed, failed), 1), (("run", failed), 3)):
            with unittest.mock.patch.object(
                    grade, "run_of",
                    side_effect=itertools.cycle(outcomes)) as run_of:
                grade.measured(expected, options_for(BIN / "fork", "fork"))
            self.assertEqual(run_of.call_count, rounds * len(cells))

    def test_no_failure_names_a_log_that_is_deleted(self):
        row = {"attack": "idle", "as_expected": "0", "shown": "!fails",
               "remarks": "mine did not start; see log.txt"}
        failed = processes.RunFailed(row["remarks"])
        with unittest.mock.patch.object(grade, "attacked", return_value=[row]), \
                unittest.mock.patch.object(grade, "run_of", side_effect=failed):
            options = options_for(BIN / "fork", "fork")
            (check, _), = grade.judge_torture(options).failures
            self.assertEqual(check, "idle, fails: mine did not start")
            failed = [check for check, _ in
                      grade.judge_claims(options).failures]
            self.assertIn("wait: `fork --delay 100`: mine did not start",
                          failed)
            self.assertNotIn("log.txt", " ".join(failed))

    def test_reading_what_the_conversation_says(self):
        said = ("ok 1 - mine: values\n# a note\n"
                "not ok 2 - mine: a byte at a time\n# 1 passed, 1 failed\n")
        result = grade.result_of(self.PART, said)
        self.assertEqual((result.passed, result.earned()), (1, 15.0))
        (check, meaning), = result.failures
        self.assertEqual(check, "a byte at a time")
        self.assertEqual(meaning, failures.explained(check))
        cut = grade.result_of(self.PART, "ok 1 - mine: values\n",
                              grade.TOO_LONG)
        self.assertEqual(cut.earned(), 0)
        self.assertIn(str(grade.PART_S_MAX), cut.failures[0][1])

    def test_a_failed_check_says_what_was_seen(self):
        said = ("# the test\n# heard \"a\" instead of \"b\"\n"
                "not ok 1 - x: it answers\n#   failed at tests/a.c:3\n"
                "not ok 2 - x: it stops\n# status 1, out: , err: \n"
                "ok 3 - x: it ends\n")
        result = grade.result_of(self.PART, said)
        self.assertEqual(result.seen,
                         {"it answers": 'heard "a" instead of "b"'})
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            grade.show(result)
        self.assertRegex(shown.getvalue(), '(?s)FAILED: it answers\n +Seen: '
                         'heard "a" instead of "b"\n.*FAILED: it stops')

    def test_a_refused_option_costs_all_checks_that_follow(self):
        said = "ok 1 - mine: a\nok 2 - mine: b\nnot ok 3 - mine: it starts\n"
        part = dataclasses.replace(self.PART, checks=10)
        refused = grade.result_of(part, said)
        self.assertEqual(refused.earned(), 6.0)
        # Checks that cannot be judged on this machine get their points.
        here = grade.result_of(
            part, said + "# not judged: 5 checks: why\n")
        self.assertEqual(here.earned(), 12.0)

    def test_the_score(self):
        results = [grade.Result(grade.Part("a", 30, ""), 3, []),
                   grade.Result(grade.Part("b", 10, ""), 1, [("x", "y")])]
        total = grade.score(options_for(BIN / "fork", "fork"), results)
        self.assertEqual((total["score"], total["failed"]), (87, ["x"]))
        self.assertEqual(total["parts"]["b"]["points"], 5.0)
        nearly = [grade.Result(grade.Part("a", 95, ""), 3, []),
                  grade.Result(grade.Part("b", 5, ""), 25,
                               [("x", ""), ("y", "")])]
        total = grade.score(options_for(BIN / "fork", "fork"), nearly)
        self.assertEqual(total["score"], 99)

    def test_the_points(self):
        parts = (*grade.PARTS, grade.TORTURE, grade.CLAIMS)
        self.assertEqual(sum(part.points for part in parts), 100)
        said = (ROOT / "course/project.md").read_text("utf-8")
        for part in parts:
            self.assertRegex(said, rf"\n\| {part.name} \| {part.points} \|")

    def test_a_process_for_each_idle_client_is_made_in_the_warmup(self):
        fork_ms = 2  # on a slow and busy machine
        for cell in grade.CELLS.values():
            if cell.idle > 1:
                self.assertGreaterEqual(cell.warmup_ms, fork_ms * cell.idle)

    def test_expectations_fit_the_model(self):
        for model in (*MODELS, grade.ANY):
            expected = grade.expected_of(model)
            # Some expectations can be judged on any fraction of a core.
            self.assertGreater(sum(one.cores == 0 for one in expected), 1)
            for one in expected:
                self.assertLessEqual(set(one.cells), set(grade.CELLS))
        self.assertEqual(matrix.ANY, grade.ANY)


class GradedClaims(unittest.TestCase):
    """The part of the grade about claims, with made-up runs of a server that is
    graded as a fork server."""

    RIGHT = {"processes": 11.0, "threads": 11.0, "cores": 2.0}
    COST = {"latency": 800.0, "small": 12.0}

    def rounds(self, **columns):
        """Returns rounds in which each cell has a run as a fork server makes
        it. `columns` replace values of all runs."""
        return [{name: {**made_up.row("mine", cell.connections), **self.RIGHT,
                        "server_cpu_us_per_req": self.COST.get(name, 5.0),
                        **columns} for name, cell in grade.CELLS.items()}
                for _ in range(grade.ROUNDS)]

    def judge(self, rounds, problems=(), cores=2):
        """Judges these rounds on a machine with so many cores. Returns which
        claims and runs fail, and the number of claims that hold. A claim is
        named by its verb and its cell: "answersthroughput"."""
        with unittest.mock.patch.object(
                grade, "measured", lambda *_: (rounds, list(problems))), \
                unittest.mock.patch.object(grade.machine, "cores",
                                           lambda: cores), \
                contextlib.redirect_stdout(io.StringIO()) as said:
            result = grade.judge_claims(options_for(
                pathlib.Path("mine"), "fork"))
        self.not_judged = said.getvalue().count("Not judged")
        self.meanings = {meaning for _, meaning in result.failures}
        words = {one.says: one.says.split()[0] + one.cells[0]
                 for one in grade.EXPECTATIONS}
        return [next((word for says, word in words.items() if says in check),
                     check) for check, _ in result.failures], result.passed

    def test_all_as_expected(self):
        self.assertEqual(self.judge(self.rounds()), ([], 6))

    def test_each_that_is_not(self):
        for column, value, failed in (
                ("served", 0.0, "servessilent"),
                ("share_of_possible", 0.1, "answerswait"),
                ("cores", 1.0, "keepslatency"),
                ("processes", 1.0, "hasthroughput"),
                ("server_cpu_us_per_req", 5.0, "spendslatency")):
            self.assertEqual(self.judge(self.rounds(**{column: value})),
                             ([failed], 5))
        rounds = self.rounds()
        for runs in rounds:
            runs["idle"]["server_cpu_us_per_req"] = 50.0
        self.assertEqual(self.judge(rounds), (["answersthroughput"], 5))

    def test_one_bad_round_of_three_costs_nothing(self):
        rounds = self.rounds()
        rounds[1] = self.rounds(cores=1.0, served=0.0)[0]
        self.assertEqual(self.judge(rounds), ([], 6))

    def test_cores_that_others_use_are_not_judged(self):
        self.assertEqual(self.judge(self.rounds(cores=1.0, foreign_cores=1.0)),
                         ([], 5))

    def test_runs_without_a_reply(self):
        """Checks that runs without a reply fail, unless other programs used the
        cores. One such round of three costs no points."""
        nothing = {"server_cpu_us_per_req": math.nan}
        self.assertEqual(self.judge(self.rounds(**nothing)), (
            ["spendslatency", "answersthroughput"], 4))
        self.assertEqual(self.judge(self.rounds(
            **nothing, foreign_cores=1.0)), ([], 3))
        for number in range(grade.ROUNDS):
            rounds = self.rounds()
            rounds[number] = self.rounds(**nothing)[0]
            self.assertEqual(self.judge(rounds), ([], 6))

    def test_a_run_in_which_a_slow_server_sends_nothing_is_made_longer(self):
        for cell, answers in (("latency", [math.nan, 2e6]), ("latency", [8e2]),
                              ("silent", [math.nan])):
            rows = [{grade.COST: answer} for answer in answers]
            with unittest.mock.patch.object(
                    grade.client, "measured", side_effect=rows) as measured, \
                    unittest.mock.patch.object(grade, "complete", dict):
                run = grade.run_of(cell, options_for(BIN / "thread", "thread"))
            windows = [call.args[2][call.args[2].index("-d") + 1]
                       for call in measured.call_args_list]
            self.assertEqual(len(windows), len(answers))
            self.assertEqual(windows[1:], ["10000ms"] * (len(windows) - 1))
            self.assertIs(math.isnan(run[grade.COST]), cell == "silent")

    def test_what_takes_more_cores_is_not_judged(self):
        for cores, share, judged in ((1, 1.0, 5), (0.5, 0.1, 3)):
            rounds = self.rounds(cores=cores, share_of_possible=share)
            self.assertEqual(self.judge(rounds, cores=cores), ([], judged))
            self.assertEqual(self.not_judged, 6 - judged)

    def test_runs_that_fail_are_said(self):
        self.assertEqual(self.judge(self.rounds(), ["it did not stop"]),
                         (["it did not stop"], 6))

    def test_runs_that_are_missing_or_wrong_fail(self):
        for rounds in (self.rounds(wrong=1.0), [{}, {}, {}]):
            failed, passed = self.judge(rounds)
            self.assertEqual((len(failed), passed), (6, 0))
            self.assertEqual(self.meanings, {grade.NO_FIGURE})


@tap.part("grading")
class Grading(unittest.TestCase):
    """The grades of real servers."""

    def test_parts_of_the_conversation_have_the_known_number_of_checks(self):
        for part in grade.PARTS:
            if part.name == "waiting":
                continue  # Its number depends on the model, and is the lowest.
            said, cut = grade.converse(part, options_for(BIN / "thread",
                                                         "thread"))
            self.assertEqual(cut, "")
            result = grade.result_of(part, said, cut, "thread")
            self.assertEqual(result.failures, [])
            self.assertEqual(result.passed, grade.checks_of(
                part, "thread", said))
            self.assertEqual(result.earned(), part.points)

    def test_a_script_that_does_not_answer(self):
        with tempfile.TemporaryDirectory(prefix="My Lab ") as scratch:
            server = write_script(pathlib.Path(scratch, "my server"),
                                  "#!/bin/sh\nexit 3\n")
            done = subprocess.run(
                [program("grade"), server, "--bin", BIN],
                capture_output=True, text=True, timeout=LONG_S, check=True)
        total = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual((total["score"], total["model"]), (0, "any"))
        self.assertEqual(len(total["parts"]), len(grade.PARTS) + 2)
        self.assertEqual({part["passed"] for part in total["parts"].values()},
                         {0})

    def test_a_path_with_spaces(self):
        with tempfile.TemporaryDirectory(prefix="My Lab ") as scratch:
            server = pathlib.Path(scratch, "my server")
            shutil.copy(BIN / "thread", server)
            said, cut = grade.converse(grade.PARTS[-1], options_for(
                server, "thread"))
        self.assertEqual(cut, "")
        self.assertNotIn("not ok", said)

    def test_a_server_that_kills_its_process_group(self):
        with tempfile.TemporaryDirectory() as scratch:
            server = write_script(pathlib.Path(scratch, "mine"),
                                  "#!/bin/sh\nkill -9 0\n")
            _, cut = grade.converse(grade.PARTS[-1], options_for(
                server, grade.ANY))
        self.assertIn("process group", cut)

    def test_bad_arguments(self):
        done = subprocess.run([program("grade"), "no/such/server"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("no/such/server does not exist", done.stderr)
        done = subprocess.run([program("grade"), ROOT], capture_output=True,
                              text=True, check=False)
        self.assertIn(f"{ROOT} is a folder", done.stderr)
        done = subprocess.run([program("grade"), ROOT / "Makefile"],
                              capture_output=True, text=True, check=False)
        self.assertIn("Makefile is not executable: `chmod +x`", done.stderr)
        done = subprocess.run([program("grade"), ""], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("SERVER= is missing", done.stderr)

    def test_a_script_that_the_kernel_cannot_execute(self):
        for first in ("", "#!/no/such/interpreter\n"):
            with tempfile.TemporaryDirectory() as scratch:
                server = write_script(pathlib.Path(scratch, "mine"),
                                      f"{first}print(1)\n")
                done = subprocess.run([program("grade"), server, "--bin", BIN],
                                      capture_output=True, text=True,
                                      timeout=LONG_S, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn("#!/usr/bin/env python3", done.stderr)

    def test_numbers_in_the_environment(self):
        for part, variable in (("drain", "DRAINS"), ("protocol", "PATIENCE"),
                               ("protocol", "MANY")):
            for text in ("x", "0", "3x", "99999999"):
                done = subprocess.run(
                    [CONVERSATION, BIN / "thread"], capture_output=True,
                    text=True, timeout=LONG_S, check=False,
                    env={**os.environ, "ONLY": part, variable: text})
                self.assertEqual(done.returncode, 2)
                self.assertRegex(done.stderr, f"^{variable} must be a number "
                                              f"from 1 to .*, not '{text}'\n$")

    # Claims about numbers of clients and processes. These do not depend on the
    # speed of the machine.
    COUNTS = ("servessilent", "hasthroughput")

    @unittest.mock.patch.object(grade, "ROUNDS", 1)
    def failed_claims(self, server, model, programs):
        """Returns the claims of COUNTS that fail in one round, measured by the
        fibload in the folder `programs`."""
        with contextlib.redirect_stdout(io.StringIO()):
            result = grade.judge_claims(options_for(
                BIN / server, model, programs))
        words = {one.meaning: one.says.split()[0] + one.cells[0]
                 for one in grade.EXPECTATIONS}
        self.assertGreater(len(result.failures) + result.passed, 3)
        return [words[meaning] for _, meaning in result.failures
                if words.get(meaning) in self.COUNTS]

    def test_claims_of_a_server_of_ours(self):
        with tempfile.TemporaryDirectory() as scratch:
            patient = patient_bin(pathlib.Path(scratch))
            self.assertEqual(self.failed_claims("fork", "fork", patient), [])

    def test_another_model_than_it_claims(self):
        # patient_bin()'s client would wait for replies that never come.
        self.assertEqual(self.failed_claims("blocking", "fork", BIN),
                         [*self.COUNTS])


@tap.part("hostile")
class HostileTable(unittest.TestCase):
    """The part of the grade in which hostile clients attack a server."""

    def test_the_matrix_is_read(self):
        with unittest.mock.patch.object(grade, "TRIED", ("idle", "SIGTERM")):
            result = grade.judge_torture(options_for(BIN / "blocking", "fork"))
        self.assertEqual(result.passed, 1)
        (check, meaning), = result.failures
        self.assertEqual(check.partition(":")[0], "idle, waits")
        self.assertEqual(meaning, failures.explained(check))

    def first_problems(self, server, model, *tried):
        """Returns the first problem of a server during each of these attacks,
        as "attack, problem", or nothing for an attack without a problem."""
        cells = []
        for attack in matrix.ATTACKS:
            if attack.name in tried:
                with processes.held_back():
                    cells.append(attack_cell.tried(attack_cell.Subject(
                        "mine", server, model, False, BIN), attack))
        return [f"{cell.attack.name}, {cell.problems[0][0]}"
                for cell in cells if cell.problems]

    def test_a_bad_server(self):
        with tempfile.TemporaryDirectory() as scratch:
            server = write_script(pathlib.Path(scratch, "bad"), BAD_SERVER)
            ended = self.first_problems(server, grade.ANY, "idle",
                                        "resetting", "exhausting")
            # The attack waits this long for the missing reply.
            with unittest.mock.patch.object(attacks, "PATIENCE_S", 8):
                lost, = self.first_problems(server, grade.ANY, "pipelining")
        self.assertEqual(ended, ["resetting, dead", "exhausting, dead"])
        # If other programs use the cores, the well-behaved client may wait for
        # long: then that is the first problem.
        self.assertIn(lost, ("pipelining, lost", "pipelining, waits"))

    def check(self, server, model, *problems):
        """Checks that one of our servers, graded as `model`, has only these
        problems beside an idle client and when it is stopped."""
        self.assertEqual(self.first_problems(BIN / server, model, "idle",
                                             "SIGTERM"), [*problems])

    def test_models_are_what_they_claim_to_be(self):
        self.check("blocking", "blocking")
        self.check("nonblocking", grade.ANY)

    @unittest.mock.patch.object(attack_cell, "ATTACK_S", 5)
    def test_one_that_serves_them_side_by_side(self):
        self.check("fork", "blocking", "idle, beside")

    def test_one_that_is_always_busy(self):
        self.check("nonblocking", "fork", "idle, spins")


class Soaking(unittest.TestCase):
    def test_it_lasts_for_a_time(self):
        for text in ("0", "-1", "nan", "inf", "long"):
            with unittest.mock.patch("sys.argv", ["soak", "--seconds", text]), \
                    contextlib.redirect_stderr(io.StringIO()) as errors, \
                    self.assertRaises(SystemExit):
                soak.parse_arguments()
            self.assertIn("must be a number above 0", errors.getvalue())

    def test_an_attack_that_ends_is_judged_once(self):
        subject = attack_cell.Subject("fork", BIN / "fork", "fork", True, BIN)
        soaked = soak.Soaked(subject, None, 1)
        alive = iter((True, False))  # It ends between two checks of its thread.
        soaked.attacks = [(0, types.SimpleNamespace(
            complaints=["no reply"], over=unittest.mock.Mock(),
            thread=types.SimpleNamespace(is_alive=lambda: next(alive, False))))]
        for _ in range(3):
            soaked.check(False)
        self.assertEqual(soaked.cell.problems, [("lost", "no reply")])
        self.assertEqual(soaked.attacks, [])


def write_class(directory):
    """Writes the runs of a class: the reference run on three machines, two of
    which need more CPU time, and a file that has no runs."""
    with open(REFERENCE / "runs.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name, factor in (("ada", 1), ("bob", 3), ("eve", 2)):
        (directory / name).mkdir()
        with open(directory / name / "runs.csv", "w", newline="",
                  encoding="utf-8") as file:
            out = csv.DictWriter(file, rows[0])
            out.writeheader()
            for row in rows:
                slower = factor * float(row["server_cpu_us_per_req"])
                out.writerow({**row, "server_cpu_us_per_req": slower})
    (directory / "max.csv").write_text("not,runs\n")


class Class(unittest.TestCase):
    def test_slower_machines_have_the_same_ratios(self):
        with tempfile.TemporaryDirectory() as scratch:
            write_class(pathlib.Path(scratch))
            machines, problems = classroom.collected(pathlib.Path(scratch))
        self.assertEqual([*machines], ["ada", "bob", "eve"])
        self.assertEqual(len(problems), 1)
        cost = next(f for f in classroom.FIGURES
                    if f.experiment == "throughput")
        values_of = classroom.values_of(cost, machines)
        self.assertEqual([*values_of], ["fork", "thread", "nonblocking"])
        for values in values_of.values():
            self.assertEqual(len(values), 3)
            self.assertAlmostEqual(min(values), max(values))
        self.assertIn({"holds": 3}, classroom.verdicts(machines).values())

    def test_a_page_without_claims_has_no_table_of_verdicts(self):
        for model, has_claims in (("fork", True), ("select", False)):
            runs = Runs(made_up.rounds(model, 4, experiment=["latency"] * 2))
            blocks = classroom.blocks(pathlib.Path("none"), {"ada": runs}, [])
            self.assertEqual(classroom.VERDICT_TITLE in [
                getattr(block, "text", "") for block in blocks], has_claims)

    def test_each_top_folder_is_a_student(self):
        """Checks that each top folder is one student, named by it, whose newest
        run counts. Older runs and a folder without runs are reported."""
        with tempfile.TemporaryDirectory() as scratch:
            directory = pathlib.Path(scratch)
            for number, name in enumerate(("ada/old", "ada/results/latest",
                                           "bob/results/latest")):
                (directory / name).mkdir(parents=True)
                copy = directory / name / "runs.csv"
                shutil.copy(REFERENCE / "runs.csv", copy)
                os.utime(copy, (number, number))
            (directory / "eve").mkdir()
            machines, problems = classroom.collected(directory)
        self.assertEqual([*machines], ["ada", "bob"])
        self.assertEqual(len(problems), 2)
        self.assertIn("ada/old/runs.csv", problems[0])
        self.assertIn("eve", problems[1])


if __name__ == "__main__":
    tap.main()
