"""Contract suite of the backends: every stack against the float64 oracle, through the contract alone.

* ``example``: small recipes and learnable data
* ``stack``: the stack that is checked, its tolerance, and its backends compiled once for each recipe
* ``deviation``: numbers of a check: what differs, by how much, and how much is allowed
* ``masks``: dropout masks read off losses
* ``clauses``, ``dropout``, ``conduct``: the clauses, of the numbers, of the masks, and of what a backend leaves alone
* ``causes``: oracles with one mistake each, tried where a clause is violated
* ``judge``: results of clauses, as sentences and JSON
* ``check``, ``worker``: a stack checked in a process of its own, with a time limit
* ``template``: the folder that a new plugin starts from
"""
