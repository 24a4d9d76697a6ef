// replay.c - runs a fuzz target on files, for want of libFuzzer.
//
//     build/plain/tests/fuzz_session
//
// The files are those of tests/fuzz/corpus/NAME, NAME being what comes after
// fuzz_ in the program's name. They hold what once was hard to get right.

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../tap.h"
#include "fuzz.h"

enum { PATH_SIZE = 256, INPUT_SIZE = 1 << 16, FILES_MIN = 5 };

static bool replay(int folder, const char *name)
{
    static uint8_t bytes[INPUT_SIZE];
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t len = read(file, bytes, sizeof bytes);
    close(file);
    // As large as it is, so that a sanitizer sees who reads beyond its end.
    uint8_t *input = len > 0 ? malloc((size_t)len) : NULL;
    if (input != NULL) {
        memcpy(input, bytes, (size_t)len);
        LLVMFuzzerTestOneInput(input, (size_t)len);
    }
    free(input);
    return input != NULL;
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
    return done_testing();
}
