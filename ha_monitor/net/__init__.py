"""The kernel's side of a service address. Standard library only; used by the core process."""
