#!/usr/bin/env python3
"""Tests of what the course needs besides the bench: pages, quotations,
skeletons, predictions, grades, the class. Prints the same last line as the
tests in C."""

import contextlib
import csv
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import textwrap
import types
import unittest
import unittest.mock

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import annotated  # noqa: E402
import classroom  # noqa: E402
import document  # noqa: E402
import explanations  # noqa: E402
import grade  # noqa: E402
import highlight  # noqa: E402
import hostile  # noqa: E402
import lessons  # noqa: E402
import marked  # noqa: E402
import pages  # noqa: E402
import predict  # noqa: E402
import sidebyside  # noqa: E402
import skeleton  # noqa: E402
import tap  # noqa: E402
import tutorial  # noqa: E402
from results import MODELS, read_runs  # noqa: E402

BIN = ROOT / "bin"
CONVERSATION = ROOT / "build/plain/tests/conversation/run"
REFERENCE = ROOT / "results" / "reference"

BAD_SERVER = """\
#!/usr/bin/env python3
import os, signal, socket, threading

def serve(client):
    try:
        for count, line in enumerate(client.makefile("rb"), 1):
            if count % 10_000 == 0:
                continue  # It forgets one of so many.
            a, b = 0, 1
            for _ in range(int(line)):
                a, b = b, a + b
            client.sendall(b"fib: %d\\n" % a)
    except ConnectionError:
        os._exit(1)  # A reset ends it, and so does a full table, below.

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
        begin, end = lessons.quotable(SOURCE)[name]
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
        found = [name for path in lessons.sources()
                 for name, _, _ in lessons.lessons(lessons.lines_of(path))]
        said = sum((ROOT / path).read_text("utf-8").count("// LESSON ")
                   for path in lessons.sources())
        self.assertEqual(len(found), said)
        self.assertGreater(said, 20)

    def test_a_quotation_loses_its_indent(self):
        text = lessons.quoted("servers/fork.c#two-closes")
        self.assertTrue(text.startswith("// LESSON two-closes: "))
        self.assertTrue(text.endswith("\nclose(client);"))
        with self.assertRaises(KeyError):
            lessons.quoted("servers/fork.c#no-such-lesson")


class Markdown(unittest.TestCase):
    def html(self, text):
        blocks = marked.parse(textwrap.dedent(text), "x.md")
        return "\n".join(block.html(ROOT) for block in blocks)

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
            marked.parse("one\n<!-- two\n-->\na ` b", "x.md")


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.found = pages.Site().all()

    def test_the_lesson_diffs_are_there(self):
        for a, b in (("blocking", "fork"), ("fork", "thread"),
                     ("thread", "coroutine"), ("blocking", "nonblocking")):
            self.assertIn(f"diff/{a}-{b}.html", self.found)

    def test_links_lead_to_lessons(self):
        self.assertIn('href="servers/fork.c.html#two-closes"',
                      self.found["TUTORIAL.html"])
        self.assertIn('id="two-closes"', self.found["servers/fork.c.html"])
        self.assertIn('id="next_client"', self.found["servers/fork.c.html"])

    def test_no_link_is_dead_and_nothing_is_fetched(self):
        self.assertEqual([*pages.dead_links(self.found)], [])
        self.assertEqual([*pages.strangers(self.found)], [])

    def test_a_dead_link_is_noticed(self):
        found = {"a.html": '<a href="b/c.html#x">', "b/c.html": '<p id="y">'}
        self.assertEqual([*pages.dead_links(found)],
                         ["a.html has a dead link: b/c.html#x"])
        found = {"a.html": '<img src="x.png">'}
        self.assertEqual([*pages.strangers(found)],
                         ["a.html needs another file: x.png"])

    def test_a_link_to_a_missing_file_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "no servers/none.c"):
            pages.Site().text("x.md", "[a](servers/none.c)")

    def test_every_line_of_code_is_on_its_page(self):
        for path in ("servers/fork.c", "servers/coro/co_loop.c", "fib/fib.h"):
            lines = lessons.lines_of(path)
            shown = [line for part in annotated.parts(lines)
                     for line in (*part.comment, *part.code)]
            self.assertEqual([line.strip() for line in lines if line.strip()],
                             [line.strip() for line in shown if line.strip()])

    def test_code_has_the_numbers_of_its_lines(self):
        for part in annotated.parts(SOURCE):
            for number, line in enumerate(part.code, part.first):
                self.assertEqual(SOURCE[number - 1], line)

    def test_a_comment_behind_code_stays_there(self):
        self.assertTrue(any("            // and another." in part.code
                            for part in annotated.parts(SOURCE)))

    def test_colours(self):
        self.assertEqual(
            highlight.c_line('if (a < 1)  // "x"'),
            '<span class="keyword">if</span> (a &lt; '
            '<span class="number">1</span>)  '
            '<span class="comment">// "x"</span>')
        self.assertIn('<span class="string">"a // b"</span>',
                      highlight.c_line('f("a // b");'))

    def test_side_by_side(self):
        a = ["same"] * 20 + ["net_recv(client);"] + ["end"]
        b = ["same"] * 20 + ["co_recv(client);", "more"] + ["end"]
        html = sidebyside.side_by_side(a, b)
        self.assertIn("<mark>net_recv</mark>(client);", html)
        self.assertIn("<mark>co_recv</mark>(client);", html)
        self.assertIn("17 lines the same", html)
        self.assertEqual(sidebyside.counts(a, b), (2, 1))
        self.assertEqual(html.count("<tr>"), 23)


class Texts(unittest.TestCase):
    RUNS = "results/reference/runs.csv"

    def problems(self, text):
        return [what for _, what in tutorial.problems(text)]

    def test_quotations(self):
        right = lessons.quoted("servers/fork.c#two-closes")
        text = "<!-- quote servers/fork.c#{} -->\n```c\n{}\n```\n"
        self.assertEqual(self.problems(text.format("two-closes", right)), [])
        stale = text.format("two-closes", right.replace("close", "shut"))
        self.assertEqual(len(self.problems(stale)), 1)
        self.assertEqual(tutorial.with_quotations(stale),
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
        self.assertEqual(tutorial.with_figures(text.format("17")), right)

    def test_forms_of_figures(self):
        written = tutorial.written
        self.assertEqual(written("servers/blocking.c lines"), str(len(
            lessons.lines_of("servers/blocking.c")) - 1))
        self.assertRegex(written(f"{self.RUNS} throughput thread "
                                 "connections=100 p50_us duration"),
                         r"^\d+ µs$")
        self.assertRegex(written(f"{self.RUNS} idle nonblocking idle=1000 "
                                 "rate_kept percent"), r"^\d+ %$")
        self.assertEqual(written(f"{self.RUNS} wait coroutine+--trap "
                                 "connections=1000 connections count"),
                         "1,000")
        self.assertGreater(float(written(
            'results/reference/claims.csv idle "fork takes at least 2 times '
            'thread\'s memory for a silent client" median')), 2)

    def test_figures_that_nobody_has(self):
        for words in (f"{self.RUNS} nothing", "no/file lines",
                      f"{self.RUNS} throughput nobody connections=1 p50_us"):
            text = f"<!-- figure {words} -->3"
            self.assertEqual(len(self.problems(text)), 1, words)
            self.assertEqual(tutorial.with_figures(text), text)
        self.assertEqual(self.problems("<!-- figure servers/fork.c lines -->x"),
                         ["no figure follows this"])

    def test_commands(self):
        self.assertEqual(self.problems("`make bench QUICK=1`, `bin/fork`"), [])
        self.assertEqual(self.problems("```sh\nmake all nonsense  # make x\n"
                                       "bin/nobody | tests/run\n```"),
                         ["there is no make nonsense", "there is no bin/nobody"])

    def test_links(self):
        self.assertEqual(self.problems(
            "[a](servers/fork.c#zombies) [b](#here) [c](https://a.b/c)"), [])
        self.assertEqual(self.problems("`[a](b)` [a](servers/fork.c#ghosts)"),
                         ["there is no servers/fork.c#ghosts"])
        self.assertEqual([*tutorial.stale_links("\n[a](lab.md)", "course")], [])
        self.assertEqual([*tutorial.stale_links("\n[a](lab.md)", "")],
                         [(2, "there is no lab.md")])

    def test_translations(self):
        original = "[a](x.c#one)\n```sh\nmake\n```\n[b](x.c#two)"
        self.assertEqual([*tutorial.untranslated(original, original)], [])
        lacking = [what for _, what in tutorial.untranslated(
            "[a](x.c#one)", original)]
        self.assertEqual(len(lacking), 2)
        self.assertIn("x.c#two", lacking[0])

    def test_our_texts(self):
        for path in tutorial.texts():
            text = (ROOT / path).read_text("utf-8")
            self.assertEqual([*tutorial.problems(text, path)], [], path)


class Skeletons(unittest.TestCase):
    """Each is made, built, tried, and tried again with what was taken out."""

    def run_in(self, directory, *command, **more):
        return subprocess.run(command, cwd=directory, capture_output=True,
                              text=True, timeout=120, check=False, **more)

    def converse(self, server):
        done = self.run_in(ROOT, CONVERSATION, server, env={
            **os.environ, "ONLY": "protocol", "PATIENCE": "5"})
        return done.returncode == 0

    def make(self, model, directory):
        return self.run_in(ROOT, "make", "skeleton", f"MODEL={model}",
                           f"SKELETON={directory}")

    def begin(self, model):
        """Not where somebody may have begun a server of his own."""
        directory = ROOT / "build" / "course" / "skeleton" / model
        shutil.rmtree(directory, ignore_errors=True)
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

    def test_what_was_written_is_not_lost(self):
        directory = self.begin("thread")
        (directory / "thread.c").write_text("mine")
        done = self.make("thread", directory)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual((directory / "thread.c").read_text(), "mine")

    def test_what_is_taken_out(self):
        for model in MODELS:
            lines = lessons.lines_of(f"servers/{model}.c")
            text = "\n".join(skeleton.skeleton(model, lines))
            taken = [name for (name, *_), _ in skeleton.removals(lines)]
            self.assertGreater(len(taken), 1)
            self.assertEqual(text.count("not_written();"), len(taken))
            self.assertNotIn("LESSON", text)
            self.assertLessEqual(max(map(len, text.split("\n"))), 80)

    def test_no_task_is_for_nobody(self):
        for model, tasks in skeleton.TASKS.items():
            taken = {name for (name, *_), _ in skeleton.removals(
                lessons.lines_of(f"servers/{model}.c"))}
            self.assertLessEqual(set(tasks), taken, model)

    def test_unknown_models(self):
        done = self.make("none", "build/course/none")
        self.assertIn("MODEL is one of blocking", done.stderr)


class Predictions(unittest.TestCase):
    def ask(self, text):
        with contextlib.redirect_stdout(io.StringIO()):
            return predict.ask_all(io.StringIO(text))

    def test_answers(self):
        answers = self.ask("4\n\ncoroutine\n2 times\n")
        self.assertEqual(answers, {"behind-silent": 4, "cheapest": "coroutine",
                                   "fork-coroutine": 2})
        for text in ("many\n", "-1\n", "4\n1\nerlang\n", "nan\n"):
            with self.assertRaisesRegex(ValueError, "question"):
                self.ask(text)

    def test_every_question_has_an_answer_in_the_reference(self):
        runs = read_runs(REFERENCE / "runs.csv")
        for question in predict.QUESTIONS:
            guess = "fork" if question.models else 1.0
            *_, measured, verdict = predict.row(question, guess, runs)
            self.assertNotEqual(verdict, "not measured", question.name)
            self.assertNotEqual(measured, "-", question.name)

    def test_verdicts(self):
        exact, close, model = (next(
            q for q in predict.QUESTIONS if q.name == name) for name in (
                "served", "memory-thread", "cheapest"))
        self.assertEqual(predict.verdict(exact, 1, 1), "right")
        self.assertEqual(predict.verdict(exact, 2, 1), "wrong")
        self.assertEqual(predict.verdict(close, 8, 5), "close")
        self.assertEqual(predict.verdict(close, 64, 8), "8.0 times too much")
        self.assertEqual(predict.verdict(close, 0, 8), "wrong")
        self.assertEqual(predict.verdict(model, "fork", ["fork"]), "right")

    def test_only_earlier_predictions_are_taken_along(self):
        with tempfile.TemporaryDirectory() as scratch:
            results = pathlib.Path(scratch)
            for name in ("before", "after"):
                (results / name).mkdir()
            predict.keep(results / "before")
            (results / predict.KEPT).write_text(json.dumps(
                {"made": "today", "answers": {"served": 3}}))
            predict.keep(results / "after")
            runs = read_runs(REFERENCE / "runs.csv")
            self.assertEqual(predict.section(results / "before", runs), [])
            said = document.markdown(predict.section(results / "after", runs))
        self.assertIn("## Your predictions", said)
        self.assertIn("| 3 | 1 | wrong |", said)

    def test_the_report_shows_them(self):
        with tempfile.TemporaryDirectory() as scratch:
            results = pathlib.Path(scratch)
            (results / predict.KEPT).write_text(json.dumps(
                {"made": "today", "answers": {"behind-silent": 3}}))
            subprocess.run(
                [ROOT / "scripts/bench", "--only", "silent", "--rounds", "1",
                 "--quick", "--out", results / "run"], check=True,
                capture_output=True)
            said = (results / "run" / "report.md").read_text("utf-8")
        self.assertIn("## Your predictions", said)
        self.assertIn("| 3 | 4 | wrong |", said)

    def test_from_a_file(self):
        with tempfile.TemporaryDirectory() as scratch:
            answers = pathlib.Path(scratch) / "answers"
            answers.write_text("4\n1\n")
            out = pathlib.Path(scratch) / "results" / "predictions.json"
            subprocess.run([ROOT / "scripts/predict.py", "--answers", answers,
                            "--out", out], check=True, capture_output=True)
            self.assertEqual(json.loads(out.read_text())["answers"],
                             {"behind-silent": 4, "served": 1})


class Grades(unittest.TestCase):
    PART = grade.PARTS[0]

    def options(self, server, model):
        return types.SimpleNamespace(server=server, model=model, bin=BIN,
                                     conversation=CONVERSATION)

    def test_reading_what_the_conversation_says(self):
        said = ("ok 1 - mine: values\n# a note\n"
                "not ok 2 - mine: a byte at a time\n# 1 passed, 1 failed\n")
        result = grade.result_of(self.PART, said, True)
        self.assertEqual((result.passed, result.earned()), (1, 15.0))
        (check, meaning), = result.failures
        self.assertEqual(check, "a byte at a time")
        self.assertIn("half a request", meaning)
        cut = grade.result_of(self.PART, "ok 1 - mine: values\n", False)
        self.assertEqual(cut.earned(), 0)
        self.assertIn("180 s", cut.failures[0][1])

    def test_every_check_has_an_explanation(self):
        for model in ("blocking", "thread", "nonblocking"):
            for part in ("protocol", "hostile", "waiting", "command_line"):
                said, whole = grade.converse(
                    types.SimpleNamespace(name=part),
                    self.options(BIN / model, model))
                self.assertTrue(whole)
                for line in said.splitlines():
                    if line.startswith("ok "):
                        check = line.partition(": ")[2]
                        self.assertNotIn("Read what this check does",
                                         explanations.explained(check), check)

    def test_the_score(self):
        results = [grade.Result("a", 30, 3, []),
                   grade.Result("b", 10, 1, [("x", "y")])]
        total = grade.score(self.options(BIN / "fork", "fork"), results)
        self.assertEqual((total["score"], total["failed"]), (88, ["x"]))
        self.assertEqual(total["parts"]["b"]["points"], 5.0)

    def test_expectations_fit_the_model(self):
        for model in (*MODELS, grade.ANY):
            expected = grade.expected_of(model)
            self.assertTrue(expected)
            loads = grade.experiments_for(expected)
            self.assertEqual({one.experiment for one in expected},
                             {experiment.name for experiment in loads})
        for one in grade.EXPECTATIONS:
            self.assertIn(getattr(grade.CELLS[one.experiment][-1], next(
                e.axis for e in grade.EXPERIMENTS if e.name == one.experiment)),
                (one.load,))

    def test_a_script_that_does_not_answer(self):
        with tempfile.TemporaryDirectory() as scratch:
            server = pathlib.Path(scratch) / "mine"
            server.write_text("#!/bin/sh\nexit 3\n")
            server.chmod(0o755)
            done = subprocess.run(
                [ROOT / "scripts/grade.py", server, "--bin", BIN],
                capture_output=True, text=True, timeout=100, check=True)
        total = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual((total["score"], total["model"]), (0, "any"))
        self.assertIn("The other parts are not tried", done.stdout)

    @unittest.mock.patch.object(grade, "ROUNDS", 1)
    def test_claims_of_a_server_of_ours(self):
        with contextlib.redirect_stdout(io.StringIO()):
            result = grade.judge_claims(self.options(BIN / "fork", "fork"))
        self.assertEqual(result.failures, [])
        self.assertGreaterEqual(result.passed, 3)

    @unittest.mock.patch.object(grade, "ROUNDS", 1)
    def test_another_model_than_it_claims(self):
        with contextlib.redirect_stdout(io.StringIO()):
            result = grade.judge_claims(self.options(BIN / "blocking", "fork"))
        failed = " ".join(check for check, _ in result.failures)
        self.assertIn("serves at least 1 client behind", failed)
        self.assertIn("has at least 10 processes", failed)

    @unittest.mock.patch.object(hostile, "PATIENCE_S", 3)
    @unittest.mock.patch.object(
        grade, "TRIED", ("silent", "resetting", "exhausting", "pipelining"))
    def test_a_bad_server_in_the_hostile_table(self):
        with tempfile.TemporaryDirectory() as scratch:
            server = pathlib.Path(scratch) / "bad"
            server.write_text(BAD_SERVER)
            server.chmod(0o755)
            result = grade.judge_torture(self.options(server, grade.ANY))
        self.assertEqual([check.partition(":")[0]
                          for check, _ in result.failures],
                         ["resetting, dead", "exhausting, dead",
                          "pipelining, lost"])
        self.assertIn("a full table is a reason to wait",
                      result.failures[1][1])
        self.assertEqual(result.earned(), 2.5)

    @unittest.mock.patch.object(grade, "TRIED", ("silent", "SIGTERM"))
    def test_the_hostile_table_knows_the_model(self):
        for server, model, failed in (
                ("blocking", "blocking", []),
                ("blocking", "fork", ["silent, waits"]),
                ("fork", "blocking", ["silent, beside"]),
                ("nonblocking", "fork", ["silent, spins"]),
                ("nonblocking", grade.ANY, [])):
            result = grade.judge_torture(self.options(BIN / server, model))
            self.assertEqual([check.partition(":")[0]
                              for check, _ in result.failures], failed)

    def test_every_problem_has_an_explanation(self):
        known = {ordeal.name for ordeal in grade.ORDEALS}
        self.assertLessEqual(set(grade.TRIED), known)
        for ordeal in known:
            for word in ("beside", "waits", "never", "cut", "lost", "dead",
                         "spins", "grows", "leaks", "exit", "wrong", "fails"):
                self.assertNotIn("Read what this check does",
                                 explanations.explained(f"{ordeal}, {word}: "))
        for check in ("SIGTERM, left: ", "SIGKILL, port: "):
            self.assertNotIn("Read what this check does",
                             explanations.explained(check))

    def test_the_points(self):
        parts = (*grade.PARTS, grade.TORTURE, grade.CLAIMS)
        self.assertEqual(sum(part.points for part in parts), 100)

    def test_bad_arguments(self):
        done = subprocess.run([ROOT / "scripts/grade.py", "no/such/server"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("is no program", done.stderr)


class Class(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = pathlib.Path(scratch.name)
        with open(REFERENCE / "runs.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for name, factor in (("ada", 1), ("bob", 3), ("eve", 2)):
            self.write(name, rows, factor)
        (self.directory / "max.csv").write_text("not,runs\n")

    def write(self, name, rows, factor):
        """The reference run on a slower machine."""
        (self.directory / name).mkdir()
        with open(self.directory / name / "runs.csv", "w", newline="",
                  encoding="utf-8") as file:
            out = csv.DictWriter(file, rows[0])
            out.writeheader()
            for row in rows:
                slower = factor * float(row["server_cpu_us_per_req"])
                out.writerow({**row, "server_cpu_us_per_req": slower})

    def test_slower_machines_have_the_same_ratios(self):
        machines, problems = classroom.collected(self.directory)
        self.assertEqual([*machines], ["ada", "bob", "eve"])
        self.assertEqual(len(problems), 1)
        cost = next(f for f in classroom.FIGURES
                    if f.experiment == "throughput")
        for values in classroom.values_of(cost, machines).values():
            self.assertEqual(len(values), 3)
            self.assertAlmostEqual(min(values), max(values))
        counts = classroom.verdicts(machines)[
            "silent: blocking serves no clients behind the silent one"]
        self.assertEqual(counts, {"holds": 3})

    def test_the_page(self):
        done = subprocess.run(
            [ROOT / "scripts/classroom.py", self.directory],
            capture_output=True, text=True, check=True)
        self.assertIn("3 machines\nmax is left out", done.stdout)
        page = (self.directory / "class.html").read_text("utf-8")
        self.assertIn("CPU time per request, times that of coroutine", page)
        self.assertEqual("data:image/png" in page,
                         (self.directory / "class.png").exists())
        if (self.directory / "class.png").exists():
            self.assertGreater((self.directory / "class.png").stat().st_size,
                               10000)

    def test_nothing_collected(self):
        (self.directory / "empty").mkdir()
        done = subprocess.run(
            [ROOT / "scripts/classroom.py", self.directory / "empty"],
            capture_output=True, text=True, check=False)
        self.assertIn("no runs.csv", done.stderr)


if __name__ == "__main__":
    tap.main()
