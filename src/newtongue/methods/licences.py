"""The licence of something made from things under several licences.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Iterable


def combine_licences(licences: Iterable[str]) -> str:
    """Return the licence of something made from things under these licences; `unknown` when one is.

    Example:
        >>> combine_licences(["MIT", "CC-BY-4.0 AND MIT"])
        'CC-BY-4.0 AND MIT'
    """
    distinct = sorted({part for licence in licences for part in licence.split(" AND ")})
    return "unknown" if "unknown" in distinct else " AND ".join(distinct)
