"""Philox4x32-10 in NumPy, the reference for the masks of theano/tuned."""

import numpy as np


def philox(key, counters):
    """Philox4x32-10 after Salmon et al. 2011, equations in section 3.3: uint32 (n, 4) for counters (n, 4)."""
    x = np.array(counters, np.uint64).T
    key = np.array(key, np.uint64)
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        left, right = np.uint64(0xD2511F53) * x[0], np.uint64(0xCD9E8D57) * x[2]
        x = np.array([(right >> 32) ^ x[1] ^ key[0], right & low, (left >> 32) ^ x[3] ^ key[1], left & low])
        key = (key + np.array([0x9E3779B9, 0xBB67AE85], np.uint64)) & low
    return x.T.astype(np.uint32)


def words(key, step, num_rows, num_units):
    """The word of each unit of each row, uint32 (num_rows, num_units), as dropout_relu.h documents them."""
    rows, units = np.mgrid[:num_rows, :num_units]
    counters = [16 * (units // 64) + units % 16, rows, np.full_like(rows, step % 2**32), np.full_like(rows, step >> 32)]
    drawn = philox(key, np.stack(counters, axis=-1).reshape(-1, 4)).reshape(num_rows, num_units, 4)
    return np.take_along_axis(drawn, (units // 16 % 4)[:, :, None], axis=2)[:, :, 0]
