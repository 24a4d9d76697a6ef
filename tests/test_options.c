// test_options.c - tests what fibload --help says about the options.
//
// The source is included, not linked, because the test reads the table of
// options.

#include "../client/options.c"  // NOLINT(bugprone-suspicious-include)

#include <sys/mman.h>
#include <sys/wait.h>

#include "tap.h"

enum { HELP_SIZE = 1 << 15, COLUMNS = 80 };

static char help[HELP_SIZE];

// Reads the output of --help into `help`. Returns the wait status of the child
// process that prints it.
static int read_help(void)
{
    char name[] = "fibload", flag[] = "--help";
    char *arguments[] = {name, flag, NULL};
    int status = -1, out = memfd_create("help", MFD_CLOEXEC);
    pid_t pid = tap_fork();
    if (pid == 0) {
        dup2(out, STDOUT_FILENO);
        options_parse(2, arguments);
        _exit(EXIT_FAILURE);
    }
    waitpid(pid, &status, 0);
    ssize_t len = pread(out, help, sizeof help - 1, 0);
    help[len > 0 ? len : 0] = '\0';
    close(out);
    return status;
}

// Returns the paragraph about an option in the help: from its name to the next
// line with another indentation. Returns NULL if there is none.
static const char *paragraph(const struct rule *rule, size_t *len)
{
    char name[64];
    snprintf(name, sizeof name, "--%s %s", rule->name,
             rule->argument != NULL ? rule->argument : " ");
    const char *at = strstr(help, name), *end = at;
    if (at == NULL)
        return NULL;
    do
        end += strcspn(end, "\n") + 1;
    while (strspn(end, " ") == HELP_COLUMN);
    *len = (size_t)(end - at);
    return at;
}

static void test_rule(const struct rule *rule)
{
    char initial[64], letter[8];
    size_t len = 0, text_len = strcspn(rule->help, "\n");
    const char *at = paragraph(rule, &len);
    snprintf(initial, sizeof initial, "(%s)\n",
             rule->initial != NULL ? rule->initial : "");
    snprintf(letter, sizeof letter, "  -%c, ", rule->letter);
    ok(at != NULL && memmem(at, len, rule->help, text_len) != NULL,
       "--%s is explained", rule->name);
    if (rule->initial != NULL)
        ok(at != NULL && memmem(at, len, initial, strlen(initial)) != NULL,
           "--help has the default, %s", rule->initial);
    if (rule->letter != 0)
        ok(at != NULL && memcmp(at - 6, letter, 6) == 0,
           "--help has the short form, -%c", rule->letter);
}

static int widest_line(void)
{
    int widest = 0;
    for (const char *line = help; *line != '\0';) {
        int len = (int)strcspn(line, "\n");
        widest = len > widest ? len : widest;
        line += len + (line[len] == '\n');
    }
    return widest;
}

int main(void)
{
    ok(read_help() == 0, "--help ends with status 0");
    for (int i = 0; i < RULE_COUNT; i++)
        if (rules[i].name != NULL)
            test_rule(&rules[i]);
    ok(widest_line() <= COLUMNS, "no line of --help is wider than a terminal");
    ok(strstr(help, "scripts/watch/merge server.json client.json") != NULL,
       "--help says how to see both sides in one picture");
    ok(strstr(help, "p99, which needs 1,000 requests") != NULL,
       "--help says why --find-rate takes more time");
    return done_testing();
}
