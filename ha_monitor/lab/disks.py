"""Small disks for lab hosts: a file system of a few MiB that can be filled up without harm to the machine."""

from __future__ import annotations

from ha_monitor.lab import kernel
from ha_monitor.lab.lab import Lab


def give(lab: Lab, host: str, target: str, mib: int) -> None:
    """Show an empty disk of this size at ``target`` inside a host that has power, from now on."""
    disk = lab.directory / "disks" / f"{host}{target.replace('/', '-')}"
    disk.mkdir(parents=True)
    kernel.mount("tmpfs", str(disk), options=f"size={mib}m,mode=755")
    lab.host(host).bind(disk, target)
