"""Kafka's consumer: a member of a group that fetches from positions which it is given."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

from shared.broker.kafka_groups import remove_members
from shared.broker.kafka_records import use_light_records
from shared.broker.kafka_topics import ANSWER_TIMEOUT, CLOSE_TIMEOUT, OUTAGES, close_client, describe_by, wait_for_metadata
from shared.broker.protocol import BrokerUnavailableError, OffsetLostError, Place, Rebalanced, Record, Topic
from shared.process.clock import utc_now

log = structlog.get_logger(__name__)

use_light_records()

FETCH_WAIT_MS, PAUSED_WAIT_MS = 500, 100
"""How long the broker waits for a record of the places that are asked for. A place that is resumed is asked for only when it has answered."""
PARTITION_BYTES, FETCH_BYTES = 2**20, 2**23
"""The most that is fetched of a partition, and of all together: what is paused meanwhile waits in memory."""
HEARTBEAT_MS = 500
"""A rebalance waits until every member has learnt of it by a heartbeat."""
IDENTITY_POLL = 2.0
"""Seconds between two checks of the topics' ids."""


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, assigned: Rebalanced, revoked: Rebalanced) -> None:
        self._assigned = assigned
        self._revoked = revoked

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._assigned(frozenset((tp.topic, tp.partition) for tp in assigned))

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._revoked(frozenset((tp.topic, tp.partition) for tp in revoked))


class KafkaConsumer:
    """A member of a group. Partitions are divided by range: round-robin and sticky split one partition number over instances."""

    def __init__(
        self, bootstrap: str, group: str, topics: Sequence[str], *, assigned: Rebalanced, revoked: Rebalanced, name: str | None = None
    ) -> None:
        self._group = group
        self._name = name
        self._topics = topics
        self._listener = _Listener(assigned, revoked)
        self._replaced: str | None = None
        self._identity: asyncio.Task[None] | None = None
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            client_id=name or "parkunion",
            group_id=group,
            partition_assignment_strategy=(RangePartitionAssignor,),
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=PARTITION_BYTES,
            fetch_max_bytes=FETCH_BYTES,
            session_timeout_ms=6_000,
            heartbeat_interval_ms=HEARTBEAT_MS,
            rebalance_timeout_ms=15_000,
            request_timeout_ms=20_000,
            retry_backoff_ms=100,
        )

    async def start(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await self._consumer.start()
                # A group leader without metadata of a topic assigns its partitions to nobody.
                await wait_for_metadata(self._consumer._client, self._topics)
                known = await describe_by(self._consumer._client, self._topics)
                if self._name is not None and (removed := await remove_members(self._consumer._client, self._group, self._name)):
                    log.info("consumer.freed", group=self._group, name=self._name, places=removed)
            self._identity = asyncio.create_task(self._watch_identity(known))
            # Not before the start, which would wait for the first assignment: up to the session timeout of a killed member.
            self._consumer.subscribe(list(self._topics), listener=self._listener)
        except OUTAGES as error:
            raise BrokerUnavailableError(f"consumer: {error!r}") from error

    async def _watch_identity(self, known: Mapping[str, Topic]) -> None:
        """Notice a topic that was deleted and created again. aiokafka's protocol version knows topics by name alone, and would read on in
        the new one as soon as it is long enough."""
        while True:
            await asyncio.sleep(IDENTITY_POLL)
            with contextlib.suppress(*OUTAGES, BrokerUnavailableError):
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    found = await describe_by(self._consumer._client, self._topics)
                self._replaced = next(
                    (name for name, topic in found.items() if name in known and known[name].id != topic.id), self._replaced
                )

    async def fetch(self, wait: float) -> Sequence[Sequence[Record]]:
        if self._replaced is not None:
            raise OffsetLostError(f"the topic {self._replaced} was made anew")
        try:
            fetched: dict[TopicPartition, list[Record]] = await self._consumer.getmany(timeout_ms=int(wait * 1000))
        except NoOffsetForPartitionError:
            return []  # aiokafka asked the group for a position before our seek
        except OffsetOutOfRangeError as error:
            raise OffsetLostError(str(error)) from error
        except OUTAGES as error:
            raise BrokerUnavailableError(f"fetch: {error!r}") from error
        return list(fetched.values())

    def seek(self, place: Place, offset: int) -> None:
        if (tp := TopicPartition(*place)) in self._consumer.assignment():
            self._consumer.seek(tp, offset)

    def pause(self, places: Collection[Place]) -> None:
        self._consumer.pause(*self._ours(places))
        self._set_wait()

    def resume(self, places: Collection[Place]) -> None:
        self._consumer.resume(*self._ours(places))
        self._set_wait()

    def _set_wait(self) -> None:
        """aiokafka has no public call for this; it takes what stands here into its next request."""
        self._consumer._fetcher._fetch_max_wait_ms = PAUSED_WAIT_MS if self._consumer.paused() else FETCH_WAIT_MS

    def end(self, place: Place) -> int | None:
        ours = self._ours([place])
        return self._consumer.highwater(ours[0]) if ours else None

    def answered(self, place: Place) -> float | None:
        ours = self._ours([place])
        at = self._consumer.last_poll_timestamp(ours[0]) if ours else None
        return None if at is None else max(0.0, utc_now().timestamp() - at / 1000)

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        wanted = {tp: offsets[tp.topic, tp.partition] for tp in self._ours(offsets)}
        if wanted:
            with contextlib.suppress(*OUTAGES):
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    await self._consumer.commit(wanted)

    async def close(self) -> None:
        if self._identity is not None:
            self._identity.cancel()
        await close_client(self._consumer, CLOSE_TIMEOUT)

    def _ours(self, places: Iterable[Place]) -> list[TopicPartition]:
        assignment = self._consumer.assignment()
        return [tp for tp in (TopicPartition(*place) for place in places) if tp in assignment]
