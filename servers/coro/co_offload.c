// co_offload.c - blocking functions, run by other threads.
//
// A coroutine that computes, or makes a call that blocks, stops all others of
// its thread. Other threads can do this work instead: the coroutine adds a job
// to a queue and waits. A thread takes the job, does it, and sends mail to the
// coroutine. If there is a job and all threads are busy, another thread is
// started. Threads never end, and only they block.

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "co.h"
#include "co_internal.h"

// A job. This struct is on the stack of the coroutine that waits for it.
struct job {
    void (*fn)(void *arg);
    void *arg;
    struct co_mail mail;
    struct co_mailbox *mailbox;  // of the coroutine's thread
    struct job *next;
};

// The queue of jobs, for the coroutines of all threads. Guarded by `lock`.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static struct job *first_job, *last_job;
static int job_count, thread_count;
static int idle_count;  // threads that wait for a job, or soon will
static int thread_max;  // below 1: not set; then the number of cores

// Takes the oldest job. Blocks until there is one. The thread is not idle then.
static struct job *take_job(void)
{
    pthread_mutex_lock(&lock);
    while (first_job == NULL)
        pthread_cond_wait(&work, &lock);
    idle_count--;
    struct job *job = first_job;
    first_job = job->next;
    job_count--;
    pthread_mutex_unlock(&lock);
    return job;
}

static void become_idle(void)
{
    pthread_mutex_lock(&lock);
    idle_count++;
    pthread_mutex_unlock(&lock);
}

// Is the main function of each of the other threads: does jobs without end.
static void *do_jobs(void *arg)
{
    (void)arg;
    for (;;) {
        struct job *job = take_job();
        struct co_mailbox *mailbox = job->mailbox;
        job->fn(job->arg);
        // This thread becomes idle before the coroutine runs. Otherwise the
        // next job of the coroutine could start another thread.
        become_idle();
        // The mail comes last: once the coroutine runs, `job` may no longer
        // exist.
        co_mail_send(mailbox, &job->mail);
    }
    return NULL;
}

int co_start_thread(pthread_t *thread, void *(*fn)(void *arg), void *arg)
{
    sigset_t all, previous;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous);
    int error = pthread_create(thread, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    return error;
}

static int start_worker(void)
{
    pthread_t thread;
    int error = co_start_thread(&thread, do_jobs, NULL);
    return error != 0 ? error : pthread_detach(thread);
}

static void append_job(struct job *job)
{
    if (first_job == NULL)
        first_job = job;
    else
        last_job->next = job;
    last_job = job;
    job_count++;
}

void co_set_offload_threads(int count)
{
    pthread_mutex_lock(&lock);
    thread_max = count;
    pthread_mutex_unlock(&lock);
}

static int core_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
}

// Adds a job to the queue, and starts one more thread if all are busy. Returns
// 0, or EAGAIN if there is no thread yet and none can be started.
static int hand_over(struct job *job)
{
    int error = 0;
    pthread_mutex_lock(&lock);
    if (thread_max < 1)
        thread_max = core_count();
    if (job_count >= idle_count && thread_count < thread_max) {
        error = start_worker();
        thread_count += error == 0;
        idle_count += error == 0;
    }
    if (thread_count > 0) {
        append_job(job);
        error = 0;
    }
    pthread_mutex_unlock(&lock);
    // After the unlock, since a woken thread needs the lock at once.
    if (error == 0)
        pthread_cond_signal(&work);
    return error;
}

int co_offload(void (*fn)(void *arg), void *arg)
{
    if (co_begin_wait() != 0)
        return -1;
    struct job job = {.fn = fn,
                      .arg = arg,
                      .mail = {.waiter = co_current()},
                      .mailbox = &co_mailbox};
    int error = hand_over(&job);
    if (error != 0)
        return co_fail(error);
    return co_suspend(CO_UNINTERRUPTIBLE, CO_NEVER);
}
