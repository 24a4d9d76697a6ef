// trace.c - records what happens to every request, for --trace.
//
// Only trace_open() and trace_write() use the file, so only they may block.

#include "trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

enum { DESCRIPTORS_MAX = 1 << 20 };

enum kind { NONE, ACCEPTED, RECEIVED, COMPUTED, SENT, CLOSED };

struct event {
    int64_t begin_ns, end_ns;  // equal, except for COMPUTED
    uint32_t connection;       // from 1
    uint32_t value;            // the client's port, a number of bytes, or n
    int32_t tid;
    int16_t cpu;  // at end_ns
    uint8_t kind;
};

// The events of all processes, in shared memory. To write an event without a
// lock, a process first reserves an entry of `events`. If the process is killed
// before it has written the entry, the entry stays empty.
struct recording {
    atomic_uint_least32_t connection_count;
    atomic_uint_least64_t reserved;  // entries, also those of dropped events
    struct event events[TRACE_EVENTS_MAX];
};

static struct recording *recording;  // NULL: off
static FILE *file;
static const char *process_name;
static int backend_ms;  // the delay of the simulated backend

// For each descriptor, the number of its connection. Not shared, because the
// same descriptor is a different connection in each process. A child of fork()
// starts with a copy.
static atomic_uint_least32_t *connection_of;
static size_t descriptor_count;

static _Thread_local int32_t tid;  // 0: not known yet
static _Thread_local int64_t computing_since_ns;

// ---- Recording events

// Records an event that began at `begin_ns` and ends now. If `begin_ns` is 0,
// it also begins now.
static void note_since(int64_t begin_ns, enum kind kind, uint32_t connection,
                       size_t value)
{
    uint64_t place = atomic_fetch_add_explicit(&recording->reserved, 1,
                                               memory_order_relaxed);
    if (place >= TRACE_EVENTS_MAX)
        return;
    if (tid == 0)
        tid = gettid();
    int64_t now_ns = clock_now_ns();
    recording->events[place] =
        (struct event){.begin_ns = begin_ns != 0 ? begin_ns : now_ns,
                       .end_ns = now_ns,
                       .connection = connection,
                       .value = (uint32_t)value,
                       .tid = tid,
                       .cpu = (int16_t)sched_getcpu(),
                       .kind = (uint8_t)kind};
}

static void note(enum kind kind, uint32_t connection, size_t value)
{
    note_since(0, kind, connection, value);
}

// Returns the number of a descriptor's connection, or 0 if it is unknown.
static uint32_t connection_number(int fd)
{
    bool known = fd >= 0 && (size_t)fd < descriptor_count;
    return known
               ? atomic_load_explicit(&connection_of[fd], memory_order_relaxed)
               : 0;
}

// Returns the client's port, or 0 if it is unknown.
static uint16_t peer_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer = {.v6 = {0}};
    socklen_t len = sizeof peer;
    if (getpeername(fd, &peer.any, &len) != 0)
        return 0;
    return ntohs(peer.v4.sin_port);  // sin6_port is at the same place.
}

void trace_accepted(int fd)
{
    if (recording == NULL || fd < 0 || (size_t)fd >= descriptor_count)
        return;
    uint32_t number = atomic_fetch_add(&recording->connection_count, 1) + 1;
    atomic_store_explicit(&connection_of[fd], number, memory_order_relaxed);
    note(ACCEPTED, number, peer_port(fd));
}

void trace_received(int fd, struct session *s, size_t len)
{
    if (recording == NULL)
        return;
    s->connection = connection_number(fd);
    if (len > 0)
        note(RECEIVED, s->connection, len);
}

void trace_sent(int fd)
{
    if (recording != NULL)
        note(SENT, connection_number(fd), 0);
}

void trace_closed(const struct session *s)
{
    if (recording != NULL)
        note(CLOSED, s->connection, 0);
}

// Records how long a computation took. A session calls this function before and
// after each computation.
static void on_answer(const struct session *s, unsigned n, bool done)
{
    if (done)
        note_since(computing_since_ns, COMPUTED, s->connection, n);
    else
        computing_since_ns = clock_now_ns();
}

// ---- Opening

// Runs in each child of fork(), which has a thread id of its own.
static void forget_tid(void)
{
    tid = 0;
}

static size_t descriptor_limit(void)
{
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_max < DESCRIPTORS_MAX ? (size_t)limit.rlim_max
                                            : DESCRIPTORS_MAX;
}

int trace_open(const char *path, const char *model, int delay_ms,
               struct session_rules *rules)
{
    process_name = model;
    backend_ms = delay_ms;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return -1;
    file = fdopen(fd, "w");
    descriptor_count = descriptor_limit();
    connection_of = calloc(descriptor_count, sizeof *connection_of);
    // The kernel allocates each page of this memory only at the first write to
    // the page. So entries that are never used take no memory.
    void *shared = mmap(NULL, sizeof *recording, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (file == NULL || connection_of == NULL || shared == MAP_FAILED)
        return -1;
    errno = pthread_atfork(NULL, NULL, forget_tid);
    if (errno != 0)
        return -1;
    rules->on_answer = on_answer;
    recording = shared;
    return 0;
}

// ---- Writing

// Writes a time in microseconds, the unit of Chrome trace events.
static void write_us(const char *name, int64_t ns)
{
    fprintf(file, "\"%s\":%" PRId64 ".%03d", name, ns / 1000, (int)(ns % 1000));
}

// Writes the first fields of an event: its phase, process, thread and time.
static void write_head(const char *phase, const struct event *e, int64_t ns)
{
    fprintf(file, ",\n{\"ph\":\"%s\",\"pid\":%d,\"tid\":%d,", phase,
            (int)getpid(), (int)e->tid);
    write_us("ts", ns);
}

// Writes an event of a connection. A viewer shows each connection in its own
// row.
static void write_of_connection(const char *phase, const struct event *e,
                                int64_t ns, const char *name)
{
    write_head(phase, e, ns);
    fprintf(file,
            ",\"cat\":\"connection\",\"id\":%" PRIu32
            ",\"name\":\"%s\",\"args\":{\"connection\":%" PRIu32 "}}",
            e->connection, name, e->connection);
}

static void write_accepted(const struct event *e)
{
    write_head("b", e, e->begin_ns);
    fprintf(file,
            ",\"cat\":\"connection\",\"id\":%" PRIu32
            ",\"name\":\"connection\",\"args\":{\"connection\":%" PRIu32
            ",\"client_port\":%" PRIu32 "}}",
            e->connection, e->connection, e->value);
}

static void write_instant(const struct event *e, const char *name)
{
    write_head("i", e, e->begin_ns);
    fprintf(file,
            ",\"s\":\"t\",\"name\":\"%s\",\"args\":{\"connection\":%" PRIu32
            ",\"bytes\":%" PRIu32 "}}",
            name, e->connection, e->value);
}

static void write_computed(const struct event *e)
{
    write_head("X", e, e->begin_ns);
    fputc(',', file);
    write_us("dur", e->end_ns - e->begin_ns);
    if (e->value > 0)
        fprintf(file, ",\"name\":\"fib(%" PRIu32 ")\"", e->value);
    else
        fprintf(file, ",\"name\":\"error\"");
    fprintf(file, ",\"args\":{\"connection\":%" PRIu32 ",\"cpu\":%d}}",
            e->connection, e->cpu);
}

// Writes how long a reply waited for the simulated backend: from the end of the
// computation until the reply was sent. This is the same for all models,
// because each sends the reply as soon as the backend's delay is over.
static void write_backend(const struct event *e, int64_t since_ns)
{
    write_of_connection("b", e, since_ns, "backend");
    write_of_connection("e", e, e->end_ns, "backend");
}

// Writes one event. `computed_ns` contains for each connection when its last
// computation ended.
static void write_event(const struct event *e, int64_t *computed_ns)
{
    switch ((enum kind)e->kind) {
    case NONE:
        break;
    case ACCEPTED:
        write_accepted(e);
        break;
    case RECEIVED:
        write_instant(e, "received");
        break;
    case COMPUTED:
        computed_ns[e->connection] = e->end_ns;
        write_computed(e);
        break;
    case SENT:
        if (backend_ms > 0 && computed_ns[e->connection] != 0)
            write_backend(e, computed_ns[e->connection]);
        write_instant(e, "sent");
        break;
    case CLOSED:
        write_of_connection("e", e, e->begin_ns, "connection");
        break;
    }
}

static void write_start(uint64_t dropped)
{
    fprintf(file,
            "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"model\":\"%s\","
            "\"clock\":\"CLOCK_MONOTONIC\",\"dropped_events\":%" PRIu64
            "},\"traceEvents\":[\n{\"ph\":\"M\",\"pid\":%d,\"name\":"
            "\"process_name\",\"args\":{\"name\":\"%s\"}}",
            process_name, dropped, (int)getpid(), process_name);
}

long trace_write(void)
{
    if (recording == NULL)
        return 0;
    uint64_t reserved = recording->reserved;
    uint64_t count = reserved < TRACE_EVENTS_MAX ? reserved : TRACE_EVENTS_MAX;
    int64_t *computed_ns =
        calloc((size_t)recording->connection_count + 1, sizeof *computed_ns);
    if (computed_ns == NULL)
        return -1;
    write_start(reserved - count);
    for (uint64_t i = 0; i < count; i++)
        write_event(&recording->events[i], computed_ns);
    fprintf(file, "\n]}\n");
    free(computed_ns);

    // If the disk is full, one of the fprintf() above has failed, or fclose()
    // fails.
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed)
        return -1;
    return (long)(reserved - count);
}
