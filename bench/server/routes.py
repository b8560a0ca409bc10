"""How long the API takes to answer, route by route."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from typing import Any
from urllib.parse import urlsplit

_GAP = 0.01  # seconds between requests: the server limits a client to 200 a second


def measure(url: str, token: str, run: str, times: int = 200) -> dict[str, dict[str, float]]:
    """Median and p95 in ms of each reading route, asked one after another."""
    client = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    series = _ask(client, token, f"runs/{run}/series")[1]["series"]
    keys = "&".join(f"key={item['key']}" for item in series[:20])
    other = f"{run[:-1]}{(int(run[-1]) + 1) % 10}"
    routes = {
        "status": "status",
        "runs (100 of them)": "runs?limit=100",
        "runs (search, sorted by findings)": "runs?limit=100&search=resnet-3&sort=findings",
        "run": f"runs/{run}",
        "findings": f"runs/{run}/findings",
        "series (list)": f"runs/{run}/series",
        "points (20 series of 10,000, width 800)": f"runs/{run}/points?{keys}&width=800",
        "points (zoomed into 500 steps)": f"runs/{run}/points?{keys}&width=800&start=4000&end=4500",
        "network": f"runs/{run}/network",
        "heat": f"runs/{run}/heat?fact=gradient-norm",
        "events": f"runs/{run}/events",
        "compare (2 runs)": f"compare?run={run}&run={other}",
        "checks": "checks",
        "changes": "changes",
        "mutes": "mutes",
    }
    return {name: _times(client, token, path, times) for name, path in routes.items()}


def _times(client: Any, token: str, path: str, times: int) -> dict[str, float]:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        status, _ = _ask(client, token, path)
        taken.append(1e3 * (time.perf_counter() - begun))
        if status != 200:
            raise RuntimeError(f"{path} answered {status}")
        time.sleep(_GAP)
    return {"median_ms": statistics.median(taken), "p95_ms": sorted(taken)[int(0.95 * times)]}


def _ask(client: Any, token: str, path: str) -> tuple[int, Any]:
    client.request("GET", f"/api/{path}", headers={"Authorization": f"Bearer {token}"})
    answer = client.getresponse()
    return answer.status, json.loads(answer.read())
