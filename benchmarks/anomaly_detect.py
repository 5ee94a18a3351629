"""The detector beside simple ones on labelled series: found, delay, false alarms per 10,000, cost per value.

Without arguments: seeded series of five shapes with one fault each, and as many without a fault. The simple detectors
get the same quiet time after an alarm and the threshold that suits them best on these very series; ours keeps the one
it is shipped with. With `--nab DIR`, DIR being a copy of the Numenta Anomaly Benchmark (it holds `data` and
`labels/combined_windows.json`), all are scored with its standard profile.
"""

import argparse
import csv
import json
import math
import random
import statistics
import time
from bisect import bisect_left, insort
from collections import deque
from pathlib import Path

from codespar_cli.plugins.observability import DETECT_THRESHOLD, detect

LENGTH, FAULT_AT, IN_TIME, QUIET = 4000, 2500, 150, 100
SEEDS = range(8)


def windowed_gaussian(values):
    window, total, squares, scores = deque(), 0.0, 0.0, []
    for value in values:
        size = len(window)
        mean = total / size if size else value
        deviation = math.sqrt(max(squares / size - mean * mean, 0.0)) if size > 100 else 0.0
        scores.append(abs(value - mean) / deviation if deviation > 0 else 0.0)
        window.append(value)
        total, squares = total + value, squares + value * value
        if size >= 1000:
            old = window.popleft()
            total, squares = total - old, squares - old * old
    return scores


def median_deviation(values):
    window, ordered, scores, middle, deviation = deque(), [], [], 0.0, 0.0
    for index, value in enumerate(values):
        if len(ordered) > 100 and (index % 20 == 0 or not deviation):
            middle = ordered[len(ordered) // 2]
            deviation = statistics.median(abs(other - middle) for other in ordered)
        scores.append(abs(value - middle) / deviation if deviation > 0 else 0.0)
        insort(ordered, value)
        window.append(value)
        if len(window) > 500:
            del ordered[bisect_left(ordered, window.popleft())]
    return scores


def moving_average(values):
    mean, variance, scores = values[0], 0.0, []
    for index, value in enumerate(values):
        off = value - mean
        scores.append(abs(off) / math.sqrt(variance) if variance > 0 and index > 100 else 0.0)
        mean += 0.02 * off
        variance = 0.98 * (variance + 0.02 * off * off)
    return scores


SIMPLE = {"windowed gaussian": windowed_gaussian, "median deviation": median_deviation, "EWMA z": moving_average}
THRESHOLDS = [2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 10, 12, 15, 20, 30]


def shape(kind, random_numbers):
    gauss = random_numbers.gauss
    if kind == "gaussian":
        return [gauss(100, 10) for _ in range(LENGTH)]
    if kind == "lognormal":
        return [math.exp(gauss(5, 0.5)) for _ in range(LENGTH)]
    if kind == "daily":
        return [50 + 30 * math.sin(2 * math.pi * index / 288) + gauss(0, 3) for index in range(LENGTH)]
    if kind == "counts":
        return [float(sum(random_numbers.random() < 0.1 for _ in range(100))) for _ in range(LENGTH)]
    value, walk = 0.0, []
    for _ in range(LENGTH):
        value = 0.95 * value + gauss(0, 1)
        walk.append(40 + value)
    return walk


def with_fault(values, kind, random_numbers):
    middle = statistics.median(values)
    unit = 1.5 * statistics.median(abs(value - middle) for value in values)
    changed = list(values)
    for index in range(FAULT_AT, LENGTH):
        since = index - FAULT_AT
        if kind == "spike" and since < 3:
            changed[index] = middle + 12 * unit
        elif kind == "step x3" and since < IN_TIME:
            changed[index] *= 3
        elif kind == "drift":
            changed[index] += 0.05 * unit * since
        elif kind == "silence" and since < IN_TIME:
            changed[index] = 0.0
        elif kind == "stuck" and since < IN_TIME:
            changed[index] = middle
        elif kind == "noisier" and since < IN_TIME:
            changed[index] += random_numbers.gauss(0, 4 * unit)
    return changed


def alarms(scores, threshold, quiet):
    found, until = [], -1
    for index, score in enumerate(scores):
        if score >= threshold and index > until:
            found.append(index)
            until = index + quiet
    return found


def injected_faults():
    shapes = ("gaussian", "lognormal", "daily", "counts", "wandering")
    faults = ("none", "spike", "step x3", "drift", "silence", "stuck", "noisier")
    series = []
    for kind in shapes:
        for fault in faults:
            for seed in SEEDS:
                random_numbers = random.Random(f"{kind} {fault} {seed}")
                series.append((fault, with_fault(shape(kind, random_numbers), fault, random_numbers)))
    stamps = range(0, 300 * LENGTH, 300)
    rows = {"ours": ([detect(values, stamps) for _, values in series], [DETECT_THRESHOLD], 0)}
    rows |= {name: ([score(values) for _, values in series], THRESHOLDS, QUIET) for name, score in SIMPLE.items()}
    print(f"{'':20}{'false/10,000':>13}{'found':>8}{'delay':>7}   found by fault")
    for name, (scored, thresholds, quiet) in rows.items():
        print(
            max((judged(series, scored, threshold, quiet) for threshold in thresholds), key=lambda row: row[0])[1](name)
        )


def judged(series, scored, threshold, quiet):
    """Its worth (recall less a tenth per false alarm in 10,000) and its row."""
    false, clean, delays, by_fault = 0, 0, [], {}
    for (fault, _), scores in zip(series, scored, strict=True):
        found = alarms(scores, threshold, quiet)
        before = LENGTH if fault == "none" else FAULT_AT
        false += sum(index < before for index in found)
        clean += before
        if fault != "none":
            hits = [index - FAULT_AT for index in found if FAULT_AT <= index < FAULT_AT + IN_TIME]
            by_fault.setdefault(fault, []).append(bool(hits))
            delays += hits[:1]
    faults = sum(map(len, by_fault.values()))
    rate = 10_000 * false / clean

    def row(name):
        shares = "  ".join(f"{fault} {statistics.mean(hits):.2f}" for fault, hits in by_fault.items())
        delay = statistics.median(delays) if delays else math.nan
        return f"{name:20}{rate:13.2f}{len(delays) / faults:8.2f}{delay:7.0f}   {shares}   (threshold {threshold})"

    return len(delays) / faults - rate / 10, row


def sigmoid(position):
    return -1.0 if position > 3 else 2 / (1 + math.exp(5 * position)) - 1


def nab_points(scores, stamps, windows, threshold):
    """The benchmark's standard profile on one file: points, windows, windows found, false alarms."""
    probation = min(int(0.15 * len(stamps)), 750)
    spans = [(stamps.index(begin), stamps.index(end)) for begin, end in windows]
    spans = [span for span in spans if span[1] >= probation]
    best, points, false = {}, 0.0, 0
    for index in range(probation, len(stamps)):
        if scores[index] < threshold:
            continue
        inside = next((span for span in spans if span[0] <= index <= span[1]), None)
        if inside:
            begin, end = inside
            gain = sigmoid(-(end - index + 1) / (end - begin + 1)) / sigmoid(-1.0)
            best[inside] = max(best.get(inside, 0.0), gain)
            continue
        false += 1
        past = [span for span in spans if span[1] < index]
        points += 0.11 * (sigmoid((index - past[-1][1]) / (past[-1][1] - past[-1][0])) if past else -1.0)
    return points + sum(best.values()) - (len(spans) - len(best)), len(spans), len(best), false


def read_nab(directory):
    """Name, times, values and windows of each labelled file."""
    labels = json.loads((directory / "labels" / "combined_windows.json").read_text(encoding="utf-8"))
    for name, windows in sorted(labels.items()):
        with (directory / "data" / name).open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        stamps = [row["timestamp"] for row in rows]
        yield name, stamps, [float(row["value"]) for row in rows], [[edge[:19] for edge in span] for span in windows]


def numenta(directory):
    files = list(read_nab(directory))
    points = sum(len(stamps) for _, stamps, _, _ in files)
    rows = {"ours": (detect, [DETECT_THRESHOLD])}
    rows |= {name: (lambda values, _stamps, score=score: score(values), THRESHOLDS) for name, score in SIMPLE.items()}
    print(f"{len(files)} files, {points} values\n{'':20}{'standard':>9}{'found':>9}{'false/1,000':>12}{'us/value':>9}")
    for name, (score, thresholds) in rows.items():
        started = time.process_time()
        scored = [score(values, stamps) for _, stamps, values, _ in files]
        cost = (time.process_time() - started) / points * 1e6
        results = []
        for threshold in thresholds:
            parts = [
                nab_points(scores, stamps, windows, threshold)
                for scores, (_, stamps, _, windows) in zip(scored, files, strict=True)
            ]
            gained, windows, found, false = (sum(column) for column in zip(*parts, strict=True))
            results.append((100 * (gained + windows) / (2 * windows), found, windows, false, threshold))
        best, found, windows, false, threshold = max(results)
        print(
            f"{name:20}{best:9.1f}{found:5}/{windows}{1000 * false / points:12.2f}{cost:9.1f}   (threshold {threshold})"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nab", type=Path, metavar="DIR")
    chosen = parser.parse_args()
    if chosen.nab:
        numenta(chosen.nab)
        return
    injected_faults()
    values = shape("gaussian", random.Random(1)) * 10
    costs = {"ours": lambda: detect(values, range(0, 300 * len(values), 300))}
    costs |= {name: lambda score=score: score(values) for name, score in SIMPLE.items()}
    for name, run in costs.items():
        best = math.inf
        for _ in range(3):
            started = time.process_time()
            run()
            best = min(best, time.process_time() - started)
        print(f"{name:20}{best / len(values) * 1e6:6.2f} us a value")


main()
