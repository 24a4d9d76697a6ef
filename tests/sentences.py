#!/usr/bin/env python3
"""The sentences that our programs print about runs, in made-up situations.

    tests/sentences.py >tests/sentences.txt      after a change of their words

SITUATIONS has for each situation its name, a function that returns the
sentence, and the facts that the sentence must have, in whatever words: the
models in the order in which they are named, and after a bar the numbers from
the lowest to the highest. The words are in sentences.txt, and nowhere else in
the tests.
"""

import math
import re
import textwrap
import unittest.mock

from made_up import (
    beside_hogs, costing, of_models, on_cores, rounds, row, unserved)
from under_test import (
    ALL_MODELS, AT_MOST, COLUMNS, EXPERIMENTS, Claim, PlannedRun, Runs, Sample,
    calibration, claims, compare, design, finding, findings, fitting, report,
    validity)

BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}
LATENCY, THROUGHPUT, IDLE = map(BY_NAME.get, ("latency", "throughput", "idle"))

MODEL = re.compile(r"\b(?:{})\b(?: --[a-z]+)?".format(
    "|".join(sorted(ALL_MODELS, key=len, reverse=True))))
NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?")

CALIBRATION = {"system call": 0.09, "timer": 60.0, "wake-up": 30.0,
               "null server": 4.0}
CHEAPER = Claim("thread", "spends {bound} of fork's CPU time",
                "server_cpu_us_per_req", AT_MOST, 0.75, than_model="fork",
                otherwise="it rained")


def facts(said):
    """Returns the facts of a text: the models that it names, a bar, and its
    numbers from the lowest to the highest."""
    numbers = sorted((number.replace(",", "") for number
                      in NUMBER.findall(said)), key=float)
    return f"{' '.join(MODEL.findall(said))} | {' '.join(numbers)}".strip()


def constant(value):
    """Returns a sample with this value in its only round."""
    return Sample({1: value})


def judged(claim=CHEAPER, **costs):
    """Returns the judgement on `claim`. `costs` has for each model its CPU time
    per request, in µs, in every round."""
    return claims.judge(THROUGHPUT, claim, costing(**costs))


def at_a_rate(**kept_up):
    """Returns runs in which each model answers a share of the requests due.
    `kept_up` has for each model its share in every round."""
    return of_models(20, "kept_up", [("rate", 10000.0)], **kept_up)


def beside_idle(*idle, **kept):
    """Returns runs beside 100 idle clients. `kept` has for each model the share
    of its rate that it keeps in every round. `idle` has for each run the memory
    of an idle client, in KiB."""
    runs = of_models(10, "rate_kept", **kept)
    for run, kib in zip(runs, idle):
        run.update(idle=100.0, kib_per_silent=kib)
    return runs


def behind_delay(**rates):
    """Returns a round with 100 clients whose replies are delayed by 100 ms.
    `rates` has the replies per second of each model."""
    return Runs(row(model.replace("_trap", " --trap"), 100, delay_ms=100.0,
                    rate_to_last=rate, share_of_possible=rate / 1000)
                for model, rate in rates.items())


def behind_an_idle_client():
    """Returns two rounds of the experiment silent, in which blocking answers no
    request."""
    return Runs(rounds("blocking", 1, served=(0, 0), oldest_us=(1.2e6, 2e6))
                + rounds("fork", 1, max_us=(80.0, 120.0))
                + rounds("thread", 1, max_us=(80.0, 70.0)))


def same_requests():
    """Returns two rounds of the experiment timeline: fork and thread use two
    cores, coroutine one, and blocking serves only one client."""
    return Runs(rounds("blocking", 4, served=(1, 1), set_ms=(60, 60))
                + rounds("fork", 4, set_ms=(31, 32))
                + rounds("thread", 4, set_ms=(33, 36))
                + rounds("coroutine", 4, set_ms=(62, 63)))


def connecting():
    """Returns two rounds of the experiment churn, with the CPU time per
    connection in µs."""
    return of_models(10, "server_cpu_us_per_req", blocking=(7.0, 7.2),
                     fork=(100, 110), thread=(17, 17.5), coroutine=(17, 18))


def idle_second_core():
    """Returns runs in which fork uses a second core, but does not answer more
    requests than coroutine."""
    return Runs({**run, "req_per_s": 1000.0}
                for run in on_cores(fork=(1.9, 1.9), coroutine=(1, 1)))


def rising_load():
    """Returns one round of fork with 1, 2 and 4 clients. From 2 clients on it
    uses a second core."""
    return Runs(row("fork", clients, experiment="latency",
                    cores=1.9 if clients > 1 else 0.9)
                for clients in (1, 2, 4))


def half_served():
    """Returns one round in which blocking serves 1 of 100 clients, and fork
    serves all."""
    return Runs([row("blocking", 100, served=1.0), row("fork", 100)])


def excluded():
    """Returns the report's text about a run with a wrong reply."""
    return " ".join(report.excluded(Runs([row("fork", 1, 2, wrong=1.0)])))


def missing():
    """Returns the report's text about planned cells that have no run."""
    plan = [PlannedRun(THROUGHPUT, cell, "fork", 1)
            for cell in design.of_size(THROUGHPUT, "default").cells]
    return " ".join(report.missing(Runs([row("fork", 1)]), plan))


def doubted(runs, *calibrations):
    """Returns the threats to validity of these runs on a virtual machine."""
    with unittest.mock.patch.object(validity, "is_virtual", lambda: True):
        return " / ".join(validity.threats(Runs(runs), calibrations))


def two_machines():
    """Returns the comparison of two results with different loads."""
    return " / ".join(compare.compared(
        THROUGHPUT, Runs([row("fork", 100)]), Runs([row("fork", 10)])))


def agreeing():
    """Returns the comparison of two results with the same verdict on their only
    claim."""
    runs = Runs(rounds("fork", 4, cores=(1.9, 1.9)))
    return "".join(compare.verdicts({LATENCY: runs}, {LATENCY: runs})).strip()


def cell(column, runs):
    """Returns the text of a table's cell: this column of these runs."""
    return COLUMNS[column].text(Runs(runs))


SITUATIONS = {
    "latency: two models use a second core": (
        lambda: findings.latency(on_cores(
            fork=(1.9, 1.8), thread=(1.8, 1.9), coroutine=(1.0, 1.0))),
        "fork thread | 1.8 4"),
    "latency: one model uses a second core": (
        lambda: findings.latency(on_cores(fork=(2, 2), coroutine=(1, 1))),
        "fork | 2.0 4"),
    "latency: rounds disagree": (
        lambda: findings.latency(on_cores(fork=(1.9, 1.4), coroutine=(1, 1))),
        "coroutine fork | 1.4 1.9 4"),
    "latency: rounds disagree, of the only model": (
        lambda: findings.latency(on_cores(fork=(1.3, 1.3))), "fork | 1.3 4"),
    "latency: none uses a second core": (
        lambda: findings.latency(on_cores(fork=(1, 1), coroutine=(1, 1))),
        "| 4"),
    "latency: all use a second core": (
        lambda: findings.latency(on_cores(fork=(2, 2), thread=(2, 2))), "| 4"),
    "latency: a second core that brings nothing": (
        lambda: findings.latency(idle_second_core()), "fork | 4"),
    "latency: a single round": (
        lambda: finding(LATENCY, rising_load()), "fork | 4"),
    "latency: not all are served": (
        lambda: findings.latency(unserved(on_cores(blocking=(1, 1)), 1.0)),
        "blocking blocking | 1 4"),
    "latency: where a model breaks": (
        lambda: findings.one_core(Runs([row("fork", 4)])), "|"),

    "throughput: the rounds agree": (
        lambda: findings.throughput(costing(
            thread=(8.0, 9.0), coroutine=(3.5, 3.6), fork=(11, 12))),
        "coroutine thread fork | 3.5 8.5 12 100"),
    "throughput: two are about equal": (
        lambda: findings.throughput(costing(
            fork=(11, 11), coroutine=(4.9, 5.3), nonblocking=(4.8, 5.2))),
        "nonblocking coroutine fork | 5.0 5.1 11 100"),
    "throughput: all are equal": (
        lambda: findings.throughput(costing(fork=(4, 6.02), thread=(4, 6))),
        "thread fork | 5.0 100"),
    "throughput: too noisy": (
        lambda: findings.throughput(costing(fork=(2, 10), thread=(6, 10))),
        "fork thread | 6.0 8.0 100"),
    "throughput: not all are served": (
        lambda: findings.throughput(half_served()),
        "fork blocking | 1 5.0 100"),
    "throughput: none serves all": (
        lambda: findings.throughput(half_served().where(model="blocking")),
        "blocking | 1 100"),
    "throughput: four in a group": (
        lambda: findings.costs(list("abcd"), dict(zip(
            "abcd", map(constant, (1.0, 1.1, 1.2, 1.2))))), "| 1.0 1.2"),

    "idle: one model suffers": (
        lambda: findings.idle(beside_idle(
            8.0, 8.2, 0.2, 0.2, thread=(0.9, 0.98), nonblocking=(0.01, 0.02))),
        "nonblocking thread nonblocking thread | 0.20 1.0 2.0 8.1 90 100"),
    "idle: noise gains more than all": (
        lambda: findings.idle(beside_idle(8.0, 8.2, thread=(1.0, 1.2))),
        "thread thread | 8.1 100"),
    "idle: rounds disagree": (
        lambda: findings.idle(beside_idle(
            8.0, 8.2, thread=(0.5, 0.9))), "thread thread | 8.1 50 90 100"),
    "idle: a model without a run to compare with": (
        lambda: findings.idle(beside_idle(
            8.0, 8.0, 4.0, 4.0, fork=(math.nan, math.nan), thread=(1.0, 1.0))),
        "thread thread fork | 4.0 8.0 100"),
    "idle: no client was idle": (
        lambda: findings.idle(Runs([row("fork", 10)])), "|"),
    "idle: where a model breaks": (
        lambda: findings.slowed_by_idle(Runs([
            row("fork", 10, idle=100.0, rate_kept=0.5)])), "| 50 100"),
    "idle: where a model breaks beside one client": (
        lambda: findings.slowed_by_idle(Runs([
            row("fork", 10, idle=1.0, rate_kept=0.5)])), "| 1 50"),

    "wait: rounds disagree": (
        lambda: findings.wait(Runs(rounds(
            "fork", 100, delay_ms=(100, 100), rate_to_last=(500, 900),
            share_of_possible=(0.5, 0.9)))), "fork | 100 100 500 900"),
    "wait: some let all wait at once": (
        lambda: findings.wait(behind_delay(
            blocking=10.0, fork=900.0, coroutine=990.0, coroutine_trap=10.0)),
        "fork coroutine blocking coroutine --trap | 10 90 100 100"),
    "wait: where a model breaks": (
        lambda: findings.waits_for_one(behind_delay(blocking=10.0)),
        "| 10 100"),
    "wait: where a model breaks with one client": (
        lambda: findings.waits_for_one(Runs([
            row("fork", 1, rate_to_last=5.0, share_of_possible=0.5)])),
        "| 1 5.0"),

    "hog: some share, one starves": (
        lambda: findings.hog(beside_hogs(
            fork=(0.9, 1.3), thread=(0.6, 0.7), coroutine=(0.001, 0.002))),
        "fork thread coroutine | 0.10 0.20 4 40 60"),
    "hog: rounds disagree": (
        lambda: findings.hog(beside_hogs(fork=(0.2, 0.9))),
        "fork | 4 20 40 90"),
    "hog: no client asked for anything long": (
        lambda: findings.hog(Runs([row("fork", 8)])), "|"),
    "hog: where a model breaks": (
        lambda: findings.starved_by_long(beside_hogs(coroutine=(0.001,))),
        "| 0.10 4"),

    "churn: the rounds agree": (
        lambda: findings.churn(connecting()),
        "blocking thread coroutine fork | 7.1 17 18 100"),
    "churn: one model": (
        lambda: findings.churn(connecting().where(model="fork")),
        "fork | 100"),

    "knee: one falls behind, of one it is unclear": (
        lambda: findings.knee(at_a_rate(
            thread=(1.0, 0.99), fork=(0.4, 0.7), coroutine=(0.97, 0.9))),
        "thread fork coroutine | 40 70 10000"),
    "knee: all keep up": (
        lambda: findings.knee(at_a_rate(thread=(1.0,), fork=(0.96,))),
        "| 10000"),

    "timeline: side by side, one by one, not at all": (
        lambda: findings.timeline(same_requests()),
        "fork thread coroutine blocking | 1 24 32 34 62"),

    "silent: one model leaves a request without a reply": (
        lambda: findings.silent(behind_an_idle_client()), "blocking | 1.2 120"),
    "silent: one model answers": (
        lambda: findings.silent(Runs([row("fork", 1)])), "fork | 60"),
    "silent: all models answer": (
        lambda: findings.silent(Runs([row("fork", 1), row("thread", 1)])),
        "| 60"),
    "silent: rounds disagree": (
        lambda: findings.silent(Runs(rounds(
            "fork", 1, served=(0, 1), oldest_us=(1e6, 0)))), "fork | 1 2"),
    "silent: in the table": (
        lambda: cell("first_reply", [row("blocking", 1, served=0.0,
                                         oldest_us=1.2e6)]), "| 1.2"),

    "claims: a ratio": (CHEAPER.sentence, "thread fork | 0.75"),
    "claims: none at all": (
        lambda: Claim("fork", "serves {bound} clients", "served", AT_MOST,
                      0).sentence(), "fork |"),
    "claims: one that fails": (
        lambda: judged(thread=(9.0, 9.0), fork=(10.0, 10.0)).doubt(), "|"),
    "claims: one that is inconclusive": (
        lambda: judged(thread=(7.5, 7.6), fork=(10.0, 10.0)).doubt(), "|"),
    "claims: too few rounds": (
        lambda: judged(thread=(1., 1.), fork=(2., 2.)).doubt(), "| 2"),
    "claims: one round": (
        lambda: judged(thread=(1.0,), fork=(2.0,)).doubt(), "| 1"),
    "claims: how many were not measured": (
        lambda: report.tally([judged(thread=(), fork=(1.0,))]), "| 1"),
    "claims: how many fail": (
        lambda: report.tally(2 * [judged(thread=(9., 9.), fork=(10., 10.))]),
        "| 2"),

    "report: one round": (lambda: report.coverage_said(1), "|"),
    "report: two rounds": (lambda: report.coverage_said(2), "| 2 50"),
    "report: five rounds": (lambda: report.coverage_said(5), "| 5 94"),
    "report: six rounds": (lambda: report.coverage_said(6), "| 97"),
    "report: twenty rounds": (lambda: report.coverage_said(20), "| 99"),
    "report: a run that is left out": (excluded, "fork | 1 1 2"),
    "report: cells without a run": (missing, "fork | 10 100"),

    "grid: idle clients that do not fit": (
        lambda: " / ".join(fitting(IDLE, 510, "because")[1]),
        "| 500 500 1000 10000"),

    "threats: of two rounds, one disturbed": (
        lambda: doubted(rounds("fork", 1, foreign_cores=(0.5, 0.0)),
                        CALIBRATION), "| 0.15 1 2 2 30 50 97 250000"),
    "threats: of a busy client on one core": (
        lambda: doubted([row("fork", 1, client_cpu_share=1.0)],
                        {**CALIBRATION, "wake-up": math.nan}, CALIBRATION),
        "| 1 1 1 50 90 97 250000"),
    "calibration: before and after": (
        lambda: " / ".join(calibration.described(
            CALIBRATION, CALIBRATION).values()),
        "| 0.090 0.090 4.0 4.0 30 30 50 60 60"),

    "compare: one verdict": (agreeing, "| 1"),
    "compare: loads that differ": (two_machines, "| 10 100"),
}


def text():
    """Returns the whole text of sentences.txt: each situation's name, and below
    it the sentence."""
    return "".join(
        f"{name}\n" + textwrap.fill(
            say(), 80, initial_indent="    ", subsequent_indent="    ",
            break_on_hyphens=False) + "\n"
        for name, (say, _) in SITUATIONS.items())


if __name__ == "__main__":
    print(text(), end="")
