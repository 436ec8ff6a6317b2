"""Exclusive data in the lab: a file system on a shared block device, and what could break it."""
