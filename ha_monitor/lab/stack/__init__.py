"""The real software that the lab's story is told to: Nagios, Zabbix, NRPE, nginx, a browser.

Everything here is started inside lab hosts with a configuration of its own, so that nothing of
the machine's /etc is read or changed, and is read back only through what the products show.
"""
