"""The board: a static site that ranks machines and stacks, from the records of many runs.

* ``record``: run folder -> the numbers that the board shows, once they are re-derived from the raw samples
* ``machines``: records -> machines, each with an address of its own
* ``rows``: machine x stack x comparison key -> estimate, rank, and the reason where one is missing
* ``tables``: as CSV and JSON; ``pages``, ``machine_page``, ``side_by_side``: as HTML
* ``site``: folders of runs -> all files of the site, written into a folder that is a board
"""
