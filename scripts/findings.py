"""What came out of an experiment, in a sentence: computed, never assumed.

Each function takes the runs of its experiment at the load that decides, and
returns the sentence that stands over its picture and its table. It says that
models differ only where no round contradicts it.
"""

from statistics import median

from results import counted, duration, factor, listed, rounded

# Cores in use, in every round: from here on a second one certainly is, up to
# there it certainly is not. Between them, or if rounds disagree, nobody knows.
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


def alike(values):
    """The models from the lowest value on, in groups that are about equal."""
    groups = []
    for model in sorted(values, key=values.get):
        if not groups or (values[model]
                          > ABOUT_EQUAL_MAX * values[groups[-1][0]]):
            groups.append([])
        groups[-1].append(model)
    return groups


def lowest_to_highest(values):
    """34; 34 to 36."""
    return " to ".join(dict.fromkeys(
        rounded(value, 2) for value in (min(values), max(values))))


# ---- latency


def cores_used(at):
    """The models that use a second core, and those that stay on one."""
    second, one = [], []
    for model in at.models():
        _, low, high = at.where(model=model).spread("cores")
        if low >= SECOND_CORE_MIN:
            second.append(model)
        elif high <= ONE_CORE_MAX:
            one.append(model)
    return second, one


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
    if unclear:
        parts.append(f"it is unclear whether {listed(unclear)} "
                     f"{verb(unclear, 'use')} a second core")
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
    _, _, high = of.spread("cores")
    return "" if high > ONE_CORE_MAX else "long requests get one core at most"


# ---- throughput


def lies_below(these, those, column):
    """Whether runs of a model have lower values than those of another: in each
    round, since what disturbs it disturbs both, and by more than about equal
    ones have, unless all rounds lie apart."""
    by_round = {run["round"]: run[column] for run in those}
    pairs = [(run[column], by_round[run["round"]]) for run in these
             if run["round"] in by_round]
    far = those.median(column) > ABOUT_EQUAL_MAX * these.median(column)
    apart = these.spread(column)[2] < those.spread(column)[1]
    return all(a < b for a, b in pairs) and (far or apart)


def ranked(at, models, column):
    """The models from the lowest to the highest value, in groups: a new one
    begins where all those before lie below all the rest."""
    runs = {model: at.where(model=model) for model in models}
    order = sorted(runs, key=lambda model: runs[model].spread(column))
    groups = []
    for i, model in enumerate(order):
        if all(lies_below(runs[a], runs[b], column)
               for a in order[:i] for b in order[i:]):
            groups.append([])
        groups[-1].append(model)
    return groups


def costs(group, cost):
    """5.1 and 5.2 µs, about equal."""
    values = [cost[model] for model in group]
    texts = [rounded(value, 2) for value in values]
    if len(set(texts)) == 1:
        return f"{texts[0]} µs{' each' if len(texts) > 1 else ''}"
    equal = max(values) <= ABOUT_EQUAL_MAX * min(values)
    if len(texts) > SAID_ONE_BY_ONE:
        texts = [f"{texts[0]} to {texts[-1]}"]
    how = "about equal" if equal else "too noisy to order"
    return f"{listed(texts)} µs, {how}"


def throughput(at):
    cost = {m: at.where(model=m).median("server_cpu_us_per_req")
            for m in at.models() if at.where(model=m).all_served()}
    load = f"With {counted(at[0]['connections'], 'client')}"
    if not cost:
        return f"{load} no model serves all" + unserved(at)
    first, *rest = ranked(at, cost, "server_cpu_us_per_req")
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
    load = counted(at[0]["idle"], "silent client")
    if not at[0]["idle"]:
        return "Nobody was silent: nothing can be compared"
    kept = {m: at.where(model=m).median("rate_kept") for m in at.models()}
    well = [m for m in kept if kept[m] >= KEPT_MIN]
    parts = [f"{model} keeps {percent(share)} of its rate"
             for model, share in kept.items() if model not in well]
    if well:
        shares = [kept[model] for model in well]
        all_of_it = min(shares) >= 1  # Noise may make it more.
        parts.append(f"{named(well, at.models(), parts)} {verb(well, 'keep')} "
                     f"{'all of it' if all_of_it else at_least(shares)}")
    return f"Beside {load} {', '.join(parts)}; {memory(at)}"


def percent(share):
    return f"{rounded(100 * share, 2)} %"


def at_least(shares):
    """What several models reach, or one."""
    least, *more = sorted(shares)
    return f"{'at least ' if more else ''}{percent(least)}"


def memory(at):
    """What a silent client takes, from the cheapest model on."""
    taken = {m: at.where(model=m).median("kib_per_silent") for m in at.models()}
    texts = [f"{lowest_to_highest([taken[m] for m in group])} in "
             f"{listed(group)}" for group in alike(taken)]
    return f"each takes, in KiB, {listed(texts)}"


def slowed_by_silence(of):
    kept = of.median("rate_kept")
    if not kept < KEPT_MIN:
        return ""
    return (f"{counted(of[0]['idle'], 'silent client')} leave it "
            f"{percent(kept)} of its rate")


# ---- hog


# The share of its small requests that a model keeps beside long ones: from here
# on its clients are served, up to there they are not.
SHARED_MIN = 1 / 3
STARVED_MAX = 0.05


def hog(at):
    hogs = at[0]["hogs"]
    if not hogs:
        return "Nobody asked for anything long: nothing can be compared"
    kept = {m: at.where(model=m).median("kept_beside_hogs")
            for m in at.models()}
    well = [m for m in kept if kept[m] >= SHARED_MIN]
    parts = []
    if well:
        parts.append(f"{listed(well)} {verb(well, 'keep')} "
                     f"{at_least(min(1, kept[m]) for m in well)} of their "
                     "small requests")
    parts += starved({m: kept[m] for m in kept if m not in well})
    return (f"While {counted(hogs, 'client')} ask for fib(40), "
            f"{', '.join(parts)}")


def starved(kept):
    """What each of these keeps; at most, if they are many."""
    models = sorted(kept, key=kept.get)
    if len(models) > SAID_ONE_BY_ONE:
        return [f"{listed(models)} at most {percent(max(kept.values()))}"]
    return [f"{model} {percent(kept[model])}" for model in models]


def starved_by_long(of):
    kept = of.median("kept_beside_hogs")
    if not kept < SHARED_MIN:
        return ""
    return (f"{counted(of[0]['hogs'], 'long request')} leave it "
            f"{percent(kept)} of its small ones")


# ---- churn


def churn(at):
    cost = {m: at.where(model=m).median("server_cpu_us_per_req")
            for m in at.models() if at.where(model=m).all_served()}
    if not cost:
        return "No model serves all" + unserved(at)
    first, *rest = ranked(at, cost, "server_cpu_us_per_req")
    ends = [f"{listed(group)} ({costs(group, cost)})" for group in
            (first, *rest)]
    if not rest:
        return f"A connection costs CPU time: {ends[0]}" + unserved(at)
    return (f"A connection costs the least CPU time in {ends[0]}, then in "
            f"{listed(ends[1:])}" + unserved(at))


# ---- timeline


def timeline(at):
    """The time for the same requests, of those whose clients all got some."""
    requests = counted(at.median("requests"), "request")
    time = {m: at.where(model=m).median("set_ms") for m in at.models()
            if at.where(model=m).all_served()}
    if not time:
        return f"No model serves all with {requests}" + unserved(at)
    text = (f"{listed(group)} {lowest_to_highest([time[m] for m in group])} ms"
            for group in alike(time))
    return f"The same {requests} take {', '.join(text)}" + unserved(at)


# ---- wait


# Of the replies that are possible: from here on a model lets all wait at once.
POSSIBLE_MIN = 0.8


def wait(at):
    models = at.models()
    share = {m: at.where(model=m).median("share_of_possible") for m in models}
    well = [m for m in models if share[m] >= POSSIBLE_MIN]
    parts = []
    if well:
        parts.append(f"{listed(well)} {verb(well, 'answer')} "
                     f"{at_least(share[model] for model in well)} of what is "
                     "possible")
    badly = {}  # those with the same rate, by that
    for model in models:
        if model not in well:
            rate = rounded(at.where(model=model).median("rate_to_last"), 2)
            badly.setdefault(rate, []).append(model)
    parts += [f"{listed(these)} {rate} a second"
              for rate, these in badly.items()]
    clients = counted(at[0]["connections"], "client")
    delay = duration(1000 * at[0]["delay_ms"], 3)
    return (f"With {clients} and a backend that takes {delay}, "
            f"{', '.join(parts)}")


def waits_for_one(of):
    if not of.median("share_of_possible") < POSSIBLE_MIN:
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
    text += [f"{model} answers in some rounds only" for model in models
             if model not in never + always]
    return "Behind a silent client " + "; ".join(text)


def stopped_by_one(of):
    never = of.values("served") == [0]
    return "one silent client stops it" if never else ""
