"""The operations, one family a file, in rising difficulty.

A first reading goes: arithmetic, elementwise, reduce, index, shape, linalg, activation, loss, conv,
pool, norm.
"""
