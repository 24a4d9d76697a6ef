// server_options.c - the command line of a server, fed with any words.

#include "../../servers/common/options.h"

#include "../../fib/fib.h"
#include "command_line.h"

static struct options opt;

static void parse(int argc, char **argv)
{
    opt = (struct options){
        .model = "fuzz", .stack_kib = 16, .has_coroutines = true};
    options_parse(&opt, argc, argv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len > LINE_MAX_LEN || !parses(data, len, parse))
        return 0;
    MUST(opt.port >= 0 && opt.port <= UINT16_MAX && opt.host != NULL);
    MUST(opt.backlog >= 1 && opt.backlog <= UINT16_MAX);
    MUST(opt.clients_max >= 1 && opt.delay_ms >= 0);
    MUST(opt.rules.n_max >= 1 && opt.rules.n_max <= FIB_N_MAX);
    MUST(opt.stack_kib >= 16 && opt.offload_threads >= 0);
    MUST(opt.loops >= 1 && opt.loops <= OPTIONS_LOOPS_MAX);
    return 0;
}
