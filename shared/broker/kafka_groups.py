"""The places in a Kafka group that a process has left behind, given back by its successor."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaError,
    NoError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.group import LeaveGroupRequest

LOOK = 0.05
"""Seconds between two questions for a group whose coordinator only begins to be one."""
NOT_YET = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)


async def free_places(client: AIOKafkaClient, group: str, name: str) -> int:
    """Take the members called `name` (their client id) out of `group`, and return how many there were.

    A process that was killed is counted in the group until its session ends, and all others wait for it. Who has its name after it knows
    better. If it lives after all, its next heartbeat makes it join again. Waits for a broker that is new. Raises KafkaError.
    """
    while True:
        try:
            coordinator = int(await client.coordinator_lookup(CoordinationType.GROUP, group))
            return await _free(client, coordinator, group, name)
        except NOT_YET:
            await asyncio.sleep(LOOK)


async def _free(client: AIOKafkaClient, coordinator: int, group: str, name: str) -> int:
    described = await _ask(client, coordinator, DescribeGroupsRequest(groups=[group]))
    freed = 0
    for code, _group, _state, _type, _protocol, members, *_ in described.groups:
        _require_no_error(code)
        for member_id, client_id, *_ in members:
            if client_id == name:
                await _ask(client, coordinator, LeaveGroupRequest(group, member_id))
                freed += 1
    return freed


async def _ask(client: AIOKafkaClient, coordinator: int, request: Any) -> Any:
    return await client.send(coordinator, request, group=ConnectionGroup.COORDINATION)


def _require_no_error(code: int) -> None:
    error: type[KafkaError] = for_code(code)
    if error is not NoError:
        raise error()
