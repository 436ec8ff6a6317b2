"""The sentences of docs/comparison.md that no figure gives."""

from __future__ import annotations

from ha_monitor.lab.peers.program import DEFAULT, FAST, LAN

HEADINGS = {
    LAN: "At a dead time of 1 s",
    FAST: "At a dead time of 0.5 s",
    DEFAULT: "Each at its own default",
}

FOREWORD = """\
# Comparison

ha-monitor beside four other failover programs of Debian 12: one pair, one IPv4 address, one web server, the
same faults, the same observers ([lab.md](lab.md)). This page is written by the command that plays the runs:

    sudo .venv/bin/python bench/compare.py --for 60m

It installs the programs, plays what is missing until the time is over, and writes this page; called again
it goes on. Each run is a file below `/var/cache/ha-monitor-lab/comparison`, under the program's version;
for ours that is the last commit that changed what decides and carries out a takeover. A full round, every
fault once against every program and timing, takes about {minutes} minutes on two cores; by default five
rounds are played, three of them at the others' defaults.

**Outage**: the longest time in which a client that asks every millisecond got no answer, up to the moment
of healing; for the crash of the web server, a client that asks for a page every 10 ms. "< 20" means that
none was seen: the probe itself stalls that long now and then. **Double ownership**: how long both Nodes'
kernels answered for the address at the same time, and how long one client was answered by both in turn. It
lasts as long as the fault is held (2 to 4 s, longer where the program needs longer to react, 10 s for the
freeze), so what counts is whether it is 0. **After healing**: the same client, for 10 s after the fault was
over.

**What is matched** is the longest silence of the Owner that the program is set to bear before the standby
takes over: 1 s (`lan`) and 0.5 s (`fast`), as near above as its settings allow. keepalived counts it in
adverts (3.61 of them), corosync as token plus consensus, ucarp in whole seconds; for ours it is the Lease.

In the tables `-` is a cell that was not played yet, `n/a` one that means nothing to the program, with the
reason at the end. *Not back*: nobody answered by the end of the watch. *Not at rest*: a minute and more
after the watch the pair had still not come back by itself to one Owner and a standby.
"""

BUSY = """
**These runs were played while other work kept both cores busy**: they show that and how each program fails,
but their lengths are upper bounds, most of all for Heartbeat and Pacemaker, which run shell scripts in a
takeover. A quiet machine plays them again: by default the command counts no run with less than 30 % idle.
"""

AFTERWORD = """\
## What to know before you judge

- Ours has a third vote, the Witness on the monitoring server. keepalived, Heartbeat and ucarp know none.
  Pacemaker could have one (a quorum device) and fencing: without STONITH it is not how its makers advise to
  run it, and with it the double ownership of *partition*, *kill* and *freeze* would end when the other
  Node's power is cut. No power switch stands in this lab, so none of the five has one.
- Damping is off in ours (`max_moves = "unlimited"`): a dozen faults in a few minutes would hold the group
  where it is. Pacemaker's limit of the same kind (`migration-threshold`) is off by default.
- Nothing restarts a killed daemon during the fault, for none of the five. Debian's units of keepalived,
  Heartbeat and corosync do not either; ours does (`Restart=`), which is left out here. A killed daemon is
  started again when the fault is healed.
- All of a program's processes are struck at once, by SIGSTOP and then SIGKILL, so that none acts on
  another's death. If only its parent is killed, keepalived's child gives the address up in order.
- keepalived gives the address back to the preferred Node as soon as that is there again (`preempt`, its
  default), and so does ucarp with `-P`, as its manual shows. The others leave it where it is.
- keepalived looks at the web server by a script once a second, the shortest interval there is. On a real
  host its `track_process` sees the death at once; the kernel does not tell of processes in a network
  namespace.
- Heartbeat and Pacemaker are given what their manuals offer against a lost LAN (`ipfail`,
  `ocf:pacemaker:ping`).
- Heartbeat and corosync could not lock their memory here (RLIMIT_MEMLOCK); both ran with real-time
  priority.
"""

# Faults in which ours is behind, and the reason that covers them.
WHY_BEHIND: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("kill", "freeze"),
        """\
*Kill and freeze.* When one of the others is killed or frozen, its address stays on the Node: the client
goes on being served there, and when its dead time is over the other Node takes the address as well. That is
no outage to a client whose neighbour table stays as it is, and it is two Owners until the daemon runs
again, or until somebody looks. Where no second Owner was seen, the fault was over before the program had
noticed it. Ours falls silent in the kernel before another Node may open the address: a tenth of the Lease
and 10 ms, because NTP may bend the clock that the kernel's timers follow. That is 110 ms at `lan` and 60 ms
at `fast`, and then comes the takeover itself, about 20 ms.""",
    ),
    (
        ("power-off",),
        """\
*Power-off.* The dead time is the same, but it counts from the last sign of life, and that one is older with
keepalived: it sends one every 280 ms at `lan`, so that 140 ms of its dead time are over, on average, when
the power goes; ours sends one every 100 ms, and 50 ms are over. Rare signs of life make the measured outage
shorter and the program easier to mislead: three lost packets in a row are enough for keepalived, ours bears
seven on each Link; a stall of 0.73 s may cost keepalived the address, ours bears 0.79 s. A Lease of 1 s
cannot end earlier without the danger of two Owners, so this stays. Who needs less takes `fast`.""",
    ),
)
