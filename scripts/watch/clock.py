"""Computes for how long a thread has been blocked.

The kernel records when a thread last ran (`se.exec_start` in /proc/PID/sched),
but in the time of the thread's processor. Each processor has its own clock,
which stops while a hypervisor has taken the processor away. To read that clock,
this program runs on the processor for a moment, and reads its own record.
"""

import os
import time

from watch import proc

AGAIN_S = 5  # compare again: a clock may have drifted


class ProcessorClocks:
    """The clock of each processor, as a difference from the monotonic clock."""

    def __init__(self):
        self.known = {}  # processor: (when compared, difference), in ns

    def not_run_ns(self, thread):
        """Returns how long ago a thread last ran, at the time when it was
        observed. Returns None if that cannot be known."""
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
        """Returns by how many ns a processor's clock is ahead of the monotonic
        clock, or None if this program may not run on that processor."""
        allowed = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {processor})
            time.sleep(0)
            start_ns = proc.exec_start_ns(("thread-self",))
            return start_ns - time.monotonic_ns() if start_ns else None
        except OSError:
            return None
        finally:
            os.sched_setaffinity(0, allowed)
