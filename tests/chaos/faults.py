# SPDX-License-Identifier: MIT
"""What strikes. A fault is a function of the soak and the dice; what it began it may ask to be ended later (soak.later)."""
import signal
import time

from cluster import LEASE, kill


def one_of_all(soak, dice):
    workers = [pid for supervisor in soak.supervisors for pid in supervisor.workers()]
    return dice.choice(workers) if workers else None


def kill_worker(soak, dice):
    pid = one_of_all(soak, dice)
    return pid is not None and kill(pid, signal.SIGKILL)


def kill_supervisor(soak, dice):
    supervisor = dice.choice(soak.supervisors)
    supervisor.kill_all()
    soak.later(dice.uniform(0.2, 1.5), supervisor.start)


def stop_worker(soak, dice):
    """Longer than its lease; then it goes on, and must notice."""
    pid = one_of_all(soak, dice)
    if pid is None or not kill(pid, signal.SIGSTOP):
        return False
    soak.later(LEASE + dice.uniform(0.7, 2.0), lambda: kill(pid, signal.SIGCONT))
    return True


def drain_worker(soak, dice):
    pid = one_of_all(soak, dice)
    return pid is not None and kill(pid, signal.SIGTERM)


def drain_supervisor(soak, dice):
    dice.choice(soak.supervisors).leave_and_start()


def restart_postgres(soak, _):
    soak.postgres.restart_immediately()


def terminate_backends(soak, dice):
    return soak.postgres.try_sql("select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = "
                                 f"'drover_worker' and random() < {dice.choice((0.3, 0.6, 1.0))}", 5) not in (None, "0")


def cut_connections(soak, dice):
    dice.choice(soak.supervisors).proxy.tell(f"cut {dice.choice((20, 50, 100))}")


def freeze_connections(soak, dice):
    """Half-open: neither side hears of it."""
    dice.choice(soak.supervisors).proxy.tell(f"freeze {dice.choice((20, 50, 100))}")


def stall_network(soak, dice):
    """Longer than a lease; then all that was sent arrives, late."""
    dice.choice(soak.supervisors).proxy.tell(f"stall {int((LEASE + dice.uniform(0.5, 1.5)) * 1000)}")


def delay_network(soak, dice):
    dice.choice(soak.supervisors).proxy.tell(f"delay {dice.randint(5, 60)} 2000")


def refuse_connections(soak, dice):
    proxy = dice.choice(soak.supervisors).proxy
    proxy.tell(f"refuse {dice.randint(300, 1500)}")
    proxy.tell("cut 50")


def exhaust_connections(soak, dice):
    """Takes nearly all that are left, after some workers have lost theirs."""
    dice.choice(soak.supervisors).proxy.tell("cut 50")
    held = soak.postgres.hold_connections(200)
    soak.later(dice.uniform(0.5, 1.5), lambda: [one.close() for one in held])
    return len(held) > 0


def lock_table(soak, dice):
    table = dice.choice(("agent_requests", "agent_logs", "drover.workers", "agent_turns"))
    soak.in_background(f"begin; set local lock_timeout = '3s'; lock table {table} in access exclusive mode; "
                       f"select pg_sleep({dice.uniform(0.3, 1.2):.2f}); commit")


def fill_disk(soak, dice):
    share = dice.choice((0.3, 0.7, 1.0))
    if soak.postgres.try_sql(f"update chaos.switches set disk_full = {share}", 5) is None:
        return False
    soak.later(dice.uniform(0.3, 1.2), soak.free_disk)
    return True


def step_clock(soak, dice):
    """The wall clock jumps anywhere; the monotonic one, as after a suspend, ahead only, and at times past the lease."""
    monotonic = dice.choice((0, 0, 1, LEASE + 1, 60))
    dice.choice(soak.supervisors).step_clock(dice.choice((-86400, -30, -1, 1, 30, 86400)), monotonic)


def expire_leases(soak, dice):
    """As when the database's clock is set forward: others take over what its owners go on running until the next beat."""
    told = soak.postgres.try_sql("with gone as (update drover.workers set lease_until = now() - interval '1 s' "
                                 f"where random() < {dice.choice((0.3, 0.6))} returning 1) select count(*) from gone", 5)
    return told not in (None, "0")


# name: (fault, how often beside the others)
FAULTS = {
    "kill_worker": (kill_worker, 3), "kill_supervisor": (kill_supervisor, 1.5), "stop_worker": (stop_worker, 3),
    "drain_worker": (drain_worker, 2), "drain_supervisor": (drain_supervisor, 1.5), "restart_postgres": (restart_postgres, 1),
    "terminate_backends": (terminate_backends, 2), "cut": (cut_connections, 3), "freeze": (freeze_connections, 2),
    "stall": (stall_network, 1.5), "delay": (delay_network, 2), "refuse": (refuse_connections, 1.5),
    "exhaust_connections": (exhaust_connections, 1.5), "lock_table": (lock_table, 1.5), "fill_disk": (fill_disk, 2),
    "step_clock": (step_clock, 3), "expire_leases": (expire_leases, 2),
}


class Deck:
    """Every kind comes up as often as its weight says, in an order of the dice: no run without one of each."""

    def __init__(self, dice, names=None):
        self.dice, self.names, self.cards = dice, list(names or FAULTS), []

    def draw(self):
        if not self.cards:
            self.cards = list(self.names)
            for name in self.names:
                self.cards += [name] * int(self.dice.random() + FAULTS[name][1] - 1)
            self.dice.shuffle(self.cards)
        return self.cards.pop()


def strike(name, soak, dice):
    """True when it struck."""
    return FAULTS[name][0](soak, dice) is not False


def pause(dice, rate):
    return dice.expovariate(rate)


def wait(seconds):
    time.sleep(max(0.0, seconds))
