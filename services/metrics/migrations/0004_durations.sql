-- How long enterprises waited for a union: the steps of D(F, t), kept like the ledger's rows (docs/ledger.md, docs/adr/0010-time-to-found.md).
-- founded: `value` = days from the start to the first coverage; waiting: `value` = the start day, as days since 1970-01-01.
CREATE TABLE g1.durations_open (LIKE g1.durations INCLUDING CONSTRAINTS);
CREATE INDEX durations_cell ON g1.durations (cell, effective_day);
CREATE INDEX durations_open_cell ON g1.durations_open (cell, effective_day);
CREATE INDEX durations_open_known ON g1.durations_open (shard, known_day);

GRANT SELECT, INSERT ON g1.durations TO {app};
GRANT SELECT, INSERT, DELETE ON g1.durations_open TO {app};

-- Facts are folded with fold version 2 from here on. What was folded by version 1 has no durations and stays 1 until it is rebuilt.
UPDATE generations SET fold_version = 2 WHERE id = 1 AND NOT EXISTS (SELECT FROM g1.facts);
