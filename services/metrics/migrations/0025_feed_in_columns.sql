-- waits for: metrics.stream
-- The rows of a large batch in the change feed as columns (services/metrics/tables/feed_rows.py): `packed` is read and added up as arrays. A small batch
-- is in `deltas`, as before. Processes up to 0.2, whose sessions are called metrics.stream, read `deltas` alone; until none of them is connected
-- the projector writes every batch there. It is stored as it is: to compress it costs more than to write it.
SELECT in_each_generation('ALTER TABLE {g}.change_feed ADD COLUMN packed bytea, ALTER packed SET STORAGE EXTERNAL');
