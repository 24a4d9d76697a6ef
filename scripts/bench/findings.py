"""Writes the finding of each experiment, a sentence computed from its runs.

The function of an experiment takes the runs at the experiment's load. Its
sentence is the title of the picture and of the table. It judges by the same
intervals and bounds as the claims (Sample.interval), so that it cannot
contradict a verdict. If the rounds disagree, the sentence gives their range.
"""

import math

from lib.samples import Runs, Sample
from lib.text import counted, duration, factor, listed, rounded

# A server uses a second core if in every round it uses at least SECOND_CORE_MIN
# cores. It uses only one if in every round it uses at most ONE_CORE_MAX. In all
# other cases, that is unclear.
SECOND_CORE_MIN = 1.5
ONE_CORE_MAX = 1.2

# Costs that overlap are called about equal up to this ratio.
ABOUT_EQUAL_MAX = 1.25

# For more models than this, only their range is named.
SAID_ONE_BY_ONE = 3


def does(number, base):
    """Returns the verb for so many: one uses, two use."""
    return base + "s" if number == 1 else base


def verb(models, base):
    """Returns the verb for these models."""
    return does(len(models), base)


def named(group, models, said=()):
    """Returns a group of models as text: "all models" if the group has all of
    `models`; "the others" if it has all but those of `said`, which the sentence
    has named before; or else their names. A single model is always named."""
    if len(group) < 2 or len(group) + len(said) < len(models):
        return listed(group)
    return "the others" if said else "all models"


def unserved(at):
    """Says which models did not serve all clients, as "; blocking serves
    only 1 client", or "" if all did."""
    text = ""
    for model, of in at.by("model"):
        if not of.all_served():
            clients = counted(of.median("served"), "client")
            text += f"; {model} serves only {clients}"
    return text


def samples(at, column):
    """Returns a column as Samples by model, for models that have values."""
    found = {model: of.sample(column) for model, of in at.by("model")}
    return {model: sample for model, sample in found.items() if sample}


def lowest_to_highest(values):
    """Returns the range of some values as text: "34 to 36", or "34" if both
    ends are equal when rounded."""
    return " to ".join(dict.fromkeys(
        rounded(value, 2) for value in (min(values), max(values))))


def percents(sample):
    """Returns a share as text: "1.2 %", or "40 to 80 %" if rounds differ."""
    ends = ((sample.low, sample.high)
            if sample.high > ABOUT_EQUAL_MAX * sample.low
            else (sample.median, sample.median))
    return f"{lowest_to_highest([100 * end for end in ends])} %"


# ---- latency


def cores_used(at):
    """Returns two lists: the models that use a second core, and those that use
    only one. Models for which that is unclear are in neither."""
    cores = samples(at, "cores")
    return ([m for m in cores if cores[m].low >= SECOND_CORE_MIN],
            [m for m in cores if cores[m].high <= ONE_CORE_MAX])


def gain(at, fast, slow):
    """Returns a ratio of requests per second: that of the slowest model in
    `fast` to that of the fastest in `slow`, as the median over the rounds, or
    NaN if no round has both. All have the same load. A single client would be
    no fair base: it lets cores fall asleep between its requests, while more
    clients keep them awake."""
    def by_round(chosen, models):
        runs = Runs(run for run in at if run["model"] in models)
        return Sample({number: chosen(run["req_per_s"] for run in of)
                       for number, of in runs.by("round")})

    return (by_round(min, fast) / by_round(max, slow)).median


def latency(at):
    """Says which models use a second core."""
    second, one = cores_used(at)
    only = "only " if one and len(second + one) == len(at.models()) else ""
    parts = []
    if second:
        parts.append(f"{only}{named(second, at.models())} "
                     f"{verb(second, 'use')} a second core"
                     f"{benefit(at, second, one)}")
    elif one:
        parts.append(f"{named(one, at.models())} {verb(one, 'stay')} on one "
                     "core")
    parts += [f"{model} uses {lowest_to_highest(cores.interval)} cores"
              for model, cores in samples(at, "cores").items()
              if model not in second + one]
    clients = counted(at[0]["connections"], "client")
    return f"With {clients}, {'; '.join(parts)}" + unserved(at)


def benefit(at, second, one):
    """Returns as text how many more requests the models on two cores answer
    than those on one, or "" if that is unknown."""
    more = gain(at, second, one)
    if math.isnan(more):
        return ""
    if more < 1.1:
        return f", but {verb(second, 'answer')} no more requests"
    return (f" and {verb(second, 'answer')} {factor(more)} as many requests as "
            "any other model")


def one_core(of):
    """Returns how a model breaks down under long requests, in a few words, or
    "" if it does not. `of` are its runs, as in all such functions below."""
    high = of.sample("cores").high
    return "long requests get one core at most" if high <= ONE_CORE_MAX else ""


# ---- throughput


def lies_below(these, those):
    """Returns whether the figure of one sample is lower than that of another.
    It must be lower in each round, apart from extreme rounds, and differ by
    more than ABOUT_EQUAL_MAX, unless the two intervals do not overlap."""
    far = those.median > ABOUT_EQUAL_MAX * these.median
    return these.below(those) and (far or these.high < those.low)


def ranked(found):
    """Returns the models of these samples in groups, from the lowest value to
    the highest. Every earlier group lies below every later one."""
    order = sorted(found, key=lambda model: found[model].spread())
    groups = []
    for i, model in enumerate(order):
        if all(lies_below(found[a], found[b])
               for a in order[:i] for b in order[i:]):
            groups.append([])
        groups[-1].append(model)
    return groups


def costs(group, cost):
    """Returns the costs of a group as text: "5.1 and 5.2 µs, about equal"."""
    values = [cost[model].median for model in group]
    texts = [rounded(value, 2) for value in values]
    if len(set(texts)) == 1:
        return f"{texts[0]} µs{' each' if len(texts) > 1 else ''}"
    equal = max(values) <= ABOUT_EQUAL_MAX * min(values)
    if len(texts) > SAID_ONE_BY_ONE:
        texts = [f"{texts[0]} to {texts[-1]}"]
    how = "about equal" if equal else "too noisy to order"
    return f"{listed(texts)} µs, {how}"


def of_served(at, column):
    """Returns the samples() of the models that served all clients."""
    return {model: sample for model, sample in samples(at, column).items()
            if at.where(model=model).all_served()}


def throughput(at):
    """Says which models need the least CPU time per request."""
    cost = of_served(at, "server_cpu_us_per_req")
    load = f"With {counted(at[0]['connections'], 'client')},"
    if not cost:
        return f"{load} no model serves all" + unserved(at)
    first, *rest = ranked(cost)
    if not rest:
        return (f"{load} the CPU time per request is {costs(first, cost)}, in "
                f"{listed(first)}" + unserved(at))
    after = (f"{listed(group)} ({costs(group, cost)})" for group in rest)
    return (f"{load} {listed(first)} {verb(first, 'need')} the least CPU time "
            f"per request ({costs(first, cost)}), then {listed(after)}"
            + unserved(at))


# ---- idle


# The share of its rate that a model keeps beside idle clients. From this share
# on, the loss is not worth naming.
KEPT_MIN = 0.8


def idle(at):
    """Says which share of its rate each model keeps, and how much memory an
    idle client takes."""
    load = counted(at[0]["idle"], "idle client")
    if not at[0]["idle"]:
        return "No client was idle: nothing can be compared"
    kept = samples(at, "rate_kept")
    well = [m for m in kept if kept[m].low >= KEPT_MIN]
    parts = [f"{model} keeps {percents(share)} of its rate"
             for model, share in kept.items() if model not in well]
    if well:
        shares = [kept[model].low for model in well]
        all_of_it = min(shares) >= 1  # Noise may raise a share above 1.
        parts.append(f"{named(well, list(kept), parts)} {verb(well, 'keep')} "
                     f"{'all of it' if all_of_it else at_least(shares)}")
    parts = parts or ["no model has a rate to compare with"]
    return f"Beside {load}, {', '.join(parts)}{memory(at)}"


def percent(share):
    """Returns a share in percent as text."""
    return f"{rounded(100 * share, 2)} %"


def at_least(shares):
    """Returns the lowest of some shares as text: "at least 90 %"."""
    return f"at least {percent(min(shares))}"


def memory(at):
    """Returns as text how much memory an idle client takes, from the cheapest
    model to the most expensive, or "" if that was not measured."""
    taken = samples(at, "kib_per_silent")
    texts = [f"{lowest_to_highest([taken[m].median for m in group])} in "
             f"{listed(group)}" for group in ranked(taken)]
    return (f"; an idle client takes, in KiB, {listed(texts)}" if texts
            else "")


def slowed_by_idle(of):
    """Returns how a model breaks down beside idle clients, or ""."""
    return what_is_left(of, "idle", "idle client", "rate_kept", KEPT_MIN,
                        "rate")


def what_is_left(of, axis, noun, column, enough, of_what):
    """Returns which share of `of_what` a load leaves to a model, as text, or ""
    if `enough` is left. `axis` has the number of what loads it, and `noun` its
    name; `column` has the share."""
    kept, number = of.sample(column), of[0][axis]
    if not kept.high < enough:
        return ""
    return (f"{counted(number, noun)} {does(number, 'leave')} it "
            f"{percents(kept)} of its {of_what}")


# ---- hog


# The share of its small requests that a model keeps beside long ones. From
# SHARED_MIN on, its clients are served; up to STARVED_MAX, they are not.
SHARED_MIN = 0.33
STARVED_MAX = 0.05


def hog(at):
    """Says which share of its small requests each model keeps."""
    hogs = at[0]["hogs"]
    if not hogs:
        return "No client sent a long request: nothing can be compared"
    kept = samples(at, "kept_beside_hogs")
    well = [m for m in kept if kept[m].low >= SHARED_MIN]
    parts = []
    if well:
        parts.append(f"{listed(well)} {verb(well, 'keep')} "
                     f"{at_least(min(1, kept[m].low) for m in well)} of their "
                     "small requests")
    parts += starved({m: kept[m] for m in kept if m not in well}, bool(well))
    parts = parts or ["no model has a rate to compare with"]
    return (f"While {counted(hogs, 'client')} {does(hogs, 'ask')} for fib(40), "
            f"{', '.join(parts)}")


def starved(kept, has_verb):
    """Returns a list of texts: which share each of these models keeps, or only
    their maximum if there are many. If the sentence has no verb yet, the first
    text adds it."""
    models = sorted(kept, key=lambda model: kept[model].spread())
    groups = [([model], percents(kept[model])) for model in models]
    if len(models) > SAID_ONE_BY_ONE:
        most = max(sample.high for sample in kept.values())
        groups = [(models, f"at most {percent(most)}")]
    texts = [f"{listed(group)} {share}" for group, share in groups]
    if groups and not has_verb:
        group, share = groups[0]
        whose = "its" if len(group) == 1 else "their"
        texts[0] = (f"{listed(group)} {verb(group, 'keep')} {share} of {whose} "
                    "small requests")
    return texts


def starved_by_long(of):
    """Returns how a model breaks down beside long requests, or ""."""
    return what_is_left(of, "hogs", "long request", "kept_beside_hogs",
                        SHARED_MIN, "small ones")


# ---- churn


def churn(at):
    """Says in which models a connection costs the least CPU time."""
    cost = of_served(at, "server_cpu_us_per_req")
    if not cost:
        return "No model serves all" + unserved(at)
    first, *rest = ranked(cost)
    if not rest:
        return (f"The CPU time per connection is {costs(first, cost)}, in "
                f"{listed(first)}" + unserved(at))
    ends = [f"{listed(group)} ({costs(group, cost)})" for group in
            (first, *rest)]
    return (f"A connection costs the least CPU time in {ends[0]}, then in "
            f"{listed(ends[1:])}" + unserved(at))


# ---- knee

# A server keeps up if it answers at least this share of the requests that are
# due in the window. Some are always in flight at its end.
KEPT_UP_MIN = 0.95


def knee(at):
    """Says which models keep up with the rate at which requests are due."""
    kept_up = samples(at, "kept_up")
    up = [m for m in kept_up if kept_up[m].low >= KEPT_UP_MIN]
    behind = [m for m in kept_up if kept_up[m].high < KEPT_UP_MIN]
    unclear = [m for m in kept_up if m not in up + behind]
    parts = [f"{named(up, at.models())} {verb(up, 'keep')} up"] if up else []
    parts += [f"{model} answers {percents(kept_up[model])} of them"
              for model in behind]
    if unclear:
        parts.append(f"it is unclear whether {listed(unclear)} "
                     f"{verb(unclear, 'keep')} up")
    due = counted(at[0]["rate"], "request per second")
    return f"With {due} due, {'; '.join(parts)}"


# ---- timeline


def timeline(at):
    """Says how long each model takes for the same requests. Models that did
    not serve all clients are named at the end."""
    requests = counted(at.median("requests"), "request")
    time = of_served(at, "set_ms")
    if not time:
        return f"No model serves all with {requests}" + unserved(at)
    text = (f"{listed(group)} "
            f"{lowest_to_highest([time[m].median for m in group])} ms"
            for group in ranked(time))
    return f"The same {requests} take {', '.join(text)}" + unserved(at)


# ---- wait


# A model that reaches this share of the maximum lets all requests wait at once.
POSSIBLE_MIN = 0.8


def wait(at):
    """Says which share of the maximum, or which rate, each model reaches."""
    share, rates = samples(at, "share_of_possible"), samples(at, "rate_to_last")
    well = [m for m in share if share[m].low >= POSSIBLE_MIN]
    parts = []
    if well:
        parts.append(f"{listed(well)} {verb(well, 'answer')} "
                     f"{at_least(share[model].low for model in well)} of the "
                     "maximum")
    badly = {}  # lists of models, by their rate
    for model in rates:
        if model not in well:
            apart = rates[model].high > ABOUT_EQUAL_MAX * rates[model].low
            rate = lowest_to_highest(
                [rates[model].low, rates[model].high] if apart
                else [rates[model].median])
            badly.setdefault(rate, []).append(model)
    for rate, these in badly.items():
        answer = "" if parts else f" {verb(these, 'answer')}"
        parts.append(f"{listed(these)}{answer} {rate} a second")
    clients = counted(at[0]["connections"], "client")
    delay = duration(1000 * at[0]["delay_ms"], 3)
    return (f"With {clients} and a backend that takes {delay}, "
            f"{', '.join(parts)}")


def waits_for_one(of):
    """Returns how a model breaks down with a slow backend, or ""."""
    if not of.sample("share_of_possible").high < POSSIBLE_MIN:
        return ""
    rate, clients = rounded(of.median("rate_to_last"), 2), of[0]["connections"]
    return (f"{counted(clients, 'client')} with a slow backend "
            f"{does(clients, 'get')} {rate} replies a second")


# ---- silent


def silent(at):
    """Says which models answer the second client, and within which time. For
    models that never do, says how long the client waited at least."""
    served = {model: of.values("served") for model, of in at.by("model")}
    never = [model for model in served if served[model] == [0]]
    always = [model for model in served if 0 not in served[model]]
    text = []
    if never:
        watched = min(run["oldest_us"] for run in at if run["model"] in never)
        do = "does" if len(never) == 1 else "do"
        text.append(f"{listed(never)} {do} not answer the next one within "
                    f"{duration(watched, 2)}")
    if always:
        slowest = max(run["max_us"] for run in at if run["model"] in always)
        text.append(f"{named(always, list(served), never)} "
                    f"{verb(always, 'answer')} within {duration(slowest, 2)}")
    for model, rounds in samples(at, "served").items():
        if model not in never + always:
            text.append(f"{model} answers in {sum(rounds):.0f} of "
                        f"{len(rounds)} rounds")
    return "Behind an idle client, " + "; ".join(text)


def stopped_by_one(of):
    """Returns how a model breaks down behind one idle client, or ""."""
    never = of.values("served") == [0]
    return "one idle client stops all others" if never else ""
