"""The simulated world: the real Lease and the real core under every fault, from one seed."""
