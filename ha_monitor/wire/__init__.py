"""Packets on the Links: layout, seal, replay window, lives of a peer. Pure: no socket, no clock."""
