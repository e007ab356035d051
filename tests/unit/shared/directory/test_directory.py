"""The directory's SQL fragment makes the tables that membership has."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[4]


def statements(path: str) -> set[str]:
    text = re.sub(r"--.*", "", (ROOT / path).read_text("utf-8"))
    return {" ".join(statement.split()) for statement in text.split(";") if statement.strip()}


def test_the_fragment_of_the_directory_makes_the_tables_of_membership() -> None:
    made = statements("services/membership/migrations/0001_membership.sql")
    fragment = {statement for statement in statements("shared/sql/directory.sql") if not statement.startswith("GRANT SELECT, INSERT")}
    assert len(fragment) == 6
    assert fragment <= made
