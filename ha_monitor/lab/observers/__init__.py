"""Outside observers: they judge outage and double ownership, and never ask the daemon.

``probe`` runs in the client, ``responder`` on each Node, ``asker`` in the arp host; each is a
process of its own with real-time priority that writes ``records``; ``analysis`` judges them.
"""
