"""Certificates for tests of TLS: a CA and, signed by it, a server on loopback. ECDSA on P-256, and no library for it.

Not for anything else: the arithmetic is neither fast nor safe against who measures it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import textwrap
from dataclasses import dataclass
from pathlib import Path

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
Point = tuple[int, int] | None


def plus(a: Point, b: Point) -> Point:
    """The sum of two points of the curve; None is the one at infinity."""
    if a is None or b is None:
        return a or b
    (x1, y1), (x2, y2) = a, b
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, P) if a == b else (y2 - y1) * pow(x2 - x1, -1, P)
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


def times(k: int, point: Point) -> Point:
    total: Point = None
    while k:
        if k & 1:
            total = plus(total, point)
        point = plus(point, point)
        k >>= 1
    return total


# ---- DER
def der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 + len(length)]) + length + body


def sequence(*parts: bytes) -> bytes:
    return der(0x30, *parts)


def integer(value: int) -> bytes:
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def bits(body: bytes) -> bytes:
    return der(0x03, b"\0", body)


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    body = bytes([40 * first + second])
    for part in rest:
        digits = [part & 127]
        while part := part >> 7:
            digits.insert(0, 128 | (part & 127))
        body += bytes(digits)
    return der(0x06, body)


def pem(kind: str, body: bytes) -> str:
    lines = "\n".join(textwrap.wrap(base64.b64encode(body).decode(), 64))
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n"


# ---- keys and certificates
@dataclass(frozen=True)
class Key:
    secret: int
    public: bytes

    @classmethod
    def made(cls) -> Key:
        secret = secrets.randbelow(N - 1) + 1
        point = times(secret, G)
        assert point is not None
        return cls(secret, b"\4" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big"))

    def sign(self, body: bytes) -> bytes:
        """An ECDSA signature with SHA-256."""
        k = secrets.randbelow(N - 1) + 1
        point = times(k, G)
        assert point is not None
        r = point[0] % N
        s = pow(k, -1, N) * (int.from_bytes(hashlib.sha256(body).digest(), "big") + r * self.secret) % N
        return sequence(integer(r), integer(s))

    def pem(self) -> str:
        parts = (integer(1), der(0x04, self.secret.to_bytes(32, "big")), der(0xA0, CURVE), der(0xA1, bits(self.public)))
        return pem("EC PRIVATE KEY", sequence(*parts))


CURVE = oid("1.2.840.10045.3.1.7")
SIGNED = sequence(oid("1.2.840.10045.4.3.2"))
ALWAYS = sequence(der(0x17, b"200101000000Z"), der(0x18, b"21200101000000Z"))


def certificate(name: str, key: Key, issuer: str, signer: Key, *, address: str = "") -> str:
    """A certificate in PEM, for a server at the IPv4 address or, without one, for a CA."""
    ca = not address

    def named(common: str) -> bytes:
        return sequence(der(0x31, sequence(oid("2.5.4.3"), der(0x0C, common.encode()))))

    def extension(number: str, body: bytes, *, critical: bool = False) -> bytes:
        return sequence(oid(number), *([der(0x01, b"\xff")] if critical else []), der(0x04, body))

    identifier = der(0x04, hashlib.sha1(key.public, usedforsecurity=False).digest())
    signers = hashlib.sha1(signer.public, usedforsecurity=False).digest()
    extensions = [
        extension("2.5.29.14", identifier),
        extension("2.5.29.35", sequence(der(0x80, signers))),
        extension("2.5.29.19", sequence(der(0x01, b"\xff")) if ca else sequence(), critical=True),
        extension("2.5.29.15", der(0x03, b"\x01\x06" if ca else b"\x07\x80"), critical=True),
    ]
    if not ca:
        extensions.append(extension("2.5.29.17", sequence(der(0x87, bytes(map(int, address.split(".")))))))
    body = sequence(
        der(0xA0, integer(2)),
        integer(secrets.randbits(64) | 1),
        SIGNED,
        named(issuer),
        ALWAYS,
        named(name),
        sequence(sequence(oid("1.2.840.10045.2.1"), CURVE), bits(key.public)),
        der(0xA3, sequence(*extensions)),
    )
    return pem("CERTIFICATE", sequence(body, SIGNED, bits(signer.sign(body))))


def authority(folder: Path, name: str = "test CA", *, address: str = "127.0.0.1") -> tuple[Path, Path]:
    """Writes a new CA's certificate, and a server's certificate with its key; gives both paths."""
    signer, server = Key.made(), Key.made()
    folder.mkdir(parents=True, exist_ok=True)
    ca, served = folder / "ca.pem", folder / "server.pem"
    ca.write_text(certificate(name, signer, name, signer))
    served.write_text(server.pem() + certificate("test server", server, name, signer, address=address))
    return ca, served
