"""Writes DIR/stack.json, from which the commands learn where the stack runs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.local.child import ProcessIdentity
from deploy.local.folder import Folder, read_json, write_private
from deploy.local.servers.clients import own_key
from deploy.local.supervising.processes import ServiceProcess
from deploy.local.supervising.restarting import Server


@dataclass(frozen=True, slots=True)
class StackDescription:
    """The content of DIR/stack.json besides the processes."""

    services: Sequence[str]
    ready: bool
    test_clock: bool
    zone: str
    postgres: Mapping[str, Any]
    kafka: Mapping[str, Any]
    issuer: str
    jwks: str


def write_stack_file(folder: Folder, stack: StackDescription, servers: Iterable[Server]) -> None:
    """Write DIR/stack.json. `servers` are all supervised ones; the calling process is the supervisor."""
    ports = read_json(folder.ports)
    services: dict[str, Any] = {name: {"url": f"http://127.0.0.1:{ports[name]}", "roles": {}} for name in stack.services}
    processes = []
    for server in servers:
        if isinstance(server, ServiceProcess):
            for role in server.roles:
                services[server.service]["roles"].setdefault(role, []).extend([server.pid] if server.pid else [])
        if server.pid:
            with contextlib.suppress(Exception):
                identity = ProcessIdentity.of(server.pid)
                processes.append([identity.pid, identity.started])
    supervisor = ProcessIdentity.of_self()
    content = {
        "supervisor": [supervisor.pid, supervisor.started],
        "processes": processes,
        "ready": stack.ready,
        "test_clock": stack.test_clock,
        "zone": stack.zone,
        "services": services,
        "postgres": stack.postgres,
        "kafka": stack.kafka,
        "issuer": stack.issuer,
        "jwks": stack.jwks,
    }
    own_key(folder)
    write_private(folder.stack, json.dumps(content, indent=1))
