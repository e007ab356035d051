-- Whoever writes the first stays of subjects beside their facts says so with `parkunion.stays` = 'written' in the session, and the trigger is not
-- fired for that statement (services/metrics/tables/fresh.py). Of a log of many enterprises the trigger cost PostgreSQL a tenth of its time, most of
-- it to find out that a new enterprise has no stay yet, which the writer knows. Every other statement, and every earlier release, fires it as before.
SELECT in_each_generation($each$
DO $again$
DECLARE
    facts regclass := (
        SELECT t.tgrelid FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = '{g}'::regnamespace AND t.tgname = 'stays'
    );
BEGIN
    EXECUTE format('DROP TRIGGER stays ON %s', facts);
    EXECUTE format('CREATE TRIGGER stays AFTER INSERT ON %s REFERENCING NEW TABLE AS added FOR EACH STATEMENT
        WHEN (current_setting(''parkunion.stays'', true) IS DISTINCT FROM ''written'') EXECUTE FUNCTION {g}.facts_added()', facts);
END
$again$
$each$);
SELECT in_each_generation('GRANT INSERT ON {g}.stays TO {app}');
