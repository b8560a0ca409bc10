"""Clients that send journals at the same time, as 64 training processes do.

    python bench/server/writers.py URL TOKEN --writers 64 --seconds 60 --rate 10

Each writer has a run of its own and sends batches of 100 records over HTTP by cursor. Printed is
one JSON object: what was sent, how many batches a second were taken, and the times of the answers.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import threading
import time
from typing import Any
from urllib.parse import quote, urlsplit

RECORDS = 100  # in a batch
NAMES = ("loss", "gradient-norm", "weight-norm", "learning-rate")


class Writer:
    """One training process that sends."""

    def __init__(self, url: str, token: str, number: int, mark: str) -> None:
        self.run = f"writer-{mark}-{number:03d}"
        self.sent = 0  # records
        self.times: list[float] = []  # seconds
        self.refused = 0
        parts = urlsplit(url)
        self._client = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._cursor = 0

    def begin(self) -> None:
        """Make the run known."""
        body = json.dumps({"metadata": {"id": self.run, "name": self.run, "started": time.time()}})
        self._ask("PUT", f"/api/runs/{quote(self.run)}", body.encode(), "application/json")

    def send(self) -> None:
        """Send the next batch; a refused one is sent again by the cursor that the server names."""
        body = b"".join(_record(self.sent + n) for n in range(RECORDS))
        place = f"/api/runs/{quote(self.run)}/journals/0?start={self._cursor}"
        for _ in range(20):
            begun = time.perf_counter()
            status, answer = self._ask("POST", place, body, "application/x-ndjson")
            self.times.append(time.perf_counter() - begun)
            if status < 300:
                self._cursor += len(body)
                self.sent += RECORDS
                return
            if status == 599:  # the server closed an idle connection: dial again
                continue
            self.refused += 1
            if status == 409 and answer.get("expected") == self._cursor + len(body):
                self._cursor += len(body)  # it was taken, only the answer was lost
                self.sent += RECORDS
                return
            time.sleep(0.5)
        raise RuntimeError(f"refused with {status}: {answer}")

    def _ask(self, method: str, place: str, body: bytes, kind: str) -> tuple[int, dict[str, Any]]:
        try:
            self._client.request(method, place, body, {**self._headers, "Content-Type": kind})
            answer = self._client.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else {}
        except (OSError, http.client.HTTPException, ValueError):
            self._client.close()
            return 599, {}


def _record(step: int) -> bytes:
    values = {name: {"": math.exp(-step / 1e4) + 0.01 * (step % 7)} for name in NAMES}
    record = {"v": 1, "t": time.time(), "kind": "facts", "step": step, "segment": 0, "rank": 0,
              "epoch": 0, "phase": "train", "values": values}  # fmt: skip
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def work(writers: list[Writer], seconds: float, rate: float | None) -> float:
    """Send for so long; all writers together send ``rate`` batches a second, or all they can."""
    begun = time.perf_counter()
    gap = len(writers) / rate if rate else 0.0

    def loop(writer: Writer, place: int) -> None:
        due = begun + (gap * place / len(writers) if gap else 0.0)
        while due < begun + seconds and time.perf_counter() < begun + seconds:
            time.sleep(max(0.0, due - time.perf_counter()))
            writer.send()
            due = due + gap if gap else time.perf_counter()

    threads = [
        threading.Thread(target=loop, args=(writer, place)) for place, writer in enumerate(writers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("--writers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, help="batches a second in all; without: all they can")
    parser.add_argument("--mark", default="a", help="tells the runs of several calls apart")
    given = parser.parse_args()
    writers = [Writer(given.url, given.token, n, given.mark) for n in range(given.writers)]
    for writer in writers:
        writer.begin()
    took = work(writers, given.seconds, given.rate)
    times = sorted(time for writer in writers for time in writer.times)
    print(json.dumps({
        "sent": {writer.run: writer.sent for writer in writers},
        "seconds": took,
        "batches": sum(writer.sent for writer in writers) // RECORDS,
        "refused": sum(writer.refused for writer in writers),
        "median_ms": 1e3 * times[len(times) // 2],
        "p95_ms": 1e3 * times[int(len(times) * 0.95)],
    }))  # fmt: skip


if __name__ == "__main__":
    main()
