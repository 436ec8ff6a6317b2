"""Hosts on one machine, in network namespaces: demo, end-to-end tests and benchmarks."""
