"""Packets on the Links: layout, seal, replay window. Pure."""
