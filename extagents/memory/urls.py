"""Memory URLs as they may be shown."""

from __future__ import annotations

import re


def shown(url: str) -> str:
    """The URL without user, password and query, fit for a message or a log."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    if scheme.lower() == "unix":  # a socket's password stands in the query
        return f"{scheme}://{re.split(r'[?#]', rest, maxsplit=1)[0].rpartition('@')[2]}"
    return f"{scheme}://{re.split(r'[?#]', rest.rpartition('@')[2], maxsplit=1)[0]}"
