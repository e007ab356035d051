-- waits for: metrics.projector
-- The place of the first stay of a subject is kept once. Nearly every subject has one stay and one place, and both tables had a row of it; the key of
-- `placements` (park, subject) was the dearest index of all, since each part of a batch wrote to all of its pages
-- (docs/adr/0037-the-first-place-is-kept-once.md). `placement_rows`, the table `placements` of before, has every other place in which a subject was ever
-- said to be, and never that of its first stay, so the view `placements` has each place of a subject once.
-- It waits, as 0013 does: a projector of the release before inserts into `placements` with ON CONFLICT, which no view takes.
SELECT in_each_generation('ALTER TABLE {g}.placements RENAME TO placement_rows');
SELECT in_each_generation($each$
DELETE FROM {g}.placement_rows p USING {g}.stays s WHERE s.subject = p.subject AND s.park = p.park AND s.since = '-infinity'
$each$);
-- The park alone: equal keys share their entry, and a park's entries are written at the end of its own.
SELECT in_each_generation($each$CREATE INDEX stays_first ON {g}.stays (park) WHERE since = '-infinity'$each$);
SELECT in_each_generation($each$
CREATE VIEW {g}.placements AS
SELECT park, subject, shard FROM {g}.placement_rows
UNION ALL
SELECT park, subject, shard FROM {g}.stays WHERE since = '-infinity'
$each$);
SELECT in_each_generation('GRANT SELECT ON {g}.placements TO {app}');
-- As in 0023, of both tables: of the view `placements` PostgreSQL would sort all rows of `stays` for each park.
SELECT in_each_generation($each$
CREATE OR REPLACE VIEW {g}.parks_placed AS
WITH RECURSIVE parks AS (
    SELECT least((SELECT min(park) FROM {g}.placement_rows), (SELECT min(park) FROM {g}.stays WHERE since = '-infinity')) AS park
    UNION ALL SELECT least(
        (SELECT min(m.park) FROM {g}.placement_rows m WHERE m.park > p.park),
        (SELECT min(s.park) FROM {g}.stays s WHERE s.park > p.park AND s.since = '-infinity')
    ) FROM parks p WHERE p.park IS NOT NULL
)
SELECT park FROM parks WHERE park IS NOT NULL
$each$);

-- As in 0013. Before its stays are put together again, the place of a subject's first stay becomes a row of `placement_rows`; the place of its new
-- first stay has none.
SELECT in_each_generation($each$
CREATE OR REPLACE FUNCTION {g}.keep_stays(changed text[]) RETURNS void LANGUAGE sql AS $keep$
WITH gone AS (
    DELETE FROM {g}.stays WHERE subject = ANY (changed) RETURNING park, subject, shard, since
)
INSERT INTO {g}.placement_rows (park, subject, shard) SELECT park, subject, shard FROM gone WHERE since = '-infinity' ON CONFLICT DO NOTHING;
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
DELETE FROM {g}.placement_rows p USING unnest(changed) AS c(subject), {g}.stays s
WHERE s.subject = c.subject AND s.since = '-infinity' AND p.park = s.park AND p.subject = s.subject;
$keep$
$each$);

-- As in 0020. A subject without a stay may have been in its new first place before: then its stays are put together as all others are.
SELECT in_each_generation($each$
CREATE OR REPLACE FUNCTION {g}.facts_added() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET enable_seqscan = off
AS $added$
DECLARE
    changed text[];
BEGIN
    SELECT array_agg(subject) INTO changed FROM (
        SELECT subject FROM added
        WHERE CASE type
            WHEN 'parkunion.fact-corrected.v1' THEN says #>> '{withdrawn,fact}' IN ('enterprise-registered', 'enterprise-moved', 'union-founded')
            WHEN 'parkunion.event-withdrawn.v1' THEN NOT starts_with(subject, 'area/')
            ELSE type IN ('parkunion.enterprise-registered.v1', 'parkunion.enterprise-moved.v1', 'parkunion.union-founded.v1')
        END
        GROUP BY subject
        HAVING count(*) > 1 OR bool_or(
            type IN ('parkunion.fact-corrected.v1', 'parkunion.event-withdrawn.v1')
            OR source <> CASE WHEN starts_with(subject, 'union/') THEN '/services/membership' ELSE '/services/registry' END
            OR coalesce(says->>'park', says->>'seat_area') IS NULL
            OR EXISTS (
                SELECT FROM {g}.placement_rows p WHERE p.park = coalesce(says->>'park', says->>'seat_area') AND p.subject = added.subject OFFSET 0
            )
        ) OR EXISTS (SELECT FROM {g}.stays s WHERE s.subject = added.subject OFFSET 0)
    ) c;
    INSERT INTO {g}.stays (subject, since, until, park, shard)
    SELECT subject, '-infinity', 'infinity', coalesce(says->>'park', says->>'seat_area'), shard FROM added
    WHERE type IN ('parkunion.enterprise-registered.v1', 'parkunion.enterprise-moved.v1', 'parkunion.union-founded.v1')
        AND (changed IS NULL OR subject NOT IN (SELECT unnest(changed)));
    IF changed IS NOT NULL THEN
        PERFORM {g}.keep_stays(changed);
    END IF;
    RETURN NULL;
END
$added$
$each$);
