"""Other failover programs on the lab's pair: Debian's keepalived, Heartbeat, Pacemaker and ucarp.

Each takes ha-monitor's place in a lab: ``Peer(lab, "keepalived", "lan").start()``. The lab's faults,
observers and measurements then mean this program. ``ha_monitor.lab.prerequisites --bench``
installs them; bench/compare.py sets them beside ha-monitor.
"""
