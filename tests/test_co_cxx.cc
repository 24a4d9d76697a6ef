// test_co_cxx.cc - tests co.h in C++20, where co_yield, co_await and co_return
// are keywords.

extern "C" {
#include "tap.h"
}

#include "../servers/coro/co.h"

static void *count_to_three(void *arg)
{
    for (int i = 1; i <= 3; i++)
        co_yield_value(&i);
    return arg;
}

static int sleep_in_group(void *arg)
{
    ++*static_cast<int *>(arg);
    return co_sleep(1);
}

static void run_group(void *arg)
{
    co_group group = {};
    co_sem sem = {.count = 1, .waiters = {}};
    co_group_go(&group, sleep_in_group, arg);
    co_group_go(&group, sleep_in_group, arg);
    if (co_group_join(&group) == 0 && co_sem_wait(&sem) == 0)
        ++*static_cast<int *>(arg);
}

int main()
{
    int sum = 0, steps = 0;
    co *numbers = co_new(count_to_three, nullptr);
    void *value = co_resume(numbers, nullptr);
    for (; !co_done(numbers); value = co_resume(numbers, nullptr))
        sum += *static_cast<int *>(value);
    ok(sum == 6 && co_free(numbers) == 0, "a generator in C++20");
    ok(co_go(run_group, &steps) == 0 && co_run() == 0 && steps == 3,
       "a group, a semaphore and the scheduler in C++20");
    return done_testing();
}
