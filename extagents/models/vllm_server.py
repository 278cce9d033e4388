"""What only a vLLM server has: figures of its queue and caches (`/metrics`), and requests that go before others."""

from __future__ import annotations

import re
from collections import defaultdict

from extagents.models.base import Load

OWNER = "vllm"  # what /v1/models calls the owner of a model that vLLM serves
BEFORE_READERS = -1  # lower goes first; readers keep the 0 that every vLLM takes

_SAMPLE = re.compile(r"^(vllm:[a-z_]+)(?:\{[^}]*\})?\s+([0-9.eE+-]+)\s*$", re.MULTILINE)
_USAGE = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")  # the second before vLLM 0.10
_LOOKED_UP = ("vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total")
_FOUND = ("vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total")


def load_of(metrics: str) -> Load | None:
    """The load in a page of metrics (Prometheus' text format); None where it holds none of vLLM's.

    Engines of one server (data parallel) are added up; of their caches the fullest counts.
    """
    sums: defaultdict[str, float] = defaultdict(float)
    most: defaultdict[str, float] = defaultdict(float)
    for name, value in _SAMPLE.findall(metrics):
        try:
            number = float(value)
        except ValueError:
            continue
        sums[name] += number
        most[name] = max(most[name], number)
    if "vllm:num_requests_running" not in sums:
        return None
    return Load(
        running=int(sums["vllm:num_requests_running"]),
        waiting=int(sums["vllm:num_requests_waiting"]),
        cache_usage=max(most[name] for name in _USAGE),
        preempted=int(sums["vllm:num_preemptions_total"]),
        looked_up=int(max(sums[name] for name in _LOOKED_UP)),
        found=int(max(sums[name] for name in _FOUND)),
    )
