-- Where an enterprise was, and where a union has its seat, day by day, by the facts as they stand now: row-level security shows the facts of
-- a day to those in whose areas the enterprise was on it (shared/directory/visibility.py says the rule). The first stay has no beginning and
-- the last no end. Written by a trigger on `facts`, so by every release that writes facts.
SELECT in_each_generation($each$
CREATE TABLE {g}.stays (
    subject text COLLATE "C" NOT NULL,
    since date NOT NULL,
    until date NOT NULL,
    park text COLLATE "C" NOT NULL,
    shard int NOT NULL,
    PRIMARY KEY (subject, since),
    CHECK (since < until)
)$each$);
SELECT in_each_generation('GRANT SELECT ON {g}.stays TO {app}');

-- Corrections keep the rank of the fact that they replace; the last event about a rank says what holds of it.
SELECT in_each_generation($each$
CREATE FUNCTION {g}.keep_stays(changed text[]) RETURNS void LANGUAGE sql AS $keep$
DELETE FROM {g}.stays WHERE subject = ANY (changed);
WITH events AS (
    SELECT f.shard, f.subject, f.sequence, f.type, f.occurred_on, f.says FROM unnest(changed) AS c(subject)
    JOIN {g}.facts f ON f.subject = c.subject
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

-- The definer's rights: the role of the service reads only what row-level security shows it.
SELECT in_each_generation($each$
CREATE FUNCTION {g}.facts_added() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $added$
DECLARE
    changed text[];
BEGIN
    SELECT array_agg(DISTINCT subject) INTO changed FROM added
    WHERE CASE type
        WHEN 'parkunion.fact-corrected.v1' THEN says #>> '{withdrawn,fact}' IN ('enterprise-registered', 'enterprise-moved', 'union-founded')
        WHEN 'parkunion.event-withdrawn.v1' THEN NOT starts_with(subject, 'area/')
        ELSE type IN ('parkunion.enterprise-registered.v1', 'parkunion.enterprise-moved.v1', 'parkunion.union-founded.v1')
    END;
    IF changed IS NOT NULL THEN
        PERFORM {g}.keep_stays(changed);
    END IF;
    RETURN NULL;
END
$added$
$each$);
SELECT in_each_generation($each$
CREATE TRIGGER stays AFTER INSERT ON {g}.facts REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {g}.facts_added()
$each$);
SELECT in_each_generation('SELECT {g}.keep_stays(ARRAY(SELECT DISTINCT subject FROM {g}.placements))');

-- The days on which the facts hold that an event states, withdraws or puts in another's place. A move is of both parks: of the one that it
-- leaves on the day before.
CREATE FUNCTION days_of_fact(type text, occurred_on date, says jsonb) RETURNS date[] LANGUAGE sql IMMUTABLE AS $days$
WITH facts AS (
    SELECT occurred_on AS day, type = 'parkunion.enterprise-moved.v1' AS moved
    WHERE type NOT IN ('parkunion.fact-corrected.v1', 'parkunion.event-withdrawn.v1')
    UNION ALL
    SELECT (one->>'occurred_on')::date, one->>'fact' = 'enterprise-moved'
    FROM (SELECT jsonb_path_query(says, '$.withdrawn[*]') UNION ALL SELECT says->'replacement') AS o(one)
    WHERE type IN ('parkunion.fact-corrected.v1', 'parkunion.event-withdrawn.v1')
)
SELECT array_agg(day) FROM (SELECT day FROM facts UNION ALL SELECT day - 1 FROM facts WHERE moved) AS d WHERE day IS NOT NULL
$days$;

-- Row-level security is enabled by the next migration: the release before writes by COPY, which PostgreSQL refuses where rows are checked.
SELECT in_each_generation($each$
CREATE POLICY by_stay ON {g}.facts FOR SELECT TO {app} USING (
    (SELECT current_setting('parkunion.areas', true)) = '*'
    OR EXISTS (
        SELECT FROM {g}.stays s WHERE s.subject = facts.subject AND s.park IN (SELECT code FROM {g}.granted_areas)
        AND CASE
            WHEN type IN ('parkunion.enterprise-moved.v1', 'parkunion.fact-corrected.v1', 'parkunion.event-withdrawn.v1')
            THEN EXISTS (SELECT FROM unnest(public.days_of_fact(type, occurred_on, says)) AS day WHERE day >= s.since AND day < s.until)
            ELSE occurred_on >= s.since AND occurred_on < s.until
        END
    )
    OR (starts_with(subject, 'area/') AND substr(subject, 6) IN (SELECT code FROM {g}.granted_areas))
)$each$);
SELECT in_each_generation('CREATE POLICY written ON {g}.facts FOR INSERT TO {app} WITH CHECK (true)');

-- The name of an enterprise is known wherever it ever was; where it is now only `enterprises` says, to those who may know it.
SELECT in_each_generation($each$
CREATE VIEW {g}.names WITH (security_barrier) AS
SELECT e.id, e.name, e.credit_code FROM {g}.enterprises e
WHERE (SELECT current_setting('parkunion.areas', true)) = '*'
    OR EXISTS (SELECT FROM {g}.stays s WHERE s.subject = 'enterprise/' || e.id AND s.park IN (SELECT code FROM {g}.granted_areas))
$each$);
SELECT in_each_generation('GRANT SELECT ON {g}.names TO {app}');

-- As before, with the options of views, with functions and with triggers.
CREATE OR REPLACE FUNCTION clone_generation(source int, target int) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $clone$
DECLARE
    old text := 'g' || source;
    new text := 'g' || target;
    qualified text := '\m' || old || '\.';
    item record;
BEGIN
    EXECUTE format('CREATE SCHEMA %I', new);
    FOR item IN
        SELECT relname, reloptions, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relnamespace = old::regnamespace AND relkind = 'r' ORDER BY oid
    LOOP
        EXECUTE format('CREATE TABLE %I.%I (LIKE %I.%I INCLUDING ALL EXCLUDING INDEXES)', new, item.relname, old, item.relname);
        IF item.reloptions IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %I.%I SET (%s)', new, item.relname, array_to_string(item.reloptions, ', '));
        END IF;
        IF item.relrowsecurity THEN
            EXECUTE format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY', new, item.relname);
        END IF;
        IF item.relforcerowsecurity THEN
            EXECUTE format('ALTER TABLE %I.%I FORCE ROW LEVEL SECURITY', new, item.relname);
        END IF;
    END LOOP;
    FOR item IN
        SELECT t.relname, k.conname, pg_get_constraintdef(k.oid) AS definition FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
        WHERE t.relnamespace = old::regnamespace AND k.contype IN ('p', 'u', 'x', 'f') ORDER BY k.contype = 'f', k.oid
    LOOP
        EXECUTE format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', new, item.relname, item.conname,
            regexp_replace(item.definition, qualified, new || '.', 'g'));
    END LOOP;
    FOR item IN
        SELECT pg_get_indexdef(i.indexrelid) AS definition FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
        WHERE t.relnamespace = old::regnamespace AND t.relkind = 'r' AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
        ORDER BY i.indexrelid
    LOOP
        EXECUTE regexp_replace(item.definition, qualified, new || '.', 'g');
    END LOOP;
    FOR item IN
        SELECT relname, pg_get_viewdef(oid) AS definition, ' WITH (' || array_to_string(reloptions, ', ') || ')' AS options
        FROM pg_class WHERE relnamespace = old::regnamespace AND relkind = 'v' ORDER BY oid
    LOOP
        EXECUTE format('CREATE VIEW %I.%I%s AS %s', new, item.relname, item.options, regexp_replace(item.definition, qualified, new || '.', 'g'));
    END LOOP;
    FOR item IN
        SELECT pg_get_functiondef(oid) AS definition FROM pg_proc WHERE pronamespace = old::regnamespace ORDER BY oid
    LOOP
        EXECUTE regexp_replace(item.definition, qualified, new || '.', 'g');
    END LOOP;
    FOR item IN
        SELECT pg_get_triggerdef(t.oid) AS definition FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = old::regnamespace AND NOT t.tgisinternal ORDER BY t.oid
    LOOP
        EXECUTE regexp_replace(item.definition, qualified, new || '.', 'g');
    END LOOP;
    FOR item IN
        SELECT p.*, array_to_string(ARRAY(SELECT CASE WHEN r = 'public' THEN 'PUBLIC' ELSE quote_ident(r) END FROM unnest(p.roles) r), ', ') AS granted
        FROM pg_policies p WHERE p.schemaname = old ORDER BY p.tablename, p.policyname
    LOOP
        EXECUTE format('CREATE POLICY %I ON %I.%I AS %s FOR %s TO %s', item.policyname, new, item.tablename, item.permissive, item.cmd, item.granted)
            || coalesce(' USING (' || regexp_replace(item.qual, qualified, new || '.', 'g') || ')', '')
            || coalesce(' WITH CHECK (' || regexp_replace(item.with_check, qualified, new || '.', 'g') || ')', '');
    END LOOP;
    FOR item IN
        SELECT 'SCHEMA ' || quote_ident(new) AS what, n.nspowner AS owner, a.* FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = old
        UNION ALL
        SELECT 'TABLE ' || quote_ident(new) || '.' || quote_ident(c.relname), c.relowner, a.* FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.relnamespace = old::regnamespace AND c.relkind IN ('r', 'v')
    LOOP
        IF item.grantee <> item.owner THEN
            EXECUTE format('GRANT %s ON %s TO %s', item.privilege_type, item.what,
                CASE WHEN item.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(item.grantee)) END);
        END IF;
    END LOOP;
END
$clone$;
