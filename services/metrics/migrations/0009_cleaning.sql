-- What the running service removes by itself (services/metrics/cleaning.py).
GRANT DELETE ON reports TO {app};

-- Drops one generation that nobody needs: retired a day and an hour ago, an hour after its readers have stopped; or begun a day ago and never
-- built, while no rebuild runs. Returns its id, or NULL. With the owner's rights, since the service may drop nothing else.
CREATE FUNCTION drop_unused_generation() RETURNS int LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '1s' AS $drop$
DECLARE
    unused int;
BEGIN
    IF NOT pg_try_advisory_xact_lock(1734700659) THEN -- REBUILDING of services/metrics/generations/lifecycle.py
        RETURN NULL;
    END IF;
    SELECT id INTO unused FROM public.generations
    WHERE (status = 'retired' AND retired_at <= public.parkunion_now() - interval '25 hours')
        OR (status = 'building' AND built_at IS NULL AND created_at <= public.parkunion_now() - interval '1 day')
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF unused IS NULL THEN
        RETURN NULL;
    END IF;
    DELETE FROM public.held WHERE generation = unused;
    DELETE FROM public.seen WHERE generation = unused;
    DELETE FROM public.shards WHERE generation = unused;
    EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', 'g' || unused);
    DELETE FROM public.generations WHERE id = unused;
    RETURN unused;
END
$drop$;
REVOKE ALL ON FUNCTION drop_unused_generation() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_unused_generation() TO {app};
