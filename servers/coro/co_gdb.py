# co_gdb.py - where a suspended coroutine stands, for gdb.
#
#     (gdb) source servers/coro/co_gdb.py
#     (gdb) info coroutine c            c: any expression for a struct co *
#
# A suspended coroutine continues at co_switch_suspended, where it takes its
# registers off its stack, and the .cfi lines tell gdb how. So for a moment this
# script claims that the innermost frame was called from there. It writes
# nothing, so it works with core files, too.

import gdb
import gdb.unwinder

REGISTERS = {"i386:x86-64": ("rip", "rsp"), "aarch64": ("pc", "sp")}


class FrameId:
    def __init__(self, pc, sp):
        self.pc, self.sp = pc, sp


class CalledByCoroutine(gdb.unwinder.Unwinder):
    """Claims that each frame outside of a coroutine's stack was called by the
    coroutine."""

    def __init__(self, co):
        super().__init__("coroutine")
        self.sp, self.low = co["sp"], int(co["stack"]["low"])
        self.high = self.low + int(co["stack"]["size"])
        self.pc = gdb.parse_and_eval("(void *)&co_switch_suspended")
        frame = gdb.newest_frame()
        self.pc_name, self.sp_name = REGISTERS[frame.architecture().name()]

    def runs_in(self, frame):
        return self.low <= int(frame.read_register(self.sp_name)) < self.high

    def __call__(self, pending_frame):
        if self.runs_in(pending_frame):
            return None
        info = pending_frame.create_unwind_info(FrameId(self.pc, self.sp))
        info.add_saved_register(self.pc_name, self.pc)
        info.add_saved_register(self.sp_name, self.sp)
        return info


class InfoCoroutine(gdb.Command):
    """Print the backtrace of a suspended coroutine: info coroutine C"""

    def __init__(self):
        super().__init__("info coroutine", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        co = gdb.parse_and_eval(argument)
        unwinder = CalledByCoroutine(co)
        state = co["state"] & gdb.parse_and_eval("CO_STATE_MASK")
        done = state == gdb.parse_and_eval("CO_DONE")
        if done or unwinder.runs_in(gdb.newest_frame()):
            raise gdb.GdbError("It is not suspended.")
        level = gdb.selected_frame().level()
        gdb.unwinder.register_unwinder(None, unwinder, replace=True)
        try:
            # The innermost frame may be main(), where a backtrace ends.
            with gdb.with_parameter("backtrace past-main", True):
                text = gdb.execute("backtrace", to_string=True)
        finally:
            unwinder.enabled = False
            gdb.invalidate_cached_frames()
            gdb.execute("frame %d" % level, to_string=True)
        print(text[text.index("#1 "):].rstrip())


InfoCoroutine()
