"""The bodies that the federation sends."""

from __future__ import annotations

from pydantic import Field

from shared.http.forms import Command, Id, Note


class ErasureBody(Command):
    """Every content that names this id is removed: what is stored, what is queued, and what comes later."""

    id: Id = Field(
        description="The id of a person's membership, or of anything else that events name.",
        examples=["01938c5e-7f00-7000-8000-0000000000d1"],
    )
    reason: Note = Field(max_length=500, description="Why; without the person's name.", examples=["本人申请删除"])
