"""Report of a fleet run: ranking of its hosts, outliers among equal ones, comparison and board over all of them.

* ``hosts``: run folders -> one value for each host and metric, and groups of equal hosts
* ``baseline``: the file in which a healthy fleet is kept
* ``judge``: outliers with the part of a machine that explains them, ranking
* ``sections``: as text; ``write``: all files of the folder
"""
