// drain.c - stops servers under load, and checks that no reply is lost.
//
// Clients send requests and receive replies, a little at a time, until the test
// sends SIGTERM, at a different moment in each repetition. Just before that,
// every client counts its requests that have arrived: the server's kernel has
// acknowledged their bytes. The server must answer these, and may answer later
// ones. Every reply that the server counts in its summary must reach its
// client, even one that reads slowly or never stops sending.

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "../tap.h"
#include "conversation.h"
#include "peer.h"
#include "subject.h"

enum {
    DRAINS = 5,  // repetitions, unless the environment has DRAINS
    DRAINS_MAX = 1000000,
    TALKERS = 20,
    ROUNDS_MAX = 50,   // between the first reply and the signal
    REQUEST_SIZE = 4,  // bytes, the same for every request
    N_MAX = 9,
    PIECE_MAX = 600,
    BUFFER_SIZE = 8192,
};

// A client. Its kind is what it does after the server got the signal.
struct talker {
    long sent;         // bytes
    long arrived;      // requests at the server when it got the signal
    long heard;        // complete replies received
    size_t heard_len;  // bytes received of the next reply
    struct peer peer;
    enum { KEEPS_SENDING, BECOMES_IDLE, FINISHES, KINDS } kind;
    bool wrong;  // it has received a wrong byte
};

// The sums over all repetitions.
struct tally {
    int ended;
    int uncounted;  // servers that printed no summary
    long arrived, missing, heard, counted, wrong;
};

// Sends the next piece of an endless text, as much as the send buffer takes.
// The text is the lines 1 to 9, again and again, padded with blanks to four
// bytes. A piece may end inside a line. If the connection ends there, the piece
// of the line is still the same request.
static void ask(struct talker *t)
{
    static const char text[] = "1  \n2  \n3  \n4  \n5  \n6  \n7  \n8  \n9  \n";
    char piece[PIECE_MAX];
    size_t len = 1 + (size_t)rand() % PIECE_MAX;
    for (size_t i = 0; i < len; i++) {
        long at = t->sent + (long)i;
        piece[i] = text[at % (long)(sizeof text - 1)];
    }
    ssize_t n = send(t->peer.fd, piece, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    t->sent += n > 0 ? n : 0;
}

// Compares a received byte with the expected one.
static void hear_byte(struct talker *t, char byte)
{
    static const char *const replies[N_MAX] = {
        "fib: 1\n", "fib: 1\n",  "fib: 2\n",  "fib: 3\n", "fib: 5\n",
        "fib: 8\n", "fib: 13\n", "fib: 21\n", "fib: 34\n"};
    const char *due = replies[t->heard % N_MAX];
    t->wrong = t->wrong || byte != due[t->heard_len];
    t->heard_len += !t->wrong;  // After a wrong byte, all are wrong.
    if (byte == '\n') {
        t->heard++;
        t->heard_len = 0;
    }
}

// Receives at most 200 bytes, on average fewer than the replies to one call of
// ask(). So there are replies in flight at almost any time. Returns false when
// the server has closed the connection.
static bool hear(struct talker *t)
{
    char bytes[200];
    ssize_t n = recv(t->peer.fd, bytes, sizeof bytes, MSG_DONTWAIT);
    for (ssize_t i = 0; i < n; i++)
        hear_byte(t, bytes[i]);
    return n > 0 || (n < 0 && errno == EAGAIN);
}

// Returns how many requests have arrived at the server: those whose bytes its
// kernel has acknowledged. Returns 0 before the first reply, because the server
// may not have accepted the connection yet.
static long count_arrived(const struct talker *t)
{
    int left = 0;
    ioctl(t->peer.fd, TIOCOUTQ, &left);
    return t->heard > 0 ? (t->sent - left) / REQUEST_SIZE : 0;
}

// Returns how many replies to requests that had arrived are missing.
static long count_missing(const struct talker *talkers)
{
    long missing = 0;
    for (const struct talker *t = talkers; t < talkers + TALKERS; t++)
        missing += t->arrived > t->heard ? t->arrived - t->heard : 0;
    return missing;
}

static void send_signal(struct talker *talkers, const struct server *s)
{
    for (int i = 0; i < TALKERS; i++)
        talkers[i].arrived = count_arrived(&talkers[i]);
    kill(s->pid, SIGTERM);
    for (int i = 0; i < TALKERS; i++)
        if (talkers[i].kind == FINISHES)
            peer_finish(&talkers[i].peer);
}

// Lets every client receive a little and, unless it has become idle, send
// requests. Returns how many connections are still open.
static int talk(struct talker *talkers, bool stopping)
{
    int open = 0;
    for (int i = 0; i < TALKERS; i++) {
        struct talker *t = &talkers[i];
        if (t->peer.fd < 0)
            continue;
        if (!stopping || t->kind == KEEPS_SENDING)
            ask(t);
        if (hear(t))
            open++;
        else
            peer_close(&t->peer);
    }
    sleep_ms(1);
    return open;
}

static bool is_any_served(const struct talker *talkers)
{
    for (int i = 0; i < TALKERS; i++)
        if (talkers[i].heard > 0)
            return true;
    return false;
}

static void add_up(struct tally *sum, const struct talker *talkers,
                   const struct server *s)
{
    long requests = -1;
    const char *summary = strstr(s->out_text, "connections, ");
    if (summary != NULL)
        sscanf(summary, "connections, %ld requests", &requests);
    if (requests < 0)
        sum->uncounted++;
    else
        sum->counted += requests;
    sum->missing += count_missing(talkers);
    for (const struct talker *t = talkers; t < talkers + TALKERS; t++) {
        sum->arrived += t->arrived;
        sum->heard += t->heard;
        sum->wrong += t->wrong;
    }
}

// Lets the clients talk until the server has closed all connections. Gives up
// when it has sent none of the missing replies for patience_ms(): a slow server
// may need longer for all of them.
static void talk_to_the_end(struct talker *talkers)
{
    long missing = count_missing(talkers);
    int64_t until_ms = now_ms() + patience_ms();
    while (talk(talkers, true) > 0 && now_ms() < until_ms) {
        long still = count_missing(talkers);
        if (still < missing)
            until_ms = now_ms() + patience_ms();
        missing = still;
    }
}

static void drain_once(struct tally *sum)
{
    static struct talker talkers[TALKERS];
    const char *arguments[] = {"--quiet", NULL};
    struct server s;
    if (!subject_start(&s, arguments))
        return;
    memset(talkers, 0, sizeof talkers);
    for (int i = 0; i < TALKERS; i++) {
        talkers[i].kind = (unsigned)i % KINDS;
        peer_connect_with(&talkers[i].peer, s.port, BUFFER_SIZE);
    }
    int64_t until_ms = now_ms() + patience_ms();
    while (!is_any_served(talkers) && now_ms() < until_ms)
        talk(talkers, false);
    for (int rounds = rand() % ROUNDS_MAX; rounds > 0; rounds--)
        talk(talkers, false);
    send_signal(talkers, &s);
    talk_to_the_end(talkers);
    sum->ended += server_wait(&s) == 0;
    add_up(sum, talkers, &s);
}

void test_drain(void)
{
    int drains = setting("DRAINS", DRAINS, DRAINS_MAX);
    struct tally sum = {0};
    srand(1);
    for (int i = 0; i < drains; i++)
        drain_once(&sum);
    ok(sum.ended == drains,
       "stopped under load %d times, it exits with status 0", drains);
    ok(sum.arrived > 0 && sum.missing == 0,
       "all %ld requests that had arrived before the signal are answered",
       sum.arrived);
    ok(sum.heard == sum.counted && sum.uncounted == 0,
       "all %ld replies that it has counted arrive (%ld)", sum.counted,
       sum.heard);
    ok(sum.wrong == 0, "all replies that arrive are right");
}
