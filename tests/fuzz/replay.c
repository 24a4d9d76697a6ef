// replay.c - runs a fuzz target without libFuzzer, on the files of its corpus.
//
//     build/plain/tests/fuzz_NAME
//
// The files are in tests/fuzz/corpus/NAME. They are inputs that once showed a
// bug, or reach code that is hard to reach. Some targets then get random
// inputs, the same in every run. Variables of the environment: RUNS and SEED
// change the random inputs; KEEP names a file that always holds the current
// input.

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../tap.h"
#include "fuzz.h"

__attribute__((weak)) int fuzz_random_count(void)
{
    return 0;
}

enum { PATH_SIZE = 256, INPUT_SIZE = 1 << 16, FILES_MIN = 5 };

static void save_input(const uint8_t *bytes, size_t len)
{
    const char *path = getenv("KEEP");
    FILE *file = path != NULL ? fopen(path, "w") : NULL;
    if (file == NULL)
        return;
    fwrite(bytes, 1, len, file);
    fclose(file);
}

// Runs the target on a copy of the input, which has exactly its size. So a
// sanitizer notices reads beyond the end.
static void run(const uint8_t *bytes, size_t len)
{
    uint8_t *input = malloc(len);
    MUST(input != NULL);
    memcpy(input, bytes, len);
    save_input(bytes, len);
    LLVMFuzzerTestOneInput(input, len);
    free(input);
}

static bool replay(int folder, const char *name)
{
    static uint8_t bytes[INPUT_SIZE];
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t len = read(file, bytes, sizeof bytes);
    close(file);
    if (len > 0)
        run(bytes, (size_t)len);
    return len > 0;
}

static long number_in_environment(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtol(text, NULL, 10) : otherwise;
}

static void run_random_inputs(long count)
{
    enum { RANDOM_SIZE = 512 };
    uint8_t bytes[RANDOM_SIZE];
    srandom((unsigned)number_in_environment("SEED", 1));
    for (long i = 0; i < count; i++) {
        size_t len = 1 + (size_t)random() % sizeof bytes;
        for (size_t at = 0; at < len; at++)
            bytes[at] = (uint8_t)(random() >> 8);
        run(bytes, len);
    }
}

int main(int argc, char **argv)
{
    char path[PATH_SIZE];
    int count = 0;
    (void)argc;
    snprintf(path, sizeof path, "tests/fuzz/corpus/%s",
             strstr(argv[0], "fuzz_") + strlen("fuzz_"));
    DIR *corpus = opendir(path);
    for (struct dirent *e; corpus != NULL && (e = readdir(corpus)) != NULL;)
        count += e->d_name[0] != '.' && replay(dirfd(corpus), e->d_name);
    if (corpus != NULL)
        closedir(corpus);
    ok(count >= FILES_MIN, "%d inputs of %s", count, path);
    long random_count = number_in_environment("RUNS", fuzz_random_count());
    if (random_count > 0) {
        run_random_inputs(random_count);
        ok(true, "%ld random inputs", random_count);
    }
    return done_testing();
}
