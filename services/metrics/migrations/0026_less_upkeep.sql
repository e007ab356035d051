-- Autovacuum took 6 to 8 % of all CPU while a log of 400,000 enterprises was folded (docs/adr/0038-large-batches-say-and-ask-less.md). A part of it went into statistics
-- of columns of which nobody looks for a value: arrays, states and JSON, ids of events, actors, reasons and names. And tables that are read by
-- their key alone were read again for index-only scans, of which they have none; rows that were updated or deleted are cleaned up as before.
-- A clone of a generation keeps options of tables, but not these targets: lifecycle.create calls this function, too.
CREATE FUNCTION spare_statistics(generation text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $spare$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT c.relname, string_agg(format('ALTER %I SET STATISTICS 0', a.attname), ', ' ORDER BY a.attnum) AS targets
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
        WHERE c.relnamespace = generation::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND (
            t.typcategory = 'A' OR t.typname IN ('bytea', 'jsonb') OR (c.relname::text, a.attname::text) IN (
                ('fact_rows', 'event_id'), ('fact_rows', 'actor'), ('fact_rows', 'reason'), ('fact_runs', 'actor'), ('fact_runs', 'reason'),
                ('enterprises', 'name'), ('enterprises', 'credit_code'), ('unions', 'name')
            )
        )
        GROUP BY c.relname ORDER BY c.relname
    LOOP
        EXECUTE format('ALTER TABLE %I.%I %s', generation, item.relname, item.targets);
    END LOOP;
END
$spare$;
SELECT in_each_generation($each$SELECT public.spare_statistics('{g}')$each$);
SELECT in_each_generation('ALTER TABLE IF EXISTS {g}.states SET (autovacuum_vacuum_insert_threshold = -1)');
SELECT in_each_generation('ALTER TABLE IF EXISTS {g}.enterprises SET (autovacuum_vacuum_insert_threshold = -1)');
SELECT in_each_generation('ALTER TABLE IF EXISTS {g}.ledger_rows SET (autovacuum_vacuum_insert_threshold = -1)');
SELECT in_each_generation('ALTER TABLE IF EXISTS {g}.ledger_runs SET (autovacuum_vacuum_insert_threshold = -1)');
