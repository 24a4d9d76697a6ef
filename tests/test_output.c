// test_output.c - tests what fibload prints: numbers, and texts with figures.
//
// The source is included, not linked, because the test reads the table of the
// summary's lines. Most of these lines are printed only in case of a problem.

#include "../client/output.c"  // NOLINT(bugprone-suspicious-include)

#include "tap.h"

static struct options opt = {.connections = 1234567, .n = 1, .host = "h"};
static struct result result = {.opt = &opt};

// Returns whether output_say() prints the text `say` as `expected`.
static bool prints(const char *say, const char *expected)
{
    char text[TEXT_SIZE * 4] = "";
    FILE *file = fmemopen(text, sizeof text, "w");
    if (file == NULL)
        return false;
    output_say(file, &result, say);
    fclose(file);
    if (strcmp(text, expected) != 0)
        printf("# it is '%s'\n", text);
    return strcmp(text, expected) == 0;
}

static void test_numbers(void)
{
    ok(strcmp(number(0).s, "0") == 0 && strcmp(number(999).s, "999") == 0 &&
           strcmp(number(1000).s, "1,000") == 0 &&
           strcmp(number(1234567).s, "1,234,567") == 0,
       "numbers have a comma for each thousand");
    ok(strcmp(duration(0).s, "0 ns") == 0 &&
           strcmp(duration(999).s, "999 ns") == 0 &&
           strcmp(duration(1234).s, "1.23 us") == 0 &&
           strcmp(duration(99949).s, "99.9 us") == 0 &&
           strcmp(duration(999600).s, "1.00 ms") == 0 &&
           strcmp(duration(12.5e9).s, "12.5 s") == 0,
       "times have three digits and a unit");
}

static void test_texts(void)
{
    ok(prints("{connections} of {n}", "1,234,567 of 1"),
       "a text contains the values of figures");
    ok(prints("{n one/many}, {connections one/many of them}",
              "1 one, 1,234,567 many of them"),
       "a figure is followed by the singular or plural of its noun");
    ok(prints("{n:4}|", "   1|"), "a figure can be padded to a width");
    ok(prints("{p50_us}", "too few"),
       "a percentile of too few samples is 'too few'");
    result.client_cores = NAN;
    ok(prints("{client_cpu_share}", "unknown"),
       "an unknown figure is 'unknown'");
    result.client_cores = 0.974;
    ok(prints("{client_cpu_share}", "97 %"),
       "a share is printed as a percentage");
    histogram_add(&result.stats.timings[LATENCY], 5000000, 100);
    ok(prints("{p50_us} {p99_us} {max_us}", "5.00 ms too few 5.00 ms"),
       "only percentiles with enough samples are printed");
}

// Returns how many figures in a text do not exist, and prints their names.
static int unknown_figures(const char *text)
{
    int unknown = 0;
    for (; (text = strchr(text, '{')) != NULL; text++) {
        char name[TEXT_SIZE];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(text + 1, ":} "),
                 text + 1);
        if (figures_find(name) == NULL) {
            printf("# no figure '%s'\n", name);
            unknown++;
        }
    }
    return unknown;
}

// Returns how many figures in these lines do not exist. Also checks the figures
// that decide whether a line is printed.
static int unknown_in(const struct line *lines, size_t count)
{
    int unknown = 0;
    for (size_t i = 0; i < count; i++) {
        char names[TEXT_SIZE];
        snprintf(names, sizeof names, "%s",
                 lines[i].name + (lines[i].name[0] == '!'));
        for (char *name = strtok(names, " "); name != NULL;
             name = strtok(NULL, " "))
            unknown += figures_find(name) == NULL;
        unknown += unknown_figures(lines[i].text);
    }
    return unknown;
}

static void test_lines(void)
{
    ok(unknown_in(LINES(load)) + unknown_in(LINES(problems)) +
               unknown_in(LINES(results)) ==
           0,
       "all figures of the summary are in the table");
    bool twice = false;
    for (size_t i = 0; i < figure_count; i++)
        twice = twice || figures_find(figures[i].name) != &figures[i];
    ok(!twice, "no two figures have the same name");
}

// Returns whether the results have a line that contains `text`.
static bool has_line(const char *text)
{
    static char printed[4096];
    FILE *file = fmemopen(printed, sizeof printed, "w");
    if (file == NULL)
        return false;
    print_lines(file, &result, LINES(results), "", "", "");
    fclose(file);
    return strstr(printed, text) != NULL;
}

// Checks that the summary has no line for an interval that the window does not
// have: the last reply to a hog may come after the end of the window.
static void test_hogs(void)
{
    result.interval_s[LATENCY_BEFORE] = result.interval_s[LATENCY_DURING] = 1;
    result.interval_s[LATENCY_AFTER] = 1;
    ok(!has_line("after them"), "no intervals are shown without hogs");
    opt.hogs = 1;
    ok(has_line("before them, 1.00 s") && has_line("during them, 1.00 s") &&
           has_line("after them, 1.00 s"),
       "with hogs, all three intervals are shown");
    result.interval_s[LATENCY_AFTER] = 0;
    ok(has_line("during them") && !has_line("after them"),
       "if the hogs lasted to the end, two intervals are shown");
    result.interval_s[LATENCY_DURING] = 0;
    ok(has_line("before them") && !has_line("during them"),
       "if the run ended before the hogs, one interval is shown");
}

int main(void)
{
    test_numbers();
    test_texts();
    test_lines();
    test_hogs();
    return done_testing();
}
