// tap.c - the whole test harness.

#include "tap.h"

#include <stdarg.h>
#include <stddef.h>

static int passed_count, failed_count;
static const char *prefix;

void tap_subject(const char *subject)
{
    prefix = subject;
}

bool tap_check(bool passed, const char *file, int line, const char *name, ...)
{
    va_list arguments;

    passed ? passed_count++ : failed_count++;
    printf("%sok %d - ", passed ? "" : "not ", passed_count + failed_count);
    if (prefix != NULL)
        printf("%s: ", prefix);
    va_start(arguments, name);
    vprintf(name, arguments);
    va_end(arguments);
    printf("\n");
    if (!passed)
        printf("#   failed at %s:%d\n", file, line);
    fflush(stdout);
    return passed;
}

int done_testing(void)
{
    printf("1..%d\n# %d passed, %d failed\n", passed_count + failed_count,
           passed_count, failed_count);
    return failed_count != 0;
}
