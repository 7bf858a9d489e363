"""How many requests may be in flight at one endpoint, learnt from how often it says 429."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WINDOW: Final = 32
"""Fewest attempts that are judged together."""
HOT_SHARE: Final = 0.3
"""Share of 429 in a window above which fewer are sent at a time; a tenth at random must not slow anything."""
CALM_SHARE: Final = 0.2
"""Share below which more are sent again."""
CUT: Final = 0.7
GROWTH: Final = 1.25


@dataclass(slots=True)
class Pace:
    """The limit of one endpoint; moves at most once per window, so that single 429s do not add up to a collapse.

    A rule that cuts at every 429 settles at about 0.16 (1 - p) / p requests in flight when a share p of all answers is
    429 for reasons of its own: at 10 % that is one or two, whatever the endpoint could take.

    Attributes:
        most: The recipe's limit.
        limit: Requests in flight now allowed.
        hot: Whether the last window was above `HOT_SHARE`: then a `Retry-After` holds everybody, not one request.
    """

    most: int
    limit: float = 0.0
    hot: bool = False
    seen: int = 0
    limited: int = 0

    def __post_init__(self) -> None:
        """Start at full speed."""
        self.limit = float(self.most)

    def record(self, limited: bool) -> None:
        """Count one attempt that came back, `limited` when it was a 429."""
        self.seen += 1
        self.limited += limited
        if self.seen < max(WINDOW, int(self.limit)):
            return
        share = self.limited / self.seen
        self.hot = share > HOT_SHARE
        if self.hot:
            self.limit = max(1.0, self.limit * CUT)
        elif share < CALM_SHARE:
            self.limit = min(float(self.most), self.limit * GROWTH + 1)
        self.seen = self.limited = 0
