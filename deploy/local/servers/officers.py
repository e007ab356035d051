"""Who may sign in at the stack's issuer, as its folder says."""

from __future__ import annotations

import json

from deploy.local.errors import UserError
from deploy.local.folder import Folder
from deploy.local.servers.clients import RESERVED, Clients
from deploy.local.servers.people import Person, people_of


def officers_of(folder: Folder) -> list[Person]:
    """The people of DIR/people.json. Raises UserError, also for a person who has the name of a client."""
    if not folder.people.exists():
        return []
    try:
        people = people_of(json.loads(folder.people.read_text()))
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{folder.people} 无法读取:{error}", f"{folder.people} cannot be read: {error}") from error
    clients = Clients(folder).all()
    if taken := [person.login for person in people if person.login in clients or person.login in RESERVED]:
        raise UserError(f"{folder.people}:{taken[0]} 是客户端的名称", f"{folder.people}: {taken[0]} is the name of a client")
    return people
