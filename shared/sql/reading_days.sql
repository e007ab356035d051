-- Which days are closed for a reader. `closings` = {topic: the last day that its source has closed here}; `closed` = the shard's closed day:
-- no event that is known on it or before it will ever take effect any more (NULL: no day is closed).
ALTER TABLE shards ADD COLUMN closings jsonb NOT NULL DEFAULT '{}', ADD COLUMN closed date;

-- The day of a held event's `time` in the deployment's zone; NULL = it cannot be told, and no day closes while the event is held.
ALTER TABLE held ADD COLUMN known_day date;
-- One more kind: `late`, recorded on a day that its source had closed before it came.
ALTER TABLE held DROP CONSTRAINT held_kind_check, ADD CONSTRAINT held_kind_check
    CHECK (kind IN ('early', 'unreadable', 'refused', 'fork', 'late'));
CREATE INDEX held_known ON held (generation, shard, known_day NULLS FIRST);
