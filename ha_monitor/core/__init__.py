"""The decision core: pure, events in, actions out."""
