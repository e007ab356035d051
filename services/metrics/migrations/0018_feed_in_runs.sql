-- waits for: metrics.stream
-- Members in the change feed by cell instead of by cell and day (services/metrics/tables/feed.py): `members` is msgpack. Processes up to 0.2, whose
-- sessions are called metrics.stream, read `deltas` alone; until none of them is connected the projector writes members there, too.
SELECT in_each_generation('ALTER TABLE {g}.change_feed ADD COLUMN members bytea');
