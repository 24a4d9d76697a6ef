"""What came out of an experiment, in a sentence: computed, never assumed.

Each function takes the runs of its experiment at the load that decides, and
returns the sentence that stands over its picture and its table. It judges by
the same values and bounds as the claims do (Sample.interval), so that it never
says the opposite of a verdict: where these disagree it gives their range.
"""

from statistics import median

from lib.text import counted, duration, factor, listed, rounded

# Cores in use, in every round: from here on a second one certainly is, up to
# there it certainly is not. Between them, or if rounds disagree, it is unclear.
SECOND_CORE_MIN = 1.5
ONE_CORE_MAX = 1.2

# The ratio up to which costs that overlap are called equal.
ABOUT_EQUAL_MAX = 1.25

# Of more models than that only the range is said.
SAID_ONE_BY_ONE = 3


def verb(models, base):
    """The verb for these models: one uses, two use."""
    return base + "s" if len(models) == 1 else base


def named(group, models, said=()):
    """A group of models as one says it, after others were said."""
    if len(group) < 2 or len(group) + len(said) < len(models):
        return listed(group)
    return "the others" if said else "all models"


def unserved(at):
    """'; blocking serves only 1', or nothing if all were served."""
    text = ""
    for model in at.models():
        of = at.where(model=model)
        if not of.all_served():
            text += f"; {model} serves only {of.median('served'):,.0f}"
    return text


def samples(at, column):
    """A column of each model that has values, as samples by model."""
    found = {model: at.where(model=model).sample(column)
             for model in at.models()}
    return {model: sample for model, sample in found.items() if sample}


def lowest_to_highest(values):
    """34; 34 to 36."""
    return " to ".join(dict.fromkeys(
        rounded(value, 2) for value in (min(values), max(values))))


def percents(sample):
    """A share in percent: 1.2 %, or 40 to 80 % if its rounds lie apart."""
    ends = ((sample.low, sample.high)
            if sample.high > ABOUT_EQUAL_MAX * sample.low
            else (sample.median, sample.median))
    return f"{lowest_to_highest([100 * end for end in ends])} %"


# ---- latency


def cores_used(at):
    """The models that use a second core, and those that stay on one."""
    cores = samples(at, "cores")
    return ([m for m in cores if cores[m].low >= SECOND_CORE_MIN],
            [m for m in cores if cores[m].high <= ONE_CORE_MAX])


def gain(at, fast, slow):
    """By how much the worst of `fast` answers more requests than the best of
    `slow`: the median over the rounds. At the same load, because a single
    client leaves cores asleep between its requests: more clients do more than
    their share already by keeping them awake."""
    def rates(of, models):
        return [run["req_per_s"] for run in of if run["model"] in models]

    rounds = [at.where(round=number) for number in at.values("round")]
    return median(min(rates(of, fast)) / max(rates(of, slow)) for of in rounds
                  if rates(of, fast) and rates(of, slow))


def latency(at):
    second, one = cores_used(at)
    unclear = [m for m in at.models() if m not in second + one]
    only = "only " if one and not unclear else ""
    parts = []
    if second:
        parts.append(f"{only}{named(second, at.models())} "
                     f"{verb(second, 'use')} a second core"
                     f"{benefit(at, second, one)}")
    elif one:
        parts.append(f"{named(one, at.models())} {verb(one, 'stay')} on one "
                     "core")
    cores = samples(at, "cores")
    parts += [f"{model} uses {lowest_to_highest(cores[model].interval)} cores"
              for model in unclear]
    clients = counted(at[0]["connections"], "client")
    return f"With {clients} {'; '.join(parts)}" + unserved(at)


def benefit(at, second, one):
    """What those on two cores get for it."""
    if not one:
        return ""
    more = gain(at, second, one)
    if more < 1.1:
        return f" yet {verb(second, 'answer')} no more requests"
    return (f" and {verb(second, 'answer')} {factor(more)} as many requests as "
            "any other")


def one_core(of):
    """Where a model breaks, here and below: a few words, or nothing."""
    high = of.sample("cores").high
    return "long requests get one core at most" if high <= ONE_CORE_MAX else ""


# ---- throughput


def lies_below(these, those):
    """Whether a sample has lower values than another: in each round, since what
    disturbs it disturbs both, and by more than about equal ones have, unless
    all rounds lie apart."""
    far = those.median > ABOUT_EQUAL_MAX * these.median
    return these.below(those) and (far or these.high < those.low)


def ranked(found):
    """The models of these samples from the lowest to the highest value, in
    groups: a new one begins where all those before lie below all the rest."""
    order = sorted(found, key=lambda model: found[model].spread())
    groups = []
    for i, model in enumerate(order):
        if all(lies_below(found[a], found[b])
               for a in order[:i] for b in order[i:]):
            groups.append([])
        groups[-1].append(model)
    return groups


def costs(group, cost):
    """5.1 and 5.2 µs, about equal."""
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
    """Samples by model, of those that served all clients."""
    return {model: sample for model, sample in samples(at, column).items()
            if at.where(model=model).all_served()}


def throughput(at):
    cost = of_served(at, "server_cpu_us_per_req")
    load = f"With {counted(at[0]['connections'], 'client')}"
    if not cost:
        return f"{load} no model serves all" + unserved(at)
    first, *rest = ranked(cost)
    text = f"{load} {listed(first)} {verb(first, 'need')}"
    if not rest:
        return (f"{text}, in CPU time per request, {costs(first, cost)}"
                + unserved(at))
    text += f" the least CPU time per request ({costs(first, cost)})"
    after = (f"{listed(group)} ({costs(group, cost)})" for group in rest)
    return f"{text}, then {listed(after)}" + unserved(at)


# ---- idle


# The share of its rate that a model keeps beside silent clients: from here on
# they cost it nothing worth naming.
KEPT_MIN = 0.8


def idle(at):
    load = counted(at[0]["idle"], "idle client")
    if not at[0]["idle"]:
        return "No client was idle: nothing can be compared"
    kept = samples(at, "rate_kept")
    well = [m for m in kept if kept[m].low >= KEPT_MIN]
    parts = [f"{model} keeps {percents(share)} of its rate"
             for model, share in kept.items() if model not in well]
    if well:
        shares = [kept[model].low for model in well]
        all_of_it = min(shares) >= 1  # Noise may make it more.
        parts.append(f"{named(well, list(kept), parts)} {verb(well, 'keep')} "
                     f"{'all of it' if all_of_it else at_least(shares)}")
    parts = parts or ["no model has a rate to compare with"]
    return f"Beside {load} {', '.join(parts)}{memory(at)}"


def percent(share):
    return f"{rounded(100 * share, 2)} %"


def at_least(shares):
    """What models reach in every round."""
    return f"at least {percent(min(shares))}"


def memory(at):
    """What an idle client takes, from the cheapest model on."""
    taken = samples(at, "kib_per_silent")
    texts = [f"{lowest_to_highest([taken[m].median for m in group])} in "
             f"{listed(group)}" for group in ranked(taken)]
    return f"; each takes, in KiB, {listed(texts)}" if texts else ""


def slowed_by_silence(of):
    kept = of.sample("rate_kept")
    if not kept.high < KEPT_MIN:
        return ""
    return (f"{counted(of[0]['idle'], 'idle client')} leave it "
            f"{percents(kept)} of its rate")


# ---- hog


# The share of its small requests that a model keeps beside long ones: from here
# on its clients are served, up to there they are not.
SHARED_MIN = 0.33
STARVED_MAX = 0.05


def hog(at):
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
    parts += starved({m: kept[m] for m in kept if m not in well}, not well)
    parts = parts or ["no model has a rate to compare with"]
    ask = "asks" if hogs == 1 else "ask"
    return (f"While {counted(hogs, 'client')} {ask} for fib(40), "
            f"{', '.join(parts)}")


def starved(kept, first):
    """What each of these keeps; at most, if they are many. `first` says whether
    the sentence has no verb yet."""
    models = sorted(kept, key=lambda model: kept[model].spread())
    if len(models) > SAID_ONE_BY_ONE:
        most = max(sample.high for sample in kept.values())
        return [f"{listed(models)} at most {percent(most)}"]
    shares = [f"{model} {percents(kept[model])}" for model in models]
    return ["of their small requests are left: " + ", ".join(shares)] if (
        first and shares) else shares


def starved_by_long(of):
    kept = of.sample("kept_beside_hogs")
    if not kept.high < SHARED_MIN:
        return ""
    leave = "leaves" if of[0]["hogs"] == 1 else "leave"
    return (f"{counted(of[0]['hogs'], 'long request')} {leave} it "
            f"{percents(kept)} of its small ones")


# ---- churn


def churn(at):
    cost = of_served(at, "server_cpu_us_per_req")
    if not cost:
        return "No model serves all" + unserved(at)
    first, *rest = ranked(cost)
    ends = [f"{listed(group)} ({costs(group, cost)})" for group in
            (first, *rest)]
    if not rest:
        return f"A connection costs CPU time: {ends[0]}" + unserved(at)
    return (f"A connection costs the least CPU time in {ends[0]}, then in "
            f"{listed(ends[1:])}" + unserved(at))


# ---- knee

# The share of the requests due that are answered in the window: above it a
# server keeps up, as some are always in flight at the end.
KEPT_UP_MIN = 0.95


def knee(at):
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
    """The time for the same requests, of those whose clients all got some."""
    requests = counted(at.median("requests"), "request")
    time = of_served(at, "set_ms")
    if not time:
        return f"No model serves all with {requests}" + unserved(at)
    text = (f"{listed(group)} "
            f"{lowest_to_highest([time[m].median for m in group])} ms"
            for group in ranked(time))
    return f"The same {requests} take {', '.join(text)}" + unserved(at)


# ---- wait


# Of the replies that are possible: from here on a model lets all wait at once.
POSSIBLE_MIN = 0.8


def wait(at):
    share, rates = samples(at, "share_of_possible"), samples(at, "rate_to_last")
    well = [m for m in share if share[m].low >= POSSIBLE_MIN]
    parts = []
    if well:
        parts.append(f"{listed(well)} {verb(well, 'answer')} "
                     f"{at_least(share[model].low for model in well)} of the "
                     "maximum")
    badly = {}  # those with the same rate, by that
    for model in rates:
        if model not in well:
            apart = rates[model].high > ABOUT_EQUAL_MAX * rates[model].low
            rate = lowest_to_highest(
                [rates[model].low, rates[model].high] if apart
                else [rates[model].median])
            badly.setdefault(rate, []).append(model)
    parts += [f"{listed(these)} {rate} a second"
              for rate, these in badly.items()]
    clients = counted(at[0]["connections"], "client")
    delay = duration(1000 * at[0]["delay_ms"], 3)
    return (f"With {clients} and a backend that takes {delay}, "
            f"{', '.join(parts)}")


def waits_for_one(of):
    if not of.sample("share_of_possible").high < POSSIBLE_MIN:
        return ""
    rate = rounded(of.median("rate_to_last"), 2)
    return (f"{counted(of[0]['connections'], 'client')} with a slow backend "
            f"get {rate} replies a second")


# ---- silent


def silent(at):
    """The second client sends one request, so its longest wait is the longest
    of all rounds, and what went unanswered was watched to the end."""
    models = at.models()
    never = [m for m in models if at.where(model=m).values("served") == [0]]
    always = [m for m in models if 0 not in at.where(model=m).values("served")]
    text = []
    if never:
        watched = min(run["oldest_us"] for run in at if run["model"] in never)
        text.append(f"{listed(never)} {verb(never, 'leave')} the next one "
                    f"without a reply ({duration(watched, 2)} watched)")
    if always:
        slowest = max(run["max_us"] for run in at if run["model"] in always)
        text.append(f"{named(always, models, never)} {verb(always, 'answer')} "
                    f"within {duration(slowest, 2)}")
    for model in models:
        if model not in never + always:
            served = at.where(model=model).sample("served")
            text.append(f"{model} answers in {sum(served):.0f} of "
                        f"{len(served)} rounds")
    return "Behind a silent client " + "; ".join(text)


def stopped_by_one(of):
    never = of.values("served") == [0]
    return "one silent client stops it" if never else ""
