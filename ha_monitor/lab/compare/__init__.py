"""ha-monitor beside other failover programs: same lab, same faults, same observers.

``cells`` says what is compared, ``plan`` what is still to be played, ``play`` plays it, ``results``
keeps each run in a file, ``figures`` and ``page`` make docs/comparison.md of them. bench/compare.py
is the command.
"""
