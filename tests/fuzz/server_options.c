// server_options.c - fuzzes the command line of a server.

#include "../../servers/common/options.h"

#include "../../fib/fib.h"
#include "command_line.h"

static int number;
static bool flag;
static const struct option_rule own[] = {
    {"loops", "N", "a number", .number = &number, .min = 1, .max = 64},
    {"trap", NULL, "a flag", .flag = &flag},
    {0},
};
static struct options options;

static void parse(int argc, char **argv)
{
    number = 1;
    options = (struct options){.model = "fuzz", .stack_kib = 16, .own = {own}};
    options_parse(&options, argc, argv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct options *o = &options;
    if (len > LINE_MAX_LEN || !parses(data, len, parse))
        return 0;
    MUST(o->port >= 0 && o->port <= UINT16_MAX && o->host != NULL);
    MUST(o->backlog >= 1 && o->backlog <= UINT16_MAX);
    MUST(o->clients_max >= 1 && o->delay_ms >= 0 && o->idle_timeout_s >= 0);
    MUST(o->rules.n_max >= 1 && o->rules.n_max <= FIB_N_MAX);
    MUST(o->stack_kib >= 16 && number >= 1 && number <= 64);
    return 0;
}
