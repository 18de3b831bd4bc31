"""Bounds of a training step: its work, the machine's ceilings, and the times that follow from both.

There are two: ``dense_calls``, which a stack may pass, and ``operations_needed``, which none may.
"""
