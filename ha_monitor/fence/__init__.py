"""Powering other Nodes off, by the convention of fence agents."""
