"""What the NLRB sample must come to: the rules of samples/nlrb/README.md once more, as one SQL statement straight from the CSV.

Written differently on purpose: it shares no code with the adapter, the services or `tests/oracle.py`.
"""

from __future__ import annotations

import csv
import sqlite3
from datetime import date
from pathlib import Path

STATEMENT = """
WITH ranked AS (
    SELECT *, row_number() OVER (PARTITION BY case_number, unit_id ORDER BY tally_date DESC, line DESC) AS place FROM rows
), final AS (
    SELECT * FROM ranked WHERE place = 1
), cases AS (
    SELECT case_number,
           (SELECT upper(trim(r.state)) FROM rows r WHERE r.case_number = f.case_number ORDER BY r.line LIMIT 1) AS state,
           min(filed) AS settled,
           max(nullif(tally_date, '')) AS reported,
           sum(CAST(nullif(eligible, '') AS INTEGER)) AS voters,
           min(CASE WHEN closed_reason = 'Certific. of Representative' THEN nullif(closed, '') END) AS approved,
           sum(max(CAST(votes1 AS INTEGER), CAST(votes2 AS INTEGER), CAST(votes3 AS INTEGER))) AS persons
    FROM final f GROUP BY case_number
), units AS (
    SELECT state,
           CASE WHEN reported <= :t THEN voters END AS workers,
           reported <= :t AND voters IS NOT NULL
               AND :t > min(date(reported, '+1 year'), date(reported, 'start of month', '+13 months', '-1 day')) AS stale,
           coalesce(approved <= :t, 0) AS covered,
           CASE WHEN approved <= :t THEN persons ELSE 0 END AS members
    FROM cases WHERE settled <= :t
), sums AS (
    SELECT state,
           1 AS units,
           workers IS NOT NULL AS units_headcount_known,
           coalesce(stale, 0) AS units_headcount_stale,
           coalesce(workers >= 1, 0) AS should_organise_all,
           coalesce(workers >= 1 AND covered, 0) AS covered_all,
           coalesce(workers >= 25, 0) AS should_organise_ge25,
           coalesce(workers >= 25 AND covered, 0) AS covered_ge25,
           covered AS covered_units,
           coalesce(workers, 0) AS workers,
           members,
           CASE WHEN workers IS NULL THEN members ELSE 0 END AS members_headcount_unknown,
           CASE WHEN covered THEN coalesce(workers, 0) ELSE 0 END AS workers_unionised,
           CASE WHEN covered THEN members ELSE 0 END AS members_unionised
    FROM units
)
SELECT {area} AS area, {sums} FROM sums GROUP BY 1
"""

COUNTS = (
    "units",
    "units_headcount_known",
    "units_headcount_stale",
    "should_organise_all",
    "covered_all",
    "should_organise_ge25",
    "covered_ge25",
    "covered_units",
    "workers",
    "members",
    "members_headcount_unknown",
    "workers_unionised",
    "members_unionised",
)
COLUMNS = {
    "case_number": "Case Number",
    "unit_id": "Unit ID",
    "state": "Unit State",
    "filed": "Case Filed Date",
    "closed": "Case Closed Date",
    "closed_reason": "Closed Reason",
    "tally_date": "Tally Date",
    "eligible": "Num Eligible Voters",
    "votes1": "Votes For Labor Org1",
    "votes2": "Votes For Labor Org2",
    "votes3": "Votes For Labor Org3",
}


def expected(csv_path: Path | str, as_of: date | str) -> dict[str, dict[str, int]]:
    """{state, or "all": {count of a coverage row: its value}} as of a day, known today; states without a unit are left out."""
    with sqlite3.connect(":memory:") as database, open(csv_path, encoding="utf-8-sig", newline="") as file:
        database.execute(f"CREATE TABLE rows (line INTEGER PRIMARY KEY, {', '.join(COLUMNS)})")
        lines = (tuple(row[name] for name in COLUMNS.values()) for row in csv.DictReader(file))
        database.executemany(f"INSERT INTO rows ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})", lines)
        database.execute("CREATE INDEX by_case ON rows (case_number, line)")
        figures: dict[str, dict[str, int]] = {}
        for area in ("state", "'all'"):
            statement = STATEMENT.format(area=area, sums=", ".join(f"sum({name})" for name in COUNTS))
            for code, *values in database.execute(statement, {"t": str(as_of)}):
                figures[code] = dict(zip(COUNTS, values, strict=True))
    return figures
