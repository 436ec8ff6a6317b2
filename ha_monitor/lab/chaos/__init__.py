"""Random real faults on real daemons, from one seed, judged from outside: ``ha-monitor lab chaos``."""
