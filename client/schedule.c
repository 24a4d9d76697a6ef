// schedule.c - when requests are due in an open loop.

#include "schedule.h"

#include <math.h>

#include "clock.h"

// Marsaglia's xorshift64*: a number in (0, 1].
static double random_share(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * 0x2545F4914F6CDD1DU >> 11) + 1) / 0x1p53;
}

static void go_on(struct schedule *s)
{
    s->at_ns +=
        s->poisson ? -log(random_share(&s->random)) * s->gap_ns : s->gap_ns;
    s->due_ns = s->begin_ns + (int64_t)s->at_ns;
}

void schedule_begin(struct schedule *s, double per_s, bool poisson,
                    int64_t begin_ns, int index, int count)
{
    double gap_ns = CLOCK_NS_PER_S / per_s;
    *s = (struct schedule){.gap_ns = gap_ns * count,
                           .poisson = poisson,
                           .random = (uint64_t)index + 1,
                           .begin_ns = begin_ns,
                           .at_ns = poisson ? 0 : gap_ns * index};
    s->due_ns = begin_ns + (int64_t)s->at_ns;
    for (int i = 0; poisson && i < 32; i++)
        random_share(&s->random);  // The first numbers are small.
    if (poisson)
        go_on(s);
}

int64_t schedule_take(struct schedule *s)
{
    int64_t due_ns = s->due_ns;
    go_on(s);
    return due_ns;
}
