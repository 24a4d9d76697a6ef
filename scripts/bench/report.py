"""Writes report.md and report.html, which have the same contents: the findings
on one page, every experiment, and how far the figures can be trusted."""

import json
import math
from collections import Counter

from bench import runtimes
from bench.claims import (
    ENOUGH_ROUNDS, FAILS, HOLDS, INCONCLUSIVE, MORE_ROUNDS, NOT_MEASURED,
    SUGGESTS, SUGGESTS_NOT, coverage, judgements)
from bench.design import AXES, finding
from bench.experiments import EXPERIMENTS, finished
from bench.predictions import section as predictions
from bench.tables import COLUMNS, summary
from bench.terminal import NOTHING_FINISHED
from bench.validity import threats
from lib.document import (
    Code, Heading, Items, Picture, Table, Text, markdown, page)
from lib.models import in_order
from lib.replay import Replay, has_records
from lib.samples import faults
from lib.text import counted, listed, plural

TITLE = "How servers wait"
KEPT = "about.json"


# ---- What the reader must know first


def coverage_said(rounds):
    """Returns a sentence on how far the range of the rounds is trusted."""
    if rounds < 2:
        return "A single round does not show how much the figures vary."
    percent = 100 * coverage(rounds)
    sure = f"{percent:.0f} %" if percent <= 99 else "more than 99 %"
    text = f"That range covers the true median with probability {sure}"
    enough = rounds >= ENOUGH_ROUNDS
    return text + ("." if enough else f": {rounds} rounds are too few to rely "
                   "on.")


def excluded(runs):
    """Yields a sentence for every run that is left out of all figures, because
    the server failed a client."""
    for run in runs:
        if faults(run):
            yield (f"Left out of every figure: {run['experiment']}, "
                   f"{run['model']}, {counted(run['connections'], 'client')}, "
                   f"round {run['round']:.0f} ({listed(faults(run))}).")


def missing(runs, plan):
    """Yields a sentence for every experiment that lacks a sound run of a
    planned cell. `plan` are the planned runs."""
    sound, lacking = runs.sound(), {}
    for run in plan:
        if not sound.where(experiment=run.experiment.name, model=run.model,
                           **{run.experiment.axis: run.load}):
            models = lacking.setdefault(run.experiment, {})
            models.setdefault(run.model, set()).add(run.load)
    for experiment, models in lacking.items():
        cells = listed(
            f"{model} ({listed(f'{load:,}' for load in sorted(models[model]))})"
            for model in in_order(models))
        yield (f"No run of {experiment.name} with this many "
               f"{plural(AXES[experiment.axis])}: {cells}.")


# ---- Claims


# The verdicts, with their verbs for one claim and for several.
TALLIES = (
    (HOLDS, "holds", "hold"), (FAILS, "fails", "fail"),
    (SUGGESTS, "is suggested", "are suggested"),
    (SUGGESTS_NOT, "is suggested not to hold", "are suggested not to hold"),
    (INCONCLUSIVE, "is inconclusive", "are inconclusive"),
    (NOT_MEASURED, "was not measured", "were not measured"))


def tally(judged):
    """Returns as text how many claims have each verdict."""
    verdicts = Counter(one.verdict for one in judged)
    return listed(
        f"{verdicts[verdict]} {one if verdicts[verdict] == 1 else many}"
        for verdict, one, many in TALLIES if verdicts[verdict])


def correlation(sample):
    """Returns the autocorrelation of a sample as text."""
    value = sample.autocorrelation()
    return "-" if math.isnan(value) else f"{value:.2f}"


def claims_blocks(experiment, judged):
    """Returns the table of an experiment's claims, and a list of what may
    explain those that do not hold. The result is empty if there are no claims.
    """
    if not judged:
        return []
    table = Table(
        header=("claim", "verdict", "figure or ratio", "rounds", "coverage",
                "autocorrelation"),
        rows=tuple((one.claim.sentence(), one.verdict, one.measured(),
                    str(len(one.sample)), f"{one.coverage():.0%}",
                    correlation(one.sample)) for one in judged),
        left=("claim", "verdict"))
    doubts = tuple(f"{one.claim.sentence()}: {one.doubt()}."
                   for one in judged if one.verdict not in (HOLDS, SUGGESTS))
    return [Heading(3, "Claims", f"{experiment.name}-claims"), table,
            *([Items(doubts)] if doubts else [])]


# ---- The experiments


def table(experiment, runs):
    """Returns the table of an experiment: a row for every load and model."""
    columns = [COLUMNS[name] for name in experiment.columns]
    rows = []
    for load, at in runs.by(experiment.axis):
        for model, of in at.by("model"):
            rows.append((f"{load:,.0f}", model,
                         *(column.text(of) for column in columns)))
    header = (plural(AXES[experiment.axis]), "model",
              *(column.heading for column in columns))
    return Table(header, tuple(rows), left=("model",))


def section(directory, experiment, runs, said, judged):
    """Returns the blocks about one experiment. `said` is its finding, and
    `judged` are the judgements of its claims."""
    blocks = [Heading(2, experiment.name), Text(experiment.question),
              Text(f"**{said}.**")]
    picture = f"{experiment.name}.png"
    if (directory / picture).exists():
        blocks.append(Picture(picture, experiment.question))
    blocks += [table(experiment, runs),
               *claims_blocks(experiment, judged)]
    blocks += map(Text, experiment.explanation.split("\n\n"))
    return [*blocks, Text("To repeat this experiment: `make bench "
                          f"ONLY={experiment.name}`")]


def sections(directory, runs):
    """Yields the blocks about all experiments: first those that can be judged,
    with their findings, then the others, with their figures only."""
    shown = dict(finished(runs))
    for experiment, of in shown.items():
        yield from section(directory, experiment, of, finding(experiment, of),
                           judgements([(experiment, of)]))
    for experiment in EXPERIMENTS:
        of = runs.sound().where(experiment=experiment.name)
        if of and experiment not in shown:
            yield from section(directory, experiment, of, "No round is "
                               "complete: nothing can be compared", [])


# ---- The whole report


def how_to_read(runs):
    """Returns the blocks that explain the figures."""
    if not runs:
        return []
    rounds = runs.rounds()
    least = "" if rounds == len(runs.values("round")) else "at least "
    return [
        Heading(2, "How to read the figures"),
        Text(f"Figures are medians of {least}{counted(rounds, 'round')}, in "
             f"brackets the lowest and the highest. {coverage_said(rounds)} In "
             "every round each model meets each load once, as a fresh process; "
             "runs that are compared follow one another, in random order. CPU "
             "time, processes, threads and memory are those of the server's "
             "whole process tree."),
        Text("A claim is a relation that an experiment should show. It "
             "**holds** if the whole range over the rounds agrees with it, "
             "**fails** if the whole range contradicts it, and is "
             "**inconclusive** otherwise. A ratio compares two figures of the "
             "same round. Fewer than six rounds only **suggest** a verdict. If "
             f"six rounds disagree, the bench makes {MORE_ROUNDS} more of the "
             "runs that the claim compares, and leaves out the lowest and the "
             "highest of the nine values. Each verdict is then right with "
             "94.5 %, if the rounds are independent; the autocorrelation "
             "(lag 1) of independent rounds is near 0. A claim that fails on "
             "this machine is a finding, not a mistake."),
        Text("≥: the client was the limit, and the server could do at least "
             "that much. ~: other programs used the machine in most rounds.")]


def what_came_out(runs):
    """Returns the blocks of the first page: a table, and the findings."""
    shown = list(finished(runs))
    if not shown:
        return [Text(NOTHING_FINISHED)]
    said = (f"[{experiment.name}](#{experiment.name}): "
            f"{finding(experiment, of)}." for experiment, of in shown)
    judged = judgements(shown)
    claims = [f"Claims: {tally(judged)}."] if judged else []
    return [summary(shown), Items((*said, *claims))]


def environment(facts):
    """Returns the facts about the machine as aligned lines."""
    width = max(map(len, facts)) + 2
    return "".join(f"{name:{width}}{fact}\n" for name, fact in facts.items())


def contents(directory, runs, about):
    """Returns the blocks of the report. See write_report() for `about`."""
    facts, warnings = about["facts"], about["warnings"]
    host = ""  # the other one, if the servers ran there
    if "server" in facts:
        host = f" The servers ran on {facts['server']}."
    return [
        Heading(1, TITLE),
        Text(f"On {facts['processor']}, {facts['cores']} cores, "
             f"{facts['kernel']}, {facts['date']}; more at the "
             f"[end](#the-machine).{host}"),
        *([Heading(3, "Warnings"), Items(tuple(warnings))] if warnings else []),
        *what_came_out(runs),
        *([Heading(2, "Replay"), Replay()] if has_records(directory) else []),
        *runtimes.section(directory, list(finished(runs))),
        *predictions(directory, runs),
        *how_to_read(runs.sound()),
        *sections(directory, runs),
        Heading(2, "Threats to validity"),
        Items(threats(runs.sound(), about["calibrations"])),
        Heading(2, "The machine"), Code(environment(facts).strip())]


def write_report(directory, runs, about):
    """Writes both forms of the report, and stores `about` for write_again():
    `facts` about the machine, `calibrations` made before and after the runs,
    and `warnings`, which are sentences."""
    blocks = contents(directory, runs, about)
    (directory / "report.md").write_text(markdown(blocks), encoding="utf-8")
    (directory / "report.html").write_text(page(TITLE, blocks, directory),
                                           encoding="utf-8")
    (directory / KEPT).write_text(json.dumps(about, indent=1), encoding="utf-8")


def write_again(directory, runs):
    """Writes the report of an earlier run again, with the pictures that exist
    now. Does nothing if that run did not store what it needs."""
    kept = directory / KEPT
    if kept.exists():
        write_report(directory, runs, json.loads(kept.read_text("utf-8")))
