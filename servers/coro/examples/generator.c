// generator.c - a function that gives its caller one value after another.
//
// There is no scheduler here: whoever wants the next value runs the function a
// bit further, with co_resume(), as far as its next co_yield(). Values go both
// ways: out of the one and into the other.
//
//     make examples && bin/examples/generator
//
// Notice that `i`, `sum` and `mean` are ordinary local variables: they live on
// the stack of their coroutine, which stays while it is paused, so that the
// caller may even look at them. Next: yield_from.c. It prints:
//
//     1 2 3, and done
//     means of 10 20 60: 10 15 30

#include <stdio.h>

#include "../co.h"

// Values out.
static void *count_to_three(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 3; i++)
        co_yield(&i);
    return NULL;
}

static void show_values_out(void)
{
    struct co *numbers = co_new(count_to_three, NULL);
    const int *number = co_resume(numbers, NULL);
    while (!co_done(numbers)) {
        printf("%d%s", *number, *number < 3 ? " " : ", and done\n");
        number = co_resume(numbers, NULL);
    }
    co_free(numbers);
}

// Values in, and values out: the mean of all numbers so far.
static void *running_mean(void *arg)
{
    double sum = 0, mean = 0;
    (void)arg;
    for (int count = 1;; count++) {
        const double *number = co_yield(&mean);
        sum += *number;
        mean = sum / count;
    }
    return NULL;
}

static void show_values_in(void)
{
    double numbers[] = {10, 20, 60};
    struct co *means = co_new(running_mean, NULL);
    co_resume(means, NULL);  // To its first co_yield(), which waits for more.
    printf("means of 10 20 60:");
    for (int i = 0; i < 3; i++) {
        const double *mean = co_resume(means, &numbers[i]);
        printf(" %g", *mean);
    }
    printf("\n");
    co_free(means);  // It would go on for ever.
}

int main(void)
{
    show_values_out();
    show_values_in();
    return 0;
}
