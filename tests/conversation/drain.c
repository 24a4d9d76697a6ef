// drain.c - stopped under load: counted from both ends, nothing is lost.
//
// Clients ask and read, each a little at a time, until SIGTERM comes, at
// another moment each time. Just before, every client counts the requests that
// have arrived: those in bytes which the server's kernel has confirmed. They
// must be answered, later ones may be; and what the server says it answered
// must reach its client, also one that reads slowly or never stops asking.

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
    DRAINS = 5,  // or as many as DRAINS in the environment says
    TALKERS = 20,
    ROUNDS_MAX =
        50,  // of 1 ms or more each, between a first reply and the signal
    REQUEST_SIZE = 4,  // all the same, so that bytes tell requests
    N_MAX = 9,
    PIECE_MAX = 600,
    BUFFER_SIZE = 8192,
};

// A client. What it does after the signal tells its kind.
struct talker {
    long sent;         // bytes
    long arrived;      // requests that the server had before the signal
    long heard;        // replies
    size_t heard_len;  // bytes of the next one
    struct peer peer;
    enum { ASKS_ON, FALLS_SILENT, FINISHES, KINDS } kind;
    bool wrong;  // a reply was not the one that is due
};

// What all the repetitions came to.
struct tally {
    int ended;
    int uncounted;  // servers that printed no summary
    long arrived, missing, heard, counted, wrong;
};

// Sends a piece of an endless text, the lines 1, 2, 3 and so on with blanks at
// their ends, as far as it fits. Cut anywhere and ended, it asks for the same
// as if the last line were whole.
static void ask(struct talker *t)
{
    static const char text[] = "1  \n2  \n3  \n4  \n5  \n6  \n7  \n8  \n9  \n";
    char piece[PIECE_MAX];
    size_t len = 1 + (size_t)rand() % PIECE_MAX;
    for (size_t i = 0; i < len; i++) {
        long at = t->sent + (long)i;
        piece[i] = text[at % (long)(sizeof text - 1)];
    }
    ssize_t put = send(t->peer.fd, piece, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    t->sent += put > 0 ? put : 0;
}

// Compares a byte with the one that is due.
static void hear_byte(struct talker *t, char byte)
{
    static const char *const replies[N_MAX] = {
        "fib: 1\n", "fib: 1\n",  "fib: 2\n",  "fib: 3\n", "fib: 5\n",
        "fib: 8\n", "fib: 13\n", "fib: 21\n", "fib: 34\n"};
    const char *due = replies[t->heard % N_MAX];
    t->wrong = t->wrong || byte != due[t->heard_len];
    t->heard_len += !t->wrong;  // Once wrong, it stays so.
    if (byte == '\n') {
        t->heard++;
        t->heard_len = 0;
    }
}

// Receives a little, less than is replied to what ask() sends: so replies are
// on their way at any time. Returns false at the end.
static bool hear(struct talker *t)
{
    char bytes[200];
    ssize_t got = recv(t->peer.fd, bytes, sizeof bytes, MSG_DONTWAIT);
    for (ssize_t i = 0; i < got; i++)
        hear_byte(t, bytes[i]);
    return got > 0 || (got < 0 && errno == EAGAIN);
}

// How many requests of a served client have arrived: not what may still be on
// its way. One in the queue of connections has not been let in.
static long count_arrived(const struct talker *t)
{
    int left = 0;
    ioctl(t->peer.fd, TIOCOUTQ, &left);
    return t->heard > 0 ? (t->sent - left) / REQUEST_SIZE : 0;
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

// Every client asks and reads a little. Returns how many are left.
static int talk(struct talker *talkers, bool stopping)
{
    int open = 0;
    for (int i = 0; i < TALKERS; i++) {
        struct talker *t = &talkers[i];
        if (t->peer.fd < 0)
            continue;
        if (!stopping || t->kind == ASKS_ON)
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
    for (const struct talker *t = talkers; t < talkers + TALKERS; t++) {
        sum->arrived += t->arrived;
        sum->missing += t->arrived > t->heard ? t->arrived - t->heard : 0;
        sum->heard += t->heard;
        sum->wrong += t->wrong;
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
    until_ms = now_ms() + patience_ms();
    while (talk(talkers, true) > 0 && now_ms() < until_ms)
        ;
    sum->ended += server_wait(&s) == 0;
    add_up(sum, talkers, &s);
}

void test_drain(void)
{
    const char *wanted = getenv("DRAINS");
    int drains = wanted != NULL ? atoi(wanted) : DRAINS;
    struct tally sum = {0};
    srand(1);
    for (int i = 0; i < drains; i++)
        drain_once(&sum);
    ok(sum.ended == drains, "%d times stopped under load, it ends well",
       drains);
    ok(sum.arrived > 0 && sum.missing == 0,
       "all %ld requests that had arrived before the signal are answered",
       sum.arrived);
    ok(sum.heard == sum.counted && sum.uncounted == 0,
       "all %ld replies it counted arrive (%ld)", sum.counted, sum.heard);
    ok(sum.wrong == 0, "and all are right");
}
