"""A key-value cache that grows in place, so that a new token costs no copy of all the old ones."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

FIRST_POSITIONS = 64


class _RoomyLayer(DynamicLayer):
    """Keys and values of one layer, kept in buffers that double when they are full."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append positions and return all keys and values so far."""
        done = self.get_seq_length()
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._rooms = [key_states[:, :, :0], value_states[:, :, :0]]
        total = done + key_states.shape[-2]
        if total > self._rooms[0].shape[-2]:
            self._rooms = [_enlarged(room, done, max(FIRST_POSITIONS, 2 * total)) for room in self._rooms]
        for room, states in zip(self._rooms, (key_states, value_states), strict=True):
            room[:, :, done:total] = states
        self.keys, self.values = (room[:, :, :total] for room in self._rooms)
        return self.keys, self.values


def _enlarged(room: Tensor, done: int, positions: int) -> Tensor:
    larger = room.new_empty(*room.shape[:2], positions, room.shape[-1])
    larger[:, :, :done] = room[:, :, :done]
    return larger


def growing_cache(config: Any) -> DynamicCache:
    """Return an empty cache for a model; layers with a sliding window keep the library's own."""
    cache = DynamicCache(config=config)
    cache.layers = [_RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
