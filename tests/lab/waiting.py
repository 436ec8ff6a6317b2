"""Waiting for what a lab's daemons come to: generous bounds, and what was seen last when it was in vain."""

import time

BOUND_S = 60.0  # a bound, not a wait: what is waited for comes within seconds on a quiet machine


def wait_for(is_so, what):
    """Until something is so. ``what``: a sentence, or what makes one."""
    until = time.monotonic() + BOUND_S
    while not is_so():
        assert time.monotonic() < until, f"in vain: {what() if callable(what) else what}"
        time.sleep(0.1)


def assert_never_double(seen, from_ns):
    """Neither the client nor the Nodes' kernels saw two Owners since then."""
    until_ns = time.monotonic_ns()
    seen.wait_until(until_ns)
    assert seen.double_observer_ns(from_ns, until_ns) == 0
    assert seen.double_kernel_ns(from_ns, until_ns) == 0


def view_of(daemons, name):
    """What that host's daemon says; on a busy machine it may have to be asked again."""
    seen = []
    wait_for(lambda: seen.append(daemons.status(name)) or seen[-1] is not None, f"{name} gives no status")
    return seen[-1]
