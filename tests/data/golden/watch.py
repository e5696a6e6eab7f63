"""Values of the monitor's formulas (triggers.md, section 2), by scipy 1.17.1: an implementation that shares nothing with ours.

    python3 tests/data/golden/watch.py > tests/data/golden/watch.json
"""
import json
import math

from scipy.stats import beta
from statistics import NormalDist

DISTANCES = (0.25, 0.5, 1.0)


def logit(p):
    return math.log(p / (1 - p))


def rate(x):
    return 1 / (1 + math.exp(-x))


def clopper_pearson(k, n, confidence):
    tail = (1 - confidence) / 2
    low = 0.0 if k == 0 else float(beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k == n else float(beta.ppf(1 - tail, k + 1, n - k))
    return low, high


def wilson(k, n):
    z = NormalDist().inv_cdf(0.975)
    p = k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def band(k, n, confidence, material):
    p = (k + 0.5) / (n + 1)
    low, high = clopper_pearson(k, n, confidence)
    by = material * min(p, 1 - p)
    return logit(p) - logit(low - by), logit(high + by) - logit(p)


def steps(centre, low, high):
    """[no hit, hit], each downward by distance, then upward."""
    out = [[], []]
    for edge, sign in ((centre - low, -1), (centre + high, 1)):
        p0 = rate(edge)
        for distance in DISTANCES:
            p1 = rate(edge + sign * distance)
            out[0].append((1 - p1) / (1 - p0))
            out[1].append(p1 / p0)
    return out


def statistic(centre, low, high, hits):
    r = [0.0] * 6
    ratios = steps(centre, low, high)
    for hit in hits:
        r = [(value + 1) * ratio for value, ratio in zip(r, ratios[hit])]
    return r


counts = [(112, 1332), (2, 699), (30, 53), (3501, 4000), (1, 50), (49, 50), (80, 4000), (652, 2668)]
bands = [(112, 1332, 0.5, 0.05), (112, 1332, 0.8, 0.1), (652, 2668, 0.5, 0.05), (30, 53, 0.8, 0.1), (3501, 4000, 0.5, 0.05)]
sequence = [int(x) for x in "0010000100000000000000001000000000000000"]
print(json.dumps({
    "clopper_pearson_80": [[k, n, *clopper_pearson(k, n, 0.8)] for k, n in counts + [(0, 60), (60, 60)]],
    "wilson_95": [[k, n, *wilson(k, n)] for k, n in counts],
    "jeffreys": [[k, n, (k + 0.5) / (n + 1)] for k, n in counts],
    "bands": [[k, n, c, m, *band(k, n, c, m)] for k, n, c, m in bands],
    "steps": [[c, lo, hi, steps(c, lo, hi)] for c, lo, hi in ((-2.39, 0.19, 0.17), (0.4, 0.05, 0.3), (5.0, 0.6, 0.9))],
    "statistic": [-2.39, 0.19, 0.17, sequence, statistic(-2.39, 0.19, 0.17, sequence)],
}, indent=1))
