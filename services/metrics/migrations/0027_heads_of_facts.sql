-- waits for: metrics.projector
-- The last event of a stream that came in one batch, and as columns alone, is known by its facts: it gets no row of `seen` (docs/adr/0039-heads-of-facts.md).
-- It waits, as 0013 does: a projector of the release before would take such a stream for a new one.
-- `possible_heads` has the last event of every such stream, and others: the greatest sequence counts. It shows ids and times of all areas, as `seen` does.
SELECT in_each_generation($each$
CREATE VIEW {g}.possible_heads AS
SELECT shard, source, subject, sequence, event_id, recorded_at AS time FROM {g}.fact_rows
UNION ALL
SELECT shard, source, subject, sequences[cardinality(sequences)], event_ids[cardinality(sequences)], recorded[cardinality(sequences)] FROM {g}.fact_runs
$each$);
SELECT in_each_generation('GRANT SELECT ON {g}.possible_heads TO {app}');

-- The greatest subject of each kind that has been left out of `seen`; example: enterprise, enterprise/0192….
SELECT in_each_generation($each$
CREATE TABLE {g}.head_bounds (
    shard int NOT NULL,
    kind text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    PRIMARY KEY (shard, kind)
) WITH (fillfactor = 50)
$each$);
SELECT in_each_generation('GRANT SELECT, INSERT, UPDATE ON {g}.head_bounds TO {app}');
