"""A cast of hosts on one machine: network namespaces joined by bridges, faults, outside observers.

Demo, end-to-end tests and benchmarks all stand on it. Start at ``ha_monitor.lab.lab.Lab``.
"""
