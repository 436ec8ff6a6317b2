"""A simulated world for the real core and wire, drawn from one seed."""
