"""The suite on many machines: once on each host, alone on it, with Dask ``distributed`` as the engine.

* ``hosts``: hosts file -> hosts; ``coordinate``: hosts -> one folder of run folders
* ``engine``: scheduler, workers and client of Dask; ``quiet_dask``: without what disturbs
* ``worker``: the program that is started on each host
* ``on_host``: the tasks that run there; ``describe``: the program that says what a host is
"""
