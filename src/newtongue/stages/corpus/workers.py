"""Examine documents in this process or in several; the order, and so the result, is that of the sources."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor

from newtongue.adapters.tables import Reject
from newtongue.core.rows import Document
from newtongue.stages.corpus.config import CorpusConfig
from newtongue.stages.corpus.examine import Examined, examine

BLOCK_CHARS = 2_000_000
BLOCK_ROWS = 256
BLOCKS_PER_WORKER = 2
"""Blocks read ahead for each worker; bounds what is in memory."""
Row = tuple[str, Document | Reject]
Result = tuple[str, Examined | Reject]


def examined(rows: Iterable[Row], config: CorpusConfig, ranges: Sequence[tuple[int, int]]) -> Iterator[Result]:
    """Yield every row in order, examined by `config.workers` processes."""
    if config.workers == 1:
        for row in rows:
            yield from _block([row], config, ranges)
        return
    start = multiprocessing.get_context("spawn")
    waiting: deque[Future[list[Result]]] = deque()
    with ProcessPoolExecutor(config.workers, mp_context=start, initializer=_die_with_parent) as pool:
        for block in _blocks(rows):
            waiting.append(pool.submit(_block, block, config, ranges))
            if len(waiting) > BLOCKS_PER_WORKER * config.workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _block(rows: list[Row], config: CorpusConfig, ranges: Sequence[tuple[int, int]]) -> list[Result]:
    return [(place, row if isinstance(row, Reject) else examine(row, config, ranges)) for place, row in rows]


def _blocks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    block: list[Row] = []
    chars = 0
    for place, row in rows:
        block.append((place, row))
        chars += len(row.text) if isinstance(row, Document) else len(row.content)
        if chars >= BLOCK_CHARS or len(block) >= BLOCK_ROWS:
            yield block
            block, chars = [], 0
    if block:
        yield block


def _die_with_parent() -> None:
    """End this worker as soon as the process that started it is gone, however it went."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(137)

    threading.Thread(target=watch, daemon=True, name="die-with-parent").start()
