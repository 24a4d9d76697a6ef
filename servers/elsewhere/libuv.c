// libuv.c - callback.c over libuv, the event loop that Node uses.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../../fib/session.h"

enum { REPLIES_SIZE = SESSION_INPUT_SIZE * SESSION_REPLY_SIZE };

struct client {
    uv_tcp_t tcp;  // First, so that its address is that of the client.
    uv_write_t write;
    struct session session;
    char replies[REPLIES_SIZE];
};

static const struct session_rules rules = {.n_max = 45};

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void give_space(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct session *s = &((struct client *)handle)->session;
    (void)size;
    *buf = uv_buf_init(session_space(s), (unsigned)session_space_len(s));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void on_written(uv_write_t *write, int status)
{
    struct client *c = (struct client *)write->handle;
    if (status < 0 || session_over(&c->session))
        uv_close((uv_handle_t *)c, on_closed);
    else
        uv_read_start((uv_stream_t *)c, give_space, on_read);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct client *c = (struct client *)stream;
    (void)buf;
    if (n == 0)
        return;  // As EAGAIN: nothing can be read now.
    uv_buf_t replies = uv_buf_init(c->replies, 0);
    session_received(&c->session, n > 0 ? (size_t)n : 0);
    while (session_answer(&c->session)) {
        memcpy(replies.base + replies.len, c->session.reply,
               c->session.reply_len);
        replies.len += c->session.reply_len;
    }
    uv_read_stop(stream);
    uv_write(&c->write, stream, &replies, 1, on_written);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct client *c = status == 0 ? malloc(sizeof *c) : NULL;
    if (c == NULL)
        return;
    uv_tcp_init(listener->loop, &c->tcp);
    session_start(&c->session, &rules);
    uv_accept(listener, (uv_stream_t *)c);
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)c, give_space, on_read);
}

int main(int argc, char **argv)
{
    uv_tcp_t listener;
    struct sockaddr_in address;
    int size = sizeof address;
    uv_ip4_addr("127.0.0.1", argc > 2 ? atoi(argv[2]) : 9999, &address);
    uv_tcp_init(uv_default_loop(), &listener);
    uv_tcp_bind(&listener, (struct sockaddr *)&address, 0);
    if (uv_listen((uv_stream_t *)&listener, 4096, on_connection) != 0)
        return EXIT_FAILURE;
    uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size);
    printf("libuv: listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
