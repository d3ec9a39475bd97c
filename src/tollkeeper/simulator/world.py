"""What a simulated provider remembers between requests: its seed, the ids it gave, warm prompts, stored responses."""

from __future__ import annotations

import hashlib
import itertools
import random
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from tollkeeper.simulator.bill import Meter

BLOCK_TOKENS = 1024
BLOCK_CHARACTERS = 4 * BLOCK_TOKENS


class PromptCache:
    """The beginnings of prompts that were seen before, in blocks of 1024 tokens, the last recently used forgotten."""

    def __init__(self, blocks: int = 4096):
        self._blocks = blocks
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def warm(self, model: str, text: str) -> tuple[int, int]:
        """How many tokens of the prompt's whole blocks were warm, and how many were not; from now on all are."""
        warm, cold, unbroken = 0, 0, True
        digest = hashlib.blake2b(model.encode(), digest_size=16)
        for start in range(0, len(text) - BLOCK_CHARACTERS + 1, BLOCK_CHARACTERS):
            digest.update(text[start : start + BLOCK_CHARACTERS].encode("utf-8", "surrogatepass"))
            unbroken = self._touch(digest.digest()) and unbroken
            warm, cold = (warm + BLOCK_TOKENS, cold) if unbroken else (warm, cold + BLOCK_TOKENS)
        return warm, cold

    def _touch(self, key: bytes) -> bool:
        with self._lock:
            seen = key in self._seen
            self._seen[key] = None
            self._seen.move_to_end(key)
            if len(self._seen) > self._blocks:
                self._seen.popitem(last=False)
            return seen


class World:
    """One simulated provider's state. With a seed, the same requests in the same order get the same answers and ids."""

    def __init__(self, seed: int | None = None, clock: Callable[[], float] = time.time, stored: int = 1000):
        self.seed = secrets.randbits(32) if seed is None else seed
        self.clock = clock
        self.prompt_cache = PromptCache()
        self.meter = Meter()
        self.lock = threading.Lock()
        self._ids = itertools.count()
        self._chance = random.Random(self.seed)
        self._stored: OrderedDict[str, Any] = OrderedDict()
        self._room = stored

    def new_id(self, prefix: str, characters: int = 24) -> str:
        """An id that no other answer has."""
        key = f"{self.seed}/{next(self._ids)}".encode()
        return prefix + hashlib.blake2b(key, digest_size=32).hexdigest()[:characters]

    def now(self) -> int:
        return int(self.clock())

    def happens(self, share: float) -> bool:
        """Whether something with this probability happens now."""
        if share <= 0:
            return False
        with self.lock:
            return self._chance.random() < share

    def pick(self, count: int) -> int:
        """One of 0 to `count` - 1."""
        with self.lock:
            return self._chance.randrange(count)

    def store(self, key: str, value: object) -> None:
        with self.lock:
            self._stored[key] = value
            if len(self._stored) > self._room:
                self._stored.popitem(last=False)

    def stored(self, key: str) -> Any:
        with self.lock:
            return self._stored.get(key)

    def forget(self, key: str) -> None:
        with self.lock:
            self._stored.pop(key, None)
