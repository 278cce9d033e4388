"""How names become keys: hashed, never pasted, so that no name can collide with another or leave its tenant.

Redis keys of a tenant share one hash tag, `{hash of tenant}`, so that they lie on one node and one script may change them.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

DIGEST_BYTES = 16
PREFIX = "ext"


def digest(*parts: str) -> bytes:
    """16 bytes that stand for the parts. Any text is allowed, lone surrogates too; ("a", "bc") and ("ab", "c") differ."""
    hashed = blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        hashed.update(len(raw).to_bytes(8, "big"))
        hashed.update(raw)
    return hashed.digest()


def name_hash(*parts: str) -> str:
    """`digest` in hexadecimal, as it stands in keys."""
    return digest(*parts).hex()


def report_digest(round_number: int, shard: str, version: str) -> bytes:
    """What a run's report is keyed by: the same reading posted twice has the same digest."""
    return digest(str(round_number), shard, version)


@dataclass(frozen=True, slots=True)
class RunKeys:
    """All Redis keys of one run; `all` is what `forget` deletes (the entries that `cached` lists come on top)."""

    record: str
    reports: str
    log: str
    notes: str
    calls: str
    events: str
    cached: str
    applied: str
    journal: str

    @property
    def all(self) -> tuple[str, ...]:
        return (
            self.record,
            self.reports,
            self.log,
            self.notes,
            self.calls,
            self.events,
            self.cached,
            self.applied,
            self.journal,
        )


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """The Redis keys of one tenant."""

    prefix: str

    @classmethod
    def of(cls, tenant: str) -> TenantKeys:
        return cls(f"{PREFIX}:{{{name_hash(tenant)}}}")

    @property
    def runs(self) -> str:
        """Sorted set: hash of the run's name by the time of its last change, in seconds."""
        return f"{self.prefix}:runs"

    @property
    def secret(self) -> str:
        return f"{self.prefix}:secret"

    def cache(self, key: str) -> str:
        return f"{self.prefix}:cache:{name_hash(key)}"

    def run(self, name: str) -> RunKeys:
        return self.run_hashed(name_hash(name))

    def run_hashed(self, hashed: str) -> RunKeys:
        """The keys of the run whose name has this hash, as the index of runs lists them."""
        base = f"{self.prefix}:run:{hashed}"
        return RunKeys(
            record=base,
            reports=f"{base}:reports",
            log=f"{base}:log",
            notes=f"{base}:notes",
            calls=f"{base}:calls",
            events=f"{base}:events",
            cached=f"{base}:cached",
            applied=f"{base}:applied",
            journal=f"{base}:journal",
        )
