"""For how long a thread has been blocked.

The kernel notes when a thread last ran (`se.exec_start` in /proc/PID/sched),
but by a clock that each processor has for itself: it stands still while a
hypervisor has taken the processor away. So we run on that processor for a
moment, and see what our own thread's time is.
"""

import os
import time

AGAIN_S = 5  # after this time a clock may have drifted


class ProcessorClocks:
    """The clocks of all processors, as differences from the monotonic one."""

    def __init__(self, proc):
        self.proc = proc
        self.known = {}  # processor: (when compared, difference), in ns

    def not_run_ns(self, thread):
        """Returns for how long a thread had not run when it was looked at; None
        if that cannot be known."""
        if not thread.exec_start_ns:
            return None
        compared_ns, difference_ns = self.known.get(
            thread.processor, (-AGAIN_S * 10**9, None))
        if thread.seen_ns - compared_ns > AGAIN_S * 10**9:
            difference_ns = self.compare(thread.processor)
            self.known[thread.processor] = time.monotonic_ns(), difference_ns
        if difference_ns is None:
            return None
        return max(0, thread.seen_ns + difference_ns - thread.exec_start_ns)

    def compare(self, processor):
        """Runs on a processor, and returns how far its clock is ahead of the
        monotonic one; None if we may not run there."""
        allowed = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {processor})
            time.sleep(0)
            start_ns = self.proc.exec_start_ns(("thread-self",))
            return start_ns - time.monotonic_ns() if start_ns else None
        except OSError:
            return None
        finally:
            os.sched_setaffinity(0, allowed)
