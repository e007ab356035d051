-- waits for: metrics.projector
-- Facts packed. Most events are joins and leavings of members: nothing of them is kept but when and which, so those of one stream, type, known day,
-- actor, reason and batch are one row of `fact_runs`. Every other event is a row of `fact_rows`, the table `facts` of before. `facts` is a view
-- of both with the columns of before, and shows what row-level security showed: the tables can be read by their owner alone
-- (docs/adr/0019-facts-in-runs.md). It waits, as 0008 does, which must be applied before.
SELECT in_each_generation('DROP VIEW {g}.stored_facts, {g}.recorded_facts');
SELECT in_each_generation('DROP POLICY by_stay ON {g}.facts');
SELECT in_each_generation('DROP POLICY written ON {g}.facts');
SELECT in_each_generation('ALTER TABLE {g}.facts DISABLE ROW LEVEL SECURITY');
SELECT in_each_generation('ALTER TABLE {g}.facts RENAME TO fact_rows');
SELECT in_each_generation('REVOKE ALL ON {g}.fact_rows FROM {app}');
SELECT in_each_generation('GRANT INSERT ON {g}.fact_rows TO {app}');

-- `first` = the least of `sequences`, which ascend; `newest` = the greatest of `recorded`. The four arrays have one element an event.
SELECT in_each_generation($each$
CREATE TABLE {g}.fact_runs (
    shard int NOT NULL,
    subject text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    type text NOT NULL,
    known_day date NOT NULL,
    actor text,
    reason text,
    first bigint NOT NULL,
    newest timestamptz NOT NULL,
    sequences bigint[] NOT NULL,
    event_ids uuid[] NOT NULL,
    occurred date[] NOT NULL,
    recorded timestamptz[] NOT NULL,
    PRIMARY KEY (subject, source, first)
)$each$);
SELECT in_each_generation('ALTER TABLE {g}.fact_runs ALTER sequences SET STORAGE EXTERNAL, ALTER event_ids SET STORAGE EXTERNAL,
    ALTER occurred SET STORAGE EXTERNAL, ALTER recorded SET STORAGE EXTERNAL');
SELECT in_each_generation('CREATE INDEX fact_runs_known ON {g}.fact_runs USING brin (known_day) WITH (pages_per_range = 16)');
SELECT in_each_generation('CREATE INDEX fact_runs_newest ON {g}.fact_runs (newest DESC)');
SELECT in_each_generation('GRANT INSERT ON {g}.fact_runs TO {app}');

-- The stays rest on facts that say a park, which are never in runs.
SELECT in_each_generation($each$
CREATE OR REPLACE FUNCTION {g}.keep_stays(changed text[]) RETURNS void LANGUAGE sql AS $keep$
DELETE FROM {g}.stays WHERE subject = ANY (changed);
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

-- Every event as it is stored. `first` and `newest` bound `sequence` and `recorded_at`: a condition on them passes over whole runs.
-- Who has the owner's rights sees all, as with row-level security; the role of the service what its areas grant.
-- Arrays are opened in the list of columns: in FROM each call would fill a table of its own first.
SELECT in_each_generation($each$
CREATE VIEW {g}.stored_facts WITH (security_barrier) AS
SELECT f.shard, f.subject, f.source, f.sequence, f.event_id, f.type, f.occurred_on, f.known_day, f.recorded_at, f.says, f.actor, f.reason,
    f.sequence AS first, f.recorded_at AS newest
FROM {g}.fact_rows f
WHERE (
    SELECT current_setting('parkunion.areas', true) = '*' OR pg_has_role(c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = '{g}.fact_rows'::regclass
) OR EXISTS (
    SELECT FROM {g}.stays s WHERE s.subject = f.subject AND s.park IN (SELECT code FROM {g}.granted_areas)
    AND CASE
        WHEN f.type IN ('parkunion.enterprise-moved.v1', 'parkunion.fact-corrected.v1', 'parkunion.event-withdrawn.v1')
        THEN EXISTS (SELECT FROM unnest(public.days_of_fact(f.type, f.occurred_on, f.says)) AS day WHERE day >= s.since AND day < s.until)
        ELSE f.occurred_on >= s.since AND f.occurred_on < s.until
    END
) OR (starts_with(f.subject, 'area/') AND substr(f.subject, 6) IN (SELECT code FROM {g}.granted_areas))
UNION ALL
SELECT r.shard, r.subject, r.source, r.sequence, r.event_id, r.type, r.occurred_on, r.known_day, r.recorded_at, NULL::jsonb, r.actor, r.reason,
    r.first, r.newest
FROM (
    SELECT shard, subject, source, unnest(sequences) AS sequence, unnest(event_ids) AS event_id, type, unnest(occurred) AS occurred_on, known_day,
        unnest(recorded) AS recorded_at, actor, reason, first, newest
    FROM {g}.fact_runs
) r
WHERE (
    SELECT current_setting('parkunion.areas', true) = '*' OR pg_has_role(c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = '{g}.fact_rows'::regclass
) OR EXISTS (
    SELECT FROM {g}.stays s WHERE s.subject = r.subject AND s.park IN (SELECT code FROM {g}.granted_areas)
    AND r.occurred_on >= s.since AND r.occurred_on < s.until
)
$each$);
SELECT in_each_generation($each$
CREATE VIEW {g}.facts WITH (security_barrier) AS
SELECT shard, subject, source, sequence, event_id, type, occurred_on, known_day, recorded_at, says, actor, reason FROM {g}.stored_facts
$each$);
-- When something was recorded and how much: rows and whole runs, for those who see all. No security_barrier, so that the newest are found
-- by the indexes; the condition is of no row, so it is asked before any row is read.
SELECT in_each_generation($each$
CREATE VIEW {g}.recorded_facts AS
SELECT subject, known_day, oldest, newest, events FROM (
    SELECT subject, known_day, recorded_at AS oldest, recorded_at AS newest, 1 AS events FROM {g}.fact_rows
    UNION ALL SELECT subject, known_day, recorded[1], newest, cardinality(sequences) FROM {g}.fact_runs
) f
WHERE (
    SELECT current_setting('parkunion.areas', true) = '*' OR pg_has_role(c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = '{g}.fact_rows'::regclass
)
$each$);
SELECT in_each_generation('GRANT SELECT ON {g}.facts, {g}.stored_facts, {g}.recorded_facts TO {app}');

-- A release before writes into `facts`, by INSERT or by COPY.
SELECT in_each_generation($each$
CREATE FUNCTION {g}.fact_written() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $written$
BEGIN
    INSERT INTO {g}.fact_rows (shard, subject, source, sequence, event_id, type, occurred_on, known_day, recorded_at, says, actor, reason)
    VALUES (NEW.shard, NEW.subject, NEW.source, NEW.sequence, NEW.event_id, NEW.type, NEW.occurred_on, NEW.known_day, NEW.recorded_at, NEW.says,
        NEW.actor, NEW.reason);
    RETURN NEW;
END
$written$
$each$);
SELECT in_each_generation('CREATE TRIGGER written INSTEAD OF INSERT ON {g}.facts FOR EACH ROW EXECUTE FUNCTION {g}.fact_written()');
SELECT in_each_generation('GRANT INSERT ON {g}.facts TO {app}');
