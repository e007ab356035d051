-- One index of the sets instead of two: a set is found by its subject, with or without its shard. Whoever reads a whole shard reads
-- the table (audits, rebuilds), or the whole key where sessions scan no table (the projector, once a shard: docs/adr/0032-many-enterprises.md).
-- No statement looks for the enterprises of a park in `enterprises`: `placements` is for that. Of a log of many enterprises each index costs
-- PostgreSQL a tenth of what it does for a new one.
SELECT in_each_generation('ALTER TABLE {g}.states DROP CONSTRAINT states_pkey, ADD PRIMARY KEY (subject, shard)');
SELECT in_each_generation('DROP INDEX {g}.states_subject, {g}.enterprises_park');
