#!/usr/bin/env python3
"""Scores of a small data set, computed from the formulas of the anomaly trigger alone (plain Python, no packages).

    python3 reference.py > golden.json

`src/trigger/anomaly/tests.rs` compares its own results with these. Nothing here is shared with the Rust code but the
formulas: m, r and c of each feature, aj = max(m, r, c), S = (sum aj^8)^(1/8).
"""
import json
import math
import struct
from statistics import NormalDist


def single(x):
    """The nearest 32-bit float: the profile keeps pair surprises, residuals and correlations in it."""
    return struct.unpack("f", struct.pack("f", x))[0]


# 1. Data: four features that hang together, from a small linear congruential generator.
state = 20260105


def uniform():
    global state
    state = (state * 1103515245 + 12345) % 2**31
    return state / 2**31


def row():
    age = int(18 + 60 * uniform() * uniform())
    income = round((age * 700 + 12000 * uniform()) / 10) * 10
    city = ["Bonn", "Essen", "Fulda", "Trier", "Zeven"][min(4, int(uniform() * 3 + age / 40))]
    member = age > 30 if uniform() < 0.9 else age <= 30
    return [age, city, None if uniform() < 0.05 else income, member]


NAMES = ["age", "city", "income", "member"]
IS_NUMBER = [True, False, True, False]
rows = [row() for _ in range(150)]
n, d = len(rows), len(NAMES)
level = lambda value: str(value).lower() if isinstance(value, bool) else value
columns = [[level(r[j]) for r in rows] for j in range(d)]
present = [[v for v in c if v is not None] for c in columns]
missing = [n - len(p) for p in present]
nats = lambda count, total: -math.log((count + 1) / (total + 1))


def quantile(values, part):
    return sorted(values)[max(math.ceil(part * len(values)), 1) - 1]


# 2. Alone: m, and z of numbers.
def ranks(j, x):
    """L and G: between two values of the training rows lie evenly, of which there are none."""
    return sum(v <= x for v in present[j]), sum(v >= x for v in present[j])


def m(j, x):
    if x is None:
        return nats(missing[j], n) + (3 if missing[j] == 0 else 0)
    if not IS_NUMBER[j]:
        counts = {l: present[j].count(l) for l in set(present[j])}
        if x not in counts:
            once = sum(c == 1 for c in counts.values())
            return -math.log(max(once, 1) / (n + 1)) + (3 if once <= 1 else 0)
        return nats(sum(c for c in counts.values() if c <= counts[x]), n)
    low, high = ranks(j, x)
    if min(present[j]) < x < max(present[j]):
        high = len(present[j]) - low if x not in present[j] else high
    surprise = -math.log(min(1, 2 * (min(low, high) + 1) / (n + 1)))
    median, usual = quantile(present[j], 0.5), (quantile(present[j], 0.75) - quantile(present[j], 0.25)) / 4
    if x > max(present[j]):
        o = (x - max(present[j])) / max(quantile(present[j], 0.995) - median, usual)
    elif x < min(present[j]):
        o = (min(present[j]) - x) / max(median - quantile(present[j], 0.005), usual)
    else:
        return surprise
    return surprise + math.log(2) + 2 * math.log(1 + o)


def z(j, x):
    if x is None:
        return 0.0
    low, high = ranks(j, x)
    if x not in present[j]:
        high = len(present[j]) - low
    k = len(present[j])
    return NormalDist().inv_cdf(min(max((low + k - high) / (2 * k), 0.5 / k), 1 - 0.5 / k))


# 3. Pairs: r.
cuts = [
    sorted({quantile(present[j], i / 16) for i in range(1, 16)} - {max(present[j])}) if IS_NUMBER[j] else None
    for j in range(d)
]
assert all(len(set(present[j])) > 16 for j in range(d) if IS_NUMBER[j])


def bin_of(j, x):
    if x is None:
        return "missing"
    if IS_NUMBER[j]:
        return sum(cut < x for cut in cuts[j])
    return x if x in present[j] else "other"


binned = [[bin_of(j, v) for v in columns[j]] for j in range(d)]


def pair_surprise(a, b, x, y):
    seen = sum(u == x and v == y for u, v in zip(binned[a], binned[b]))
    expected = binned[a].count(x) * binned[b].count(y) / n
    return single(math.log((expected + 2) / (seen + 2)))


def information(a, b):
    total = 0.0
    for x in set(binned[a]):
        for y in set(binned[b]):
            seen = sum(u == x and v == y for u, v in zip(binned[a], binned[b]))
            if seen:
                total += seen / n * math.log(seen * n / (binned[a].count(x) * binned[b].count(y)))
    return total - (len(set(binned[a])) - 1) * (len(set(binned[b])) - 1) / (2 * n)


pairs = [(a, b) for a in range(d) for b in range(a + 1, d) if information(a, b) > 0]
assert len(pairs) <= 4 * d


def raw_pair(j, values):
    bins = [bin_of(i, v) for i, v in enumerate(values)]
    found = [pair_surprise(a, b, bins[a], bins[b]) for a, b in pairs if j in (a, b)]
    return max(found) if found else None


# 4. Copula: c.
numbers = [j for j in range(d) if IS_NUMBER[j]]
zs = {j: [z(j, v) for v in columns[j]] for j in numbers}


def correlation(a, b):
    ma, mb = sum(zs[a]) / n, sum(zs[b]) / n
    cov = sum((x - ma) * (y - mb) for x, y in zip(zs[a], zs[b]))
    return cov / math.sqrt(sum((x - ma) ** 2 for x in zs[a]) * sum((y - mb) ** 2 for y in zs[b]))


assert len(numbers) == 2
rho = 0.98 * single(correlation(*numbers))
det = 1 - rho * rho
W = [[1 / det, -rho / det], [-rho / det, 1 / det]]


def raw_residual(j, values):
    vector = [z(i, values[i]) for i in numbers]
    place = numbers.index(j)
    return single(abs(sum(w * v for w, v in zip(W[place], vector))) / math.sqrt(W[place][place]))


# 5. Raw measures to nats by their distribution over the training rows.
def distribution(raw):
    """Knots: each value with #{>= value}, from the top; of the frequent ones every eighth percent of rank."""
    falling = sorted(raw, reverse=True)
    knots, following = [], 1
    for value in sorted(set(raw), reverse=True):
        at_least = sum(v >= value for v in raw)
        if at_least >= following or value == min(raw):
            knots.append((value, at_least))
            following = max(at_least * 1.08, at_least + 1)
    tail = next(v for i, v in enumerate(falling) if i + 1 > 0.02 * n)
    above = [v - tail for v in falling if v > tail]
    return knots[::-1], max(single(sum(above) / len(above)) if above else 0, 0.05)


def to_nats(x, knots, beyond):
    if x < knots[0][0]:
        return 0.0
    if x > knots[-1][0]:
        return nats(0, n) + beyond(x, knots[-1][0])
    i = max(i for i, knot in enumerate(knots) if knot[0] <= x)
    here = nats(knots[i][1], n)
    if x == knots[i][0]:
        return here
    part = (x - knots[i][0]) / (knots[i + 1][0] - knots[i][0])
    return here + (nats(knots[i + 1][1], n) - here) * part


plain_rows = [[level(v) for v in r] for r in rows]
pair_knots, residual_knots = {}, {}
for j in range(d):
    raw = [raw_pair(j, r) for r in plain_rows]
    if raw[0] is not None:
        pair_knots[j] = distribution(raw)
    if IS_NUMBER[j]:
        residual_knots[j] = distribution([raw_residual(j, r) for r in plain_rows])


def score(values):
    values = [level(v) for v in values]
    surprises = []
    for j, x in enumerate(values):
        wrong = x is not None and IS_NUMBER[j] == isinstance(x, str)
        values[j] = None if wrong else x
    for j, x in enumerate(values):
        parts = {"m": m(j, x), "r": 0.0, "c": 0.0}
        if j in pair_knots:
            knots, excess = pair_knots[j]
            parts["r"] = to_nats(raw_pair(j, values), knots, lambda x, top: 0.5 * (x - top) / excess)
        if j in residual_knots:
            knots, _ = residual_knots[j]
            parts["c"] = to_nats(raw_residual(j, values), knots, lambda x, top: 4 * math.log(1 + max(0, x / top - 1)))
        surprises.append(max(parts.values()))
    return sum(a**8 for a in surprises) ** 0.125, surprises


events = [row() for _ in range(12)] + [
    [40, "Bonn", 28000, False],
    [999, "Essen", 30000, True],
    [-1, "Fulda", 30000, True],
    [19, "Zeven", 65000, True],
    [60.5, "Bonn", 13000, False],
    [None, "Ulm", None, None],
    ["40", 7, 31005, True],
    [33, "Trier", 9e9, False],
]
print(json.dumps({
    "about": "made by reference.py",
    "features": {name: "number" if is_number else "category" for name, is_number in zip(NAMES, IS_NUMBER)},
    "rows": rows,
    "events": [dict(zip(("values", "score", "surprises"), (e, *score(e)))) for e in events],
}, separators=(",", ":")).replace(',"', ',\n"'))
