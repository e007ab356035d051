-- Generations: a second fold is built beside the serving one, compared with it, switched to, and dropped when it is of no more use
-- (docs/design/ENGINE.md, Generations). An id is never given twice: streams and readers' groups are called by it.
CREATE SEQUENCE generation_ids START 2;

-- What a comparison of a generation with the log came to: `kind` rebuild (of a new generation, with the one then serving) or audit.
-- `report` is what `parkunion rebuild|audit --json` prints.
CREATE TABLE reports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    generation int NOT NULL,
    kind text NOT NULL CHECK (kind IN ('rebuild', 'audit')),
    at timestamptz NOT NULL DEFAULT parkunion_now(),
    differences bigint NOT NULL,
    report jsonb NOT NULL,
    accepted_at timestamptz
);

-- `built_at`: its tables hold everything up to its shards' positions; readers feed it from then on. `report`: of its rebuild.
ALTER TABLE generations
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT parkunion_now(),
    ADD COLUMN built_at timestamptz,
    ADD COLUMN retired_at timestamptz,
    ADD COLUMN report bigint REFERENCES reports;
UPDATE generations SET built_at = created_at;

GRANT SELECT ON reports TO {app};

-- Schema, tables, indexes, views, policies and grants of one generation once more, empty, as the catalogue describes them: so no second text
-- says what a generation consists of. Names are the same in both schemas.
CREATE FUNCTION clone_generation(source int, target int) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $clone$
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
        SELECT relname, pg_get_viewdef(oid) AS definition FROM pg_class WHERE relnamespace = old::regnamespace AND relkind = 'v' ORDER BY oid
    LOOP
        EXECUTE format('CREATE VIEW %I.%I AS %s', new, item.relname, regexp_replace(item.definition, qualified, new || '.', 'g'));
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

-- For the migrations to come: a statement for every generation that exists, `{g}` standing for its schema.
CREATE FUNCTION in_each_generation(statement text) RETURNS void LANGUAGE plpgsql AS $each$
DECLARE
    schema text;
BEGIN
    FOR schema IN SELECT nspname FROM pg_namespace WHERE nspname ~ '^g[0-9]+$' ORDER BY nspname LOOP
        EXECUTE replace(statement, '{g}', schema);
    END LOOP;
END
$each$;
