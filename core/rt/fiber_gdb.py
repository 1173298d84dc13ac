# SPDX-License-Identifier: MIT
"""Shows gdb what fibers wait for: lists them by name and prints the backtrace of each that is parked.

    gdb -p PID -x core/rt/fiber_gdb.py          a running worker; or: gdb build/drover CORE -x core/rt/fiber_gdb.py
    (gdb) fibers                                 all of them
    (gdb) fibers request 42                      those with these words in their name

Nothing is written to the process, so core files do as well. A parked fiber's registers are where its switch left them;
an unwinder hands them to gdb as the caller of the frame that is really there.
"""
import re

import gdb
import gdb.unwinder

# Where each register was left, in bytes from struct fiber.context; then the stack pointer's name, and either how far
# above the context it was or where it was left.
X86_ORDER = ["r15", "r14", "r13", "r12", "rbx", "rbp", "rip"]  # after the two control words
ARM_ORDER = ["x%d" % n for n in range(19, 30)] + ["pc"]
GREGS = 40  # ucontext_t.uc_mcontext.gregs of x86-64
LAYOUTS = {
    ("i386:x86-64", "asm"): ({name: 8 + 8 * i for i, name in enumerate(X86_ORDER)}, "rsp", 64, None),
    ("aarch64", "asm"): ({name: 8 * i for i, name in enumerate(ARM_ORDER)}, "sp", 160, None),
    ("i386:x86-64", "ucontext"): ({"r12": GREGS + 32, "r13": GREGS + 40, "r14": GREGS + 48, "r15": GREGS + 56,
                                   "rbp": GREGS + 80, "rbx": GREGS + 88, "rip": GREGS + 128}, "rsp", None, GREGS + 120),
}


def word(address):
    return gdb.Value(address).cast(gdb.lookup_type("unsigned long").pointer()).dereference()


def layout():
    machine = gdb.selected_inferior().architecture().name()
    switch = "asm" if has_symbol("fiber_start") else "ucontext"
    if (machine, switch) not in LAYOUTS:
        raise gdb.GdbError("fibers: no layout of the %s switch of %s" % (switch, machine))
    return LAYOUTS[machine, switch]


def saved_pc(context):
    places = layout()[0]
    return word(context + places.get("rip", places.get("pc")))


def is_first_of_function(pc):
    return "+" not in gdb.execute("info symbol %d" % int(pc), to_string=True).partition(" in section")[0]


def has_symbol(name):
    try:
        gdb.parse_and_eval("&" + name)
        return True
    except gdb.error:
        return False


class Parked(gdb.unwinder.Unwinder):
    """While it has a context, the innermost frame's caller is the fiber's."""

    def __init__(self):
        super().__init__("drover_fiber")
        self.context = None

    def __call__(self, pending):
        if self.context is None or pending.level() != 0:
            return None
        places, sp_name, sp_above, sp_at = layout()
        info = pending.create_unwind_info(FrameId(self.context, saved_pc(self.context)))
        for name, at in places.items():
            info.add_saved_register(name, word(self.context + at))
        sp = word(self.context + sp_at) if sp_at is not None else gdb.Value(self.context + sp_above)
        info.add_saved_register(sp_name, sp.cast(gdb.lookup_type("unsigned long")))
        return info


class FrameId:
    """Below the fiber's own frames: gdb stops where a caller seems to be further in than the called."""

    def __init__(self, context, pc):
        self.sp = gdb.Value(context - 8)
        self.pc = pc


PARKED = Parked()


def backtrace(context):
    PARKED.context = context
    gdb.invalidate_cached_frames()
    try:
        lines = gdb.execute("with width 0 -- backtrace", to_string=True).splitlines()
    finally:
        PARKED.context = None
        gdb.invalidate_cached_frames()
    return [renumbered(line) for line in lines if not line.startswith("#0 ")]


def renumbered(line):
    return re.sub(r"^#(\d+) ", lambda m: "  #%d " % (int(m.group(1)) - 1), line)


def living():
    try:
        f = gdb.parse_and_eval("'fiber.c'::living")
    except gdb.error as e:
        raise gdb.GdbError("fibers: this is no program of fibers, or it has no debug information (%s)" % e)
    while f:
        yield f
        f = f["next"]


class Fibers(gdb.Command):
    """fibers [WORDS]: the fibers whose name contains WORDS, and where each is parked."""

    def __init__(self):
        super().__init__("fibers", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        shown = 0
        for f in living():
            if argument.strip() in f["name"].string():
                self.show(f)
                shown += 1
        print("%d fibers" % shown)

    def state(self, f):
        if f["ended"]:
            return "ended"
        if f == gdb.parse_and_eval("'fiber.c'::current"):
            return "running: see backtrace"
        return "not started" if is_first_of_function(saved_pc(int(f["context"]))) else "parked"

    def show(self, f):
        state = self.state(f)
        print('fiber %s "%s" %s' % (hex(int(f)), f["name"].string(), state))
        if state == "parked":
            print("\n".join(backtrace(int(f["context"]))))


gdb.unwinder.register_unwinder(None, PARKED, replace=True)
Fibers()
