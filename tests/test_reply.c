// test_reply.c - tests how the client checks the replies of servers.

#include <string.h>

#include "../client/reply.h"
#include "tap.h"

static struct reply_expected expected;

// Passes `text` in pieces of `piece` bytes until a verdict is not INCOMPLETE.
// Returns the last verdict, and sets `used` to the number of bytes taken.
static enum reply_verdict judge(const char *text, size_t piece, size_t *used)
{
    struct reply reply = {0};
    struct reply_found found = {.verdict = REPLY_INCOMPLETE};
    size_t len = strlen(text);

    *used = 0;
    while (*used < len && found.verdict == REPLY_INCOMPLETE) {
        size_t n = len - *used < piece ? len - *used : piece;
        *used += reply_take(&reply, &expected, text + *used, n, 1, &found);
    }
    return found.verdict;
}

static bool gets(const char *text, enum reply_verdict verdict)
{
    size_t used;
    for (size_t piece = 1; piece <= strlen(text); piece++)
        if (judge(text, piece, &used) != verdict)
            return false;
    return true;
}

// Checks that correct replies in a pipeline are taken together, and that a
// wrong one among them is found.
static void test_many(void)
{
    struct reply reply = {0};
    struct reply_found found;
    const char *text = "fib: 832040\nfib: 832040\nfib: 832041\nfib: 8";
    size_t len = strlen("fib: 832040\n");
    ok(reply_take(&reply, &expected, text, 2 * len, 5, &found) == 2 * len &&
           found.verdict == REPLY_RIGHT && found.count == 2,
       "two right replies are taken together");
    ok(reply_take(&reply, &expected, text, 2 * len, 1, &found) == len &&
           found.verdict == REPLY_RIGHT && found.count == 1,
       "not more replies are taken than requests are outstanding");
    ok(reply_take(&reply, &expected, text, strlen(text), 9, &found) == len &&
           found.verdict == REPLY_RIGHT && found.count == 1 &&
           reply_take(&reply, &expected, text + 2 * len, len + 6, 9, &found) ==
               len &&
           found.verdict == REPLY_WRONG && found.count == 1,
       "a wrong reply among right ones is found, and taken alone");
    ok(reply_take(&reply, &expected, text + 3 * len, 6, 9, &found) == 6 &&
           found.verdict == REPLY_INCOMPLETE &&
           reply_take(&reply, &expected, "32040\nfib: 832040\n", 6, 9,
                      &found) == 6 &&
           found.verdict == REPLY_RIGHT && found.count == 1,
       "the rest of a reply that had arrived in part is taken alone");
}

// What a server sends after a request for fib(30).
static const struct {
    const char *text;
    enum reply_verdict verdict;
    const char *check;
} replies[] = {
    {"fib: 832040\n", REPLY_RIGHT, "a right reply is right, however it is cut"},
    {"832040\n", REPLY_RIGHT, "the number without 'fib: ' is right, too"},
    {"fib: 832041\n", REPLY_WRONG, "another number is wrong"},
    {"fib: 8320400\n", REPLY_WRONG, "a number with one more digit is wrong"},
    {"fib: 83204\n", REPLY_WRONG, "a number with one digit less is wrong"},
    {"fib: 832040 \n", REPLY_WRONG, "a number with a blank behind it is wrong"},
    {"fib: 832040\r\n", REPLY_WRONG,
     "a reply that ends with CR and newline is wrong"},
    {"\n", REPLY_WRONG, "an empty line is wrong"},
    {"error: not a number\n", REPLY_ERROR,
     "a line that begins with 'error: ' is an error reply"},
    {"error:\n", REPLY_WRONG, "an error reply without a reason is wrong"},
    {"fib: 8320", REPLY_INCOMPLETE, "half a reply is incomplete"},
};

static void test_one(void)
{
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++)
        ok(gets(replies[i].text, replies[i].verdict), "%s", replies[i].check);

    size_t used;
    ok(judge("fib: 832040\nfib: 832040\n", 100, &used) == REPLY_RIGHT &&
           used == 12,
       "the bytes after a reply are not taken");
}

static void test_endless(void)
{
    char endless[200];
    memset(endless, '8', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    ok(gets(endless, REPLY_ENDLESS),
       "a reply that never has a newline is endless");

    memcpy(endless, "error: ", strlen("error: "));
    endless[REPLY_SIZE] = '\n';
    endless[REPLY_SIZE + 1] = '\0';
    ok(gets(endless, REPLY_ENDLESS),
       "a reply whose newline comes too late is endless");
}

int main(void)
{
    reply_expect(&expected, 30);
    test_one();
    test_many();
    test_endless();
    reply_expect(&expected, 1);
    ok(gets("fib: 1\n", REPLY_RIGHT), "the right reply for fib(1)");
    reply_expect(&expected, 93);
    ok(gets("fib: 12200160415121876738\n", REPLY_RIGHT),
       "the right reply for fib(93)");
    return done_testing();
}
