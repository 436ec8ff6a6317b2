"""Failover programs under load: busy processes and writers that call fsync, for a given time.

A program that moves its service while nothing failed makes a needless takeover. They are counted by an
outside observer, and beside each stands what a recorder on every CPU saw of the machine's own stalls.
"""
