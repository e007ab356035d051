-- When a known day closes in a shard, its open rows are summed into the ledger and go.
CREATE INDEX ledger_open_known ON g1.ledger_open (shard, known_day);
GRANT DELETE ON g1.ledger_open TO {app};
