"""Which shard is read ahead: shards that are far behind take turns, so that their batches are large and memory holds the records of two.

A stream costs the same in a batch of 5 of its events as in one of 50. So a shard that is far behind is applied only when a whole batch of it
has arrived, and only one such shard gathers records at a time, while the one before it is applied. A shard that is not far behind is applied
at once, whatever has arrived; so is one in which a refused event is searched, whose batches are small anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from shared.sequencing.shard import Shard

FAR_BEHIND = 2_000
"""Records; fewer take a tenth of a second as objects."""
LEAST_PENDING = 500
MOST_PENDING = 30_000
"""Records that all shards but the gathering one may have pending together; about 2 KB each."""
MOST_HELD = 170_000
"""Records of all shards together, by weight (`shard.weight_of`), from which on the gathering shard is no longer fetched: those of the batch that is applied
meanwhile are among them."""
LEAST_GATHERED = 20_000
"""Records that a shard may gather, whatever others hold."""
PATIENCE = 2.0
"""Seconds without a new record after which a shard is applied as it is."""


class Turns:
    """The turns of a session's shards. `ends(shard)` = {topic: the end of its log as last known}, `batch` = the most events of a transaction now,
    `objects` = the most of one that has no columns."""

    def __init__(self, batch: int, objects: int, ends: Callable[[Shard], Mapping[str, int]]) -> None:
        self.batch = batch
        self._objects = objects
        self._ends = ends
        self._gathering: int | None = None
        self._count = 0
        self._grew_at = 0.0

    def reset(self) -> None:
        """Forget the turns: the shards were given up."""
        self._gathering = None

    def far_behind(self, shard: Shard) -> bool:
        """Whether more than FAR_BEHIND records of a shard are not applied yet."""
        return sum(max(0, end - shard.next[topic]) for topic, end in self._ends(shard).items()) > FAR_BEHIND

    def full(self, shard: Shard, topic: str, shards: Mapping[int, Shard]) -> bool:
        """Whether a shard has so many records pending that its place of a topic is paused."""
        if self._gathering == shard.number:
            return self._gathered(shard, topic, shards)
        return shard.waiting(topic) > _room(shard, shards)

    def roomy(self, shard: Shard, topic: str, shards: Mapping[int, Shard]) -> bool:
        """Whether its paused place is fetched again. A shard that gathers has all its room again: with less, it would wait for a whole batch of which nothing
        more could arrive."""
        if self._gathering == shard.number:
            return not self._gathered(shard, topic, shards)
        return shard.waiting(topic) <= _room(shard, shards) // 2

    def _gathered(self, shard: Shard, topic: str, shards: Mapping[int, Shard]) -> bool:
        """Whether the gathering shard has its batch, and at least an equal share of this topic: it must not wait for a topic that is not fetched.
        Or it has all objects that a transaction takes."""
        most = self._most(shard, shards)
        has_all = shard.count() >= most and shard.waiting(topic) >= most // len(shard.pending)
        return has_all or len(shard.pending[topic]) >= self._objects

    def _most(self, shard: Shard, shards: Mapping[int, Shard]) -> int:
        """How many records the gathering shard may have, by weight."""
        others = sum(one.count() for one in shards.values() if one is not shard)
        return min(self.batch, max(LEAST_GATHERED, MOST_HELD - others))

    def due(self, shard: Shard, shards: Mapping[int, Shard]) -> bool:
        """Whether to apply a shard now; if it is far behind, its turn to gather passes to the next one."""
        if shard.refused or shard.limit < self._objects:
            return True
        if not self.far_behind(shard):
            if self._gathering == shard.number:
                self._pass_on(shard, shards)
            return True
        if self._gathering not in shards:
            self._begin(shard)
        if self._gathering != shard.number:
            return False
        count, now = shard.count(), time.monotonic()
        if count != self._count:
            self._count, self._grew_at = count, now
        full = count >= self._most(shard, shards) or sum(map(len, shard.pending.values())) >= self._objects
        if full or not shard.lagging(self._ends(shard)) or now - self._grew_at > PATIENCE:
            self._pass_on(shard, shards)
            return True
        return False

    def _pass_on(self, shard: Shard, shards: Mapping[int, Shard]) -> None:
        """The next shard that is far behind gathers while this one is applied."""
        numbers = sorted(shards)
        after = [number for number in numbers if number > shard.number] + [number for number in numbers if number <= shard.number]
        following = next((shards[number] for number in after if self.far_behind(shards[number])), None)
        if following is None:
            self._gathering = None
        else:
            self._begin(following)

    def _begin(self, shard: Shard) -> None:
        self._gathering, self._count, self._grew_at = shard.number, shard.count(), time.monotonic()


def _room(shard: Shard, shards: Mapping[int, Shard]) -> int:
    """Records of each topic that a shard may have pending which does not gather."""
    return max(LEAST_PENDING, MOST_PENDING // (max(1, len(shards)) * max(1, len(shard.pending))))
