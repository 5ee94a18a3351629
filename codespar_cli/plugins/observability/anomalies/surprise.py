"""How surprising a count is, in nats: `-ln` of an upper bound of its probability (Chernoff), or of the probability itself.

14 nats are once in a million. Bounds err on the side of silence: the truth is at least as surprising as they say.
"""

from __future__ import annotations

from math import log

__all__ = ["count_surprise", "failure_surprise", "silence_surprise"]


def failure_surprise(failed: int, calls: int, usual: float) -> float:
    """At least `failed` of `calls` failing, where a share of `usual` does: the binomial tail."""
    share = failed / calls
    if share <= usual:
        return 0.0
    if usual <= 0.0:
        return float("inf")
    whole = failed * log(share / usual)
    return whole if failed == calls else whole + (calls - failed) * log((1 - share) / (1 - usual))


def count_surprise(count: float, mean: float, dispersion: float) -> float:
    """At least `count` where `mean` is expected: a Poisson tail, or a negative binomial one.

    `dispersion` is the variance in units of the mean; at most 1 is Poisson, bursts make it larger.
    """
    if count <= mean:
        return 0.0
    if mean <= 0.0:
        return float("inf")
    if dispersion <= 1.001:
        return count * log(count / mean) - count + mean
    size = mean / (dispersion - 1)
    return count * log(count / mean) - (count + size) * log((count + size) / (mean + size))


def silence_surprise(mean: float, dispersion: float) -> float:
    """No call at all where `mean` are expected: exact, for the same two distributions."""
    if dispersion <= 1.001:
        return mean
    return mean * log(dispersion) / (dispersion - 1)
