"""Removes the members of a killed process from a Kafka group, so that the group need not wait for their session timeout."""

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

POLL = 0.05
"""Seconds between two tries while the group's coordinator is not ready."""
NOT_YET = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)


async def remove_members(client: AIOKafkaClient, group: str, name: str) -> int:
    """Remove the members with the client id `name` from `group`; returns how many there were.

    Called by the process that now has the name. Should the old one still live, it joins again with its next heartbeat. Waits until the
    coordinator is ready. Raises KafkaError.
    """
    while True:
        try:
            coordinator = int(await client.coordinator_lookup(CoordinationType.GROUP, group))
            return await _remove(client, coordinator, group, name)
        except NOT_YET:
            await asyncio.sleep(POLL)


async def _remove(client: AIOKafkaClient, coordinator: int, group: str, name: str) -> int:
    described = await _ask(client, coordinator, DescribeGroupsRequest(groups=[group]))
    removed = 0
    for code, _group, _state, _type, _protocol, members, *_ in described.groups:
        _require_no_error(code)
        for member_id, client_id, *_ in members:
            if client_id == name:
                await _ask(client, coordinator, LeaveGroupRequest(group, member_id))
                removed += 1
    return removed


async def _ask(client: AIOKafkaClient, coordinator: int, request: Any) -> Any:
    return await client.send(coordinator, request, group=ConnectionGroup.COORDINATION)


def _require_no_error(code: int) -> None:
    error: type[KafkaError] = for_code(code)
    if error is not NoError:
        raise error()
