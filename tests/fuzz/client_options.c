// client_options.c - fuzzes the command line of fibload.
//
// The parser is included, not linked, because the checks use its private
// limits.

#include "../../client/options.c"  // NOLINT(bugprone-suspicious-include)

#include "command_line.h"

static void parse(int argc, char **argv)
{
    options_parse(argc, argv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len > LINE_MAX_LEN || !parses(data, len, parse))
        return 0;
    MUST(options.connections >= 1 && options.n >= 1 && options.n <= N_MAX);
    MUST(options.threads >= 1 && options.threads <= options.connections);
    MUST(options.pipeline >= 1 && options.pipeline <= PIPELINE_MAX);
    MUST(options.duration_ns > 0 && options.warmup_ns >= 0);
    MUST(options.timeout_ns > 0 && options.grace_ns >= 0);
    MUST(options.idle >= 0 && options.hogs >= 0 && options.requests >= 0);
    MUST(options.label_count <= LABEL_COUNT_MAX);
    MUST(options.calibrate || options.columns || options.merge ||
         (options.port != NULL && options.host != NULL));
    return 0;
}
