// test_reply.c - the client's check of what servers say.

#include <string.h>

#include "../client/reply.h"
#include "tap.h"

static struct reply_wanted wanted;

// Feeds `text` in pieces of `piece` bytes and returns the last verdict; stops
// at the first that is not INCOMPLETE. `used` is how much was taken.
static enum reply_verdict judge(const char *text, size_t piece, size_t *used)
{
    struct reply reply = {0};
    enum reply_verdict verdict = REPLY_INCOMPLETE;
    size_t len = strlen(text);

    *used = 0;
    while (*used < len && verdict == REPLY_INCOMPLETE) {
        size_t n = len - *used < piece ? len - *used : piece;
        *used += reply_take(&reply, &wanted, text + *used, n, &verdict);
    }
    return verdict;
}

static bool gets(const char *text, enum reply_verdict want)
{
    size_t used;
    for (size_t piece = 1; piece <= strlen(text); piece++)
        if (judge(text, piece, &used) != want)
            return false;
    return true;
}

int main(void)
{
    reply_expect(&wanted, 30);
    ok(gets("fib: 832040\n", REPLY_RIGHT), "the reply, however it is cut");
    ok(gets("832040\n", REPLY_RIGHT), "the bare number too");
    ok(gets("fib: 832041\n", REPLY_WRONG), "another number is wrong");
    ok(gets("fib: 8320400\n", REPLY_WRONG), "so is a digit more");
    ok(gets("fib: 83204\n", REPLY_WRONG), "and a digit less");
    ok(gets("fib: 832040 \n", REPLY_WRONG), "and a blank");
    ok(gets("fib: 832040\r\n", REPLY_WRONG), "and a CR");
    ok(gets("\n", REPLY_WRONG), "and an empty line");
    ok(gets("error: not a number\n", REPLY_ERROR), "an error is an error");
    ok(gets("error:\n", REPLY_WRONG), "if it says why");
    ok(gets("fib: 8320", REPLY_INCOMPLETE), "half a reply is no reply yet");

    size_t used;
    ok(judge("fib: 832040\nfib: 832040\n", 100, &used) == REPLY_RIGHT &&
           used == 12,
       "what follows is left alone");
    char endless[200];
    memset(endless, '8', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    ok(gets(endless, REPLY_ENDLESS), "no newline for ever: given up");

    memcpy(endless, "error: ", strlen("error: "));
    endless[REPLY_SIZE] = '\n';
    endless[REPLY_SIZE + 1] = '\0';
    ok(gets(endless, REPLY_ENDLESS), "nor is a line that ends too late");

    reply_expect(&wanted, 1);
    ok(gets("fib: 1\n", REPLY_RIGHT), "fib(1)");
    reply_expect(&wanted, 93);
    ok(gets("fib: 12200160415121876738\n", REPLY_RIGHT), "fib(93)");
    return done_testing();
}
