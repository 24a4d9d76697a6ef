// round_robin.c - three countdowns take turns, by two schedulers.
//
// The first scheduler, run_by_hand(), needs only a few lines: it resumes each
// coroutine until it yields, and then the next one. The second is that of the
// runtime, co_run(): it also knows which coroutine waits, and for which event.
//
//     make examples && bin/examples/round_robin
//
// Notice that the order is the same every time, without any lock: a coroutine
// loses its turn only where its source says so. Try it: delete co_reschedule().
// The program prints:
//
//     co_resume():  a3 b2 c3 a2 b1 c2 a1 c1
//     co_run():     a3 b2 c3 a2 b1 c2 a1 c1

#include <stdio.h>

#include "../co.h"

enum { TASKS = 3 };

struct task {
    char name;
    int from;
};

static struct task all[TASKS] = {{'a', 3}, {'b', 2}, {'c', 3}};

static void *count_down(void *arg)
{
    const struct task *t = arg;
    for (int i = t->from; i > 0; i--) {
        printf(" %c%d", t->name, i);
        co_yield_value(NULL);
    }
    return NULL;
}

static void run_by_hand(void)
{
    struct co *tasks[TASKS];
    for (int i = 0; i < TASKS; i++)
        tasks[i] = co_new(count_down, &all[i]);

    for (int left = TASKS; left > 0;)
        for (int i = 0; i < TASKS; i++)
            if (!co_done(tasks[i])) {
                co_resume(tasks[i], NULL);
                left -= co_done(tasks[i]);
            }

    for (int i = 0; i < TASKS; i++)
        co_free(tasks[i]);
}

static void count_down_too(void *arg)
{
    const struct task *t = arg;
    for (int i = t->from; i > 0; i--) {
        printf(" %c%d", t->name, i);
        co_reschedule();
    }
}

int main(void)
{
    printf("co_resume(): ");
    run_by_hand();
    printf("\nco_run():    ");
    for (int i = 0; i < TASKS; i++)
        co_go(count_down_too, &all[i]);
    co_run();
    printf("\n");
    return 0;
}
