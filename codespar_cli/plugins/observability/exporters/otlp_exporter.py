"""Recorded calls on their way to an OpenTelemetry collector: a bounded queue, and a thread that empties it.

A call only ever puts its row into the queue. Whatever the collector does (refuses, hangs, answers nonsense, is not
there), what does not arrive is dropped, counted, and shown; no call waits for it, and the end of the process for two
seconds at most.
"""

from __future__ import annotations

import atexit
import os
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from codespar_cli.core.clock import Clock, system_clock
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.observability.admission import StoredRow
from codespar_cli.plugins.observability.exporters.otlp_record import Delivery, DeliveryRecord
from codespar_cli.plugins.observability.exporters.otlp_settings import OtlpSettings, Signal

if TYPE_CHECKING:
    from codespar_cli.plugins.observability.exporters.otlp_messages import Messages
    from codespar_cli.plugins.observability.exporters.otlp_post import Sent

MAX_WAITING = 8192
BATCH_ROWS = 512
GATHER_S = 5.0
"""How long a call waits for others to go with it, unless a batch is full: what OpenTelemetry's SDKs take."""
EXIT_S = 1.5
"""What the end of a process waits for; writing down what was dropped may take a little longer."""
ATTEMPTS = 6
LONGEST_PAUSE_S = 60.0
_LAST_WORD_S = 0.1
"""Of that, for saying what came of it."""
QUIET = timedelta(seconds=30)
"""After a failure, processes that only live for one call leave the collector alone for so long."""
Send = Callable[[Signal, bytes, OtlpSettings, float], "Sent"]


def _post(signal: Signal, body: bytes, settings: OtlpSettings, within_s: float) -> Sent:
    from codespar_cli.plugins.observability.exporters.otlp_post import post  # ssl and others: not for who only records

    return post(signal, body, settings, within_s)


class OtlpExporter:
    """Safe to share between threads. A copied process begins anew: what waits belongs to the original."""

    def __init__(
        self,
        settings: OtlpSettings,
        record: DeliveryRecord,
        *,
        clock: Clock = system_clock,
        send: Send = _post,
        gather_s: float = GATHER_S,
    ) -> None:
        self._settings = settings
        self._record = record
        self._clock = clock
        self._send = send
        self._gather_s = gather_s
        self._reset()
        _exporters.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._rows: deque[StoredRow] = deque()
        self._some = threading.Event()
        self._enough = threading.Event()
        self._closing = threading.Event()
        self._deadline = 0.0
        self._thread: threading.Thread | None = None
        self._messages: Messages | None = None
        self._metrics_due = 0.0
        self._tried = False
        self._failure: str | None = None
        self._told: str | None = None
        self._unnoted = 0
        self._flying = 0

    # ── for whoever records ──

    def add(self, row: StoredRow) -> None:
        """Never waits and never fails."""
        if self._settings.problem is not None:
            return
        with self._lock:
            if len(self._rows) >= MAX_WAITING:
                self._unnoted += 1
                return
            self._rows.append(row)
            if self._thread is None:
                self._start()
        if not self._some.is_set():
            self._some.set()
        if len(self._rows) >= BATCH_ROWS:
            self._enough.set()

    def close(self, within_s: float = EXIT_S) -> None:
        """Send what waits, as far as that goes within the time; the rest is dropped. Recording again begins again."""
        with self._lock:
            thread = self._thread
            if thread is None and not self._rows:
                return
            self._deadline = time.monotonic() + within_s - _LAST_WORD_S
            self._closing.set()
        self._some.set()
        self._enough.set()
        if thread is None:
            self._finish()  # no thread could be started any more
        else:
            thread.join(within_s)
            if thread.is_alive():  # in a system call that knows no deadline
                self._give_up()
        self._record.close()

    @property
    def waiting(self) -> int:
        return len(self._rows)

    @property
    def problem(self) -> str | None:
        """What in the environment keeps everything from being sent."""
        return self._settings.problem

    def delivery(self) -> Delivery:
        """What became of all calls of all processes, with what this one has not written down yet. Raises StoreError."""
        kept = self._record.read()
        return kept._replace(dropped=kept.dropped + self._unnoted, failure=self._failure or kept.failure)

    def start_anew(self) -> None:
        """In a copied process."""
        self._reset()

    # ── the thread ──

    def _start(self) -> None:
        self._closing.clear()
        thread = threading.Thread(target=self._run, name="codespar-otlp", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return  # the interpreter is shutting down; `close` is yet to come
        self._thread = thread

    def _run(self) -> None:
        self._metrics_due = time.monotonic() + self._settings.interval_s
        while not self._closing.is_set():
            self._some.wait(self._until_metrics())
            if self._rows and not self._closing.is_set():
                self._enough.wait(self._gather_s)
            if not self._closing.is_set():
                self._round()
        self._finish()

    def _until_metrics(self) -> float | None:
        """None when there is nothing to tell."""
        if self._messages is None or self._settings.metrics is None or not self._messages.metrics.fresh:
            return None
        return max(self._metrics_due - time.monotonic(), 0.0)

    def _round(self) -> None:
        rows = self._taken()
        if rows:
            self._deliver_spans(rows)
        if self._until_metrics() == 0.0:
            self._deliver_metrics()
            self._metrics_due = time.monotonic() + self._settings.interval_s
        self._note()

    def _finish(self) -> None:
        """Everything that waits, each batch once, until the deadline or the first failure."""
        hopeless = not self._tried and self._failed_lately()
        while True:
            rows = self._taken()
            if rows and hopeless:
                self._drop(len(rows))
            elif rows:
                hopeless = not self._deliver_spans(rows)
            if not rows and not hopeless and self._until_metrics() is not None:
                self._deliver_metrics()
            self._note()
            with self._lock:
                if not rows and not self._rows:
                    self._thread = None
                    return

    def _give_up(self) -> None:
        """What waits and what is on its way, when there is no time left to see it arrive."""
        waiting = self._take(MAX_WAITING)
        with self._lock:
            flying, self._flying = self._flying, 0
        self._drop(len(waiting) + flying)
        self._failure = self._failure or "no answer in time"
        self._note()

    # ── delivery ──

    def _deliver_spans(self, rows: list[StoredRow]) -> bool:
        if self._settings.traces is None:
            return True
        with self._lock:
            self._flying = len(rows)
        arrived = self._deliver(self._settings.traces, self._made().spans_body(rows))
        with self._lock:
            flying, self._flying = self._flying, 0
        if not arrived:
            self._drop(flying)  # none when they were given up meanwhile
        return arrived

    def _deliver(self, signal: Signal, body: bytes) -> bool:
        """Whether it arrived. Tried again while there is time and hope."""
        for attempt in range(ATTEMPTS):
            left = self._deadline - time.monotonic() if self._closing.is_set() else self._settings.timeout_s
            if left <= 0:
                return False
            self._tried = True
            sent = self._send(signal, body, self._settings, min(left, self._settings.timeout_s))
            if sent.failure is None:
                self._arrived(sent.answer if signal is self._settings.traces else b"")
                return True
            self._failure = sent.failure
            self._note()
            if not sent.again or self._closing.is_set():
                return False
            pause = sent.retry_after_s if sent.retry_after_s is not None else 2**attempt * random.uniform(0.8, 1.2)  # noqa: S311
            if self._closing.wait(min(pause, LONGEST_PAUSE_S)):
                continue  # one last time, in what is left
        return False

    def _deliver_metrics(self) -> None:
        messages, signal = self._messages, self._settings.metrics
        if messages is None or signal is None:
            return
        now = messages.now()
        if self._deliver(signal, messages.metrics_body(now)):
            messages.metrics.accepted(now)

    def _arrived(self, answer: bytes) -> None:
        from codespar_cli.plugins.observability.exporters.otlp_messages import rejected

        with self._lock:
            self._unnoted += rejected(answer)
        failed, self._failure = self._failure, None
        if failed is not None or self._told is None:
            try:
                self._record.arrived(self._clock())
            except CodesparError:
                self._failure = failed  # told the next time
                return
            self._told = ""

    # ── inside ──

    def _taken(self) -> list[StoredRow]:
        """The next batch, counted in the metrics."""
        rows = self._take(BATCH_ROWS)
        if rows:
            metrics = self._made().metrics
            for row in rows:
                metrics.add(row)
        return rows

    def _take(self, most: int) -> list[StoredRow]:
        with self._lock:
            rows = [self._rows.popleft() for _ in range(min(most, len(self._rows)))]
            if not self._rows:
                self._some.clear()
            if len(self._rows) < BATCH_ROWS:
                self._enough.clear()
        return rows

    def _made(self) -> Messages:
        if self._messages is None:
            from codespar_cli.plugins.observability.exporters.otlp_messages import Messages

            self._messages = Messages(self._settings.resource, delta=self._settings.delta)
        return self._messages

    def _drop(self, count: int) -> None:
        with self._lock:
            self._unnoted += count

    def _note(self) -> None:
        """Write down what went wrong, for `plugins status`. What cannot be written now is written the next time."""
        with self._lock:
            dropped, self._unnoted = self._unnoted, 0
        failure = self._failure if self._failure != self._told else None
        if not dropped and failure is None:
            return
        try:
            self._record.failed(dropped, failure, self._clock())
        except CodesparError:
            with self._lock:
                self._unnoted += dropped
            return
        self._told = failure or self._told

    def _failed_lately(self) -> bool:
        try:
            kept = self._record.read()
        except CodesparError:
            return False
        return kept.failure is not None and kept.failed_at is not None and self._clock() - kept.failed_at < QUIET


# ── the end of the process, and its copies ──

_exporters: weakref.WeakSet[OtlpExporter] = weakref.WeakSet()


def _close_all() -> None:
    deadline = time.monotonic() + EXIT_S
    for exporter in list(_exporters):
        exporter.close(max(deadline - time.monotonic(), 0.0))


def _after_fork_in_child() -> None:
    for exporter in list(_exporters):
        exporter.start_anew()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork_in_child)
