"""Matrix products that one thread makes.

NumPy's library shares a large product among threads that wait busily for one another, and go on
waiting for a while after it. A process that hears many calls pays for all of them: on two cores
twice the CPU time, for a match with slips that is no sooner found.
"""

import numpy as np
from numpy.typing import NDArray

ONE_THREAD = 2**18
"""Multiplications of a product that OpenBLAS leaves to one thread (its
``SMP_THRESHOLD_MIN * GEMM_MULTITHREAD_THRESHOLD``)."""


def product(rows: NDArray[np.float32], columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the matrix product of two arrays, made of a few rows at a time."""
    result = np.empty((len(rows), columns.shape[1]), np.float32)
    n = max(1, ONE_THREAD // max(1, columns.size))
    for at in range(0, len(rows), n):
        np.matmul(rows[at : at + n], columns, out=result[at : at + n])
    return result
