// co_offload.c - a blocking function, run by another thread.
//
// A coroutine that computes, or calls something that really waits, holds up all
// the others. Here a few threads do that for them: the coroutine parks, a
// thread takes its job and wakes it when it is done. The threads are started
// when there is work for them, and stay.

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "co.h"
#include "co_internal.h"

// On the stack of the coroutine that waits for it.
struct job {
    void (*fn)(void *arg);
    void *arg;
    struct co *waiter;
    struct job *next;
};

// Guarded by `lock`, and shared by the coroutines of all threads.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static struct job *first_job, *last_job;
static int job_count, thread_count, idle_count;
static int thread_max;  // 0: not known yet

static struct job *take_job(void)
{
    pthread_mutex_lock(&lock);
    idle_count++;
    while (first_job == NULL)
        pthread_cond_wait(&work, &lock);
    idle_count--;
    struct job *job = first_job;
    first_job = job->next;
    job_count--;
    pthread_mutex_unlock(&lock);
    return job;
}

static void *work_for_ever(void *arg)
{
    (void)arg;
    for (;;) {
        struct job *job = take_job();
        job->fn(job->arg);
        // The job is gone as soon as its coroutine runs.
        co_wake_async(job->waiter);
    }
    return NULL;
}

// Starts a detached thread that takes no signals: those are for the thread
// whose waits they should end. Returns 0 or an error number.
static int start_thread(void)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, NULL, work_for_ever, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
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
    pthread_cond_signal(&work);
}

void co_set_offload_threads(int count)
{
    pthread_mutex_lock(&lock);
    thread_max = count;
    pthread_mutex_unlock(&lock);
}

// Returns 0, or EAGAIN when there is nobody to do the job.
static int hand_over(struct job *job)
{
    int error = 0;
    pthread_mutex_lock(&lock);
    if (thread_max == 0)
        thread_max = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (job_count >= idle_count && thread_count < thread_max) {
        error = start_thread();
        thread_count += error == 0;
    }
    if (thread_count > 0) {
        append_job(job);
        error = 0;
    }
    pthread_mutex_unlock(&lock);
    return error;
}

int co_offload(void (*fn)(void *arg), void *arg)
{
    struct job job = {.fn = fn, .arg = arg, .waiter = co_self()};
    if ((errno = hand_over(&job)) != 0)
        return -1;
    co_park_firmly();
    return 0;
}
