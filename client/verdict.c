// verdict.c - whether the figures of a run can be taken for the server's.
//
// The limits come from trials on two virtual cores: a quiet run has 0.5 % of
// delay, one beside another busy program 50 %; what a loaded client calls
// latency is its own queue by 70 % and more, else by 5 % at most.

#include "verdict.h"

#include "usage.h"

#define BUSY_MIN 0.9        // CPU share of a client that is the limit
#define QUEUE_BUSY_MIN 0.5  // of one whose own queue may be it
#define OWN_SHARE_MIN 0.25  // of the median latency
#define OTHERS_MIN 0.03     // of the whole machine
#define DELAY_MIN 0.02      // of the time
#define UNSTEADY_MIN 0.1    // between the first third and the last
#define LATE_MIN 0.1        // of the latency's p99

enum { STEADY_COUNT = 1000, QUEUE_CONNECTIONS_MIN = 10 };

// Who spins, or waits awake for what is due, is always busy.
static const char *why_client_limited(const struct options *opt,
                                      const struct result *r)
{
    bool awake = opt->spin || r->open_loop;
    double cpu_share = r->client_cpu_share / opt->threads;
    if (cpu_share >= BUSY_MIN && !awake)
        return "fibload was always busy: the rate is \"at least\"";
    if (result_own_share(r) >= OWN_SHARE_MIN && !r->open_loop &&
        cpu_share >= QUEUE_BUSY_MIN && r->connections >= QUEUE_CONNECTIONS_MIN)
        return "replies waited for fibload to read them";
    return NULL;
}

static const char *why_late(const struct result *r)
{
    uint64_t late_ns = histogram_percentile(&r->lateness, 99);
    uint64_t all_ns = histogram_percentile(&r->latency, 99);
    if (r->open_loop && (double)late_ns > LATE_MIN * (double)all_ns)
        return "fibload sent late, by over a tenth of the p99";
    return NULL;
}

static bool is_unsteady(const struct options *opt, const struct result *r)
{
    double first = result_stage_rate(r, STAGE_BEFORE);
    double last = result_stage_rate(r, STAGE_AFTER);
    double off = first > last ? first - last : last - first;
    return opt->hogs == 0 &&
           r->stages[STAGE_BEFORE].latency.count >= STEADY_COUNT &&
           r->stages[STAGE_AFTER].latency.count >= STEADY_COUNT &&
           off > UNSTEADY_MIN * (first > last ? first : last);
}

static const char *why_noisy(const struct options *opt, const struct result *r)
{
    if (r->others_cores > OTHERS_MIN * machine_cores())
        return "other programs used the machine meanwhile";
    if (r->delay_share > DELAY_MIN)
        return "fibload had to wait for a core that others had";
    if (is_unsteady(opt, r))
        return "the last third differs by over 10 % from the first";
    return NULL;
}

static const char *why_incomplete(const struct result *r)
{
    if (!r->measured || r->interrupted)
        return "the run was ended before its time";
    if (r->served < r->connections)
        return "not every connection was served";
    if (!result_is_good(r))
        return "not every request had a right reply";
    return NULL;
}

struct judgement verdict_of(const struct options *opt, const struct result *r)
{
    const struct judgement worst_first[] = {
        {VERDICT_INCOMPLETE, why_incomplete(r)},
        {VERDICT_CLIENT_LIMITED, why_client_limited(opt, r)},
        {VERDICT_NOISY, why_noisy(opt, r)},
        {VERDICT_CLIENT_LIMITED, why_late(r)},
    };
    for (size_t i = 0; i < sizeof worst_first / sizeof worst_first[0]; i++)
        if (worst_first[i].because != NULL)
            return worst_first[i];
    return (struct judgement){VERDICT_OK, "nothing speaks against the figures"};
}

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {"ok", "client-limited", "noisy",
                                        "incomplete"};
    return names[verdict];
}
