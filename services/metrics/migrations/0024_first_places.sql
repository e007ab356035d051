-- waits for: metrics.projector
-- Where a subject was is kept once. Nearly every subject has one stay and one place, and both `stays` and `placements` had a row of it; the key of
-- `placements` (park, subject) was the dearest index of all, since each part of a batch wrote to all of its pages
-- (docs/adr/0037-the-first-place-is-kept-once.md). `placement_rows`, the table `placements` of before, has every place in which a subject was ever said to
-- be that none of its stays says; it may have others. The view `placements` is of both, and may have a place of a subject more than once.
-- Neither branch has a condition: PostgreSQL looks up single subjects in such a view, and sorts or joins all rows of one that has.
-- It waits, as 0013 does: a projector of the release before inserts into `placements` with ON CONFLICT, which no view takes.
-- Of the park alone, since equal keys share an entry.
SELECT in_each_generation('CREATE INDEX stays_park ON {g}.stays (park)');
SELECT in_each_generation('ALTER TABLE {g}.placements RENAME TO placement_rows');
SELECT in_each_generation('CREATE INDEX placement_rows_subject ON {g}.placement_rows (subject)');
SELECT in_each_generation($each$
CREATE VIEW {g}.placements AS
SELECT park, subject, shard FROM {g}.placement_rows UNION ALL SELECT park, subject, shard FROM {g}.stays
$each$);
SELECT in_each_generation('GRANT SELECT ON {g}.placements TO {app}');
-- As in 0023, of both tables.
SELECT in_each_generation($each$
CREATE OR REPLACE VIEW {g}.parks_placed AS
WITH RECURSIVE parks AS (
    SELECT least((SELECT min(park) FROM {g}.placement_rows), (SELECT min(park) FROM {g}.stays)) AS park
    UNION ALL SELECT least(
        (SELECT min(m.park) FROM {g}.placement_rows m WHERE m.park > p.park), (SELECT min(s.park) FROM {g}.stays s WHERE s.park > p.park)
    ) FROM parks p WHERE p.park IS NOT NULL
)
SELECT park FROM parks WHERE park IS NOT NULL
$each$);

-- As in 0013. Before the stays of a subject are put together again, their places become rows of `placement_rows`: the new ones may leave some out.
SELECT in_each_generation($each$
CREATE OR REPLACE FUNCTION {g}.keep_stays(changed text[]) RETURNS void LANGUAGE sql AS $keep$
WITH gone AS (
    DELETE FROM {g}.stays WHERE subject = ANY (changed) RETURNING park, subject, shard
)
INSERT INTO {g}.placement_rows (park, subject, shard) SELECT park, subject, shard FROM gone ON CONFLICT DO NOTHING;
WITH events AS (
    SELECT f.shard, f.subject, f.sequence, f.type, f.occurred_on, f.says FROM unnest(changed) AS c(subject)
    JOIN {g}.fact_rows f ON f.subject = c.subject
        AND f.source = CASE WHEN starts_with(c.subject, 'union/') THEN '/services/membership' ELSE '/services/registry' END
), stated AS (
    SELECT shard, subject, sequence AS rank, sequence, occurred_on AS day, coalesce(says->>'park', says->>'seat_area') AS park FROM events
    WHERE type IN ('parkunion.enterprise-registered.v1', 'parkunion.enterprise-moved.v1', 'parkunion.union-founded.v1')
    UNION ALL
    SELECT shard, subject, (says #>> '{withdrawn,rank}')::bigint, sequence, (says #>> '{replacement,occurred_on}')::date,
        coalesce(says #>> '{replacement,says,park}', says #>> '{replacement,says,seat_area}') FROM events
    WHERE type = 'parkunion.fact-corrected.v1'
        AND says #>> '{withdrawn,fact}' IN ('enterprise-registered', 'enterprise-moved', 'union-founded')
    UNION ALL
    SELECT shard, subject, (w.one->>'rank')::bigint, sequence, NULL, NULL FROM events, jsonb_path_query(says, '$.withdrawn[*]') AS w(one)
    WHERE type = 'parkunion.event-withdrawn.v1' AND w.one->>'fact' IN ('enterprise-registered', 'enterprise-moved', 'union-founded')
), standing AS (
    SELECT DISTINCT ON (subject, rank) * FROM stated ORDER BY subject, rank, sequence DESC
), periods AS (
    SELECT subject, CASE WHEN row_number() OVER w = 1 THEN '-infinity' ELSE day END AS since, coalesce(lead(day) OVER w, 'infinity') AS until,
        park, shard
    FROM standing WHERE park IS NOT NULL WINDOW w AS (PARTITION BY subject ORDER BY day, rank)
)
INSERT INTO {g}.stays (subject, since, until, park, shard) SELECT * FROM periods WHERE since < until;
$keep$
$each$);
