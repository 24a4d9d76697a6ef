// generator.c - a function that gives its caller one value after another.
//
// There is no scheduler here. To get the next value, the caller resumes the
// generator with co_resume(), and it runs up to its next co_yield_value().
// Values go both ways: out of the generator and into it.
//
//     make examples && bin/examples/generator
//
// Notice that `i`, `sum` and `mean` are ordinary local variables. They are on
// the stack of their coroutine, which keeps them while it is suspended. So the
// caller may even read them there. The output is at the end of this file. Next:
// yield_from.c.

#include <stdio.h>

#include "../co.h"

// Values out: yields the numbers 1 to 3.
static void *count_to_three(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 3; i++)
        co_yield_value(&i);
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

// Values in and out: receives numbers, and yields the mean of all so far.
static void *running_mean(void *arg)
{
    double sum = 0, mean = 0;
    (void)arg;
    for (int count = 1;; count++) {
        const double *number = co_yield_value(&mean);
        sum += *number;
        mean = sum / count;
    }
    return NULL;
}

static void show_values_in(void)
{
    double numbers[] = {10, 20, 60};
    struct co *means = co_new(running_mean, NULL);
    co_resume(means, NULL);  // Runs up to the first co_yield_value().
    printf("means of 10 20 60:");
    for (int i = 0; i < 3; i++) {
        const double *mean = co_resume(means, &numbers[i]);
        printf(" %g", *mean);
    }
    printf("\n");
    co_free(means);  // Its loop has no end.
}

int main(void)
{
    show_values_out();
    show_values_in();
    return 0;
}

// The program prints:
//
//     1 2 3, and done
//     means of 10 20 60: 10 15 30
