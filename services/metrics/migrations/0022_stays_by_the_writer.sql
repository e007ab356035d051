-- Whoever writes facts of which no stay follows, or writes the stays that do, sets `parkunion.stays` to 'written' for that statement, and the trigger does
-- not fire (services/metrics/tables/copying.py). Of a log of many enterprises it cost PostgreSQL a tenth of its time, most of it to find out that a
-- new enterprise has no stay yet, which the writer knows. For every other statement, and for every earlier release, it fires as before.
-- A trigger that a rebuild has switched off stays off.
SELECT in_each_generation($each$
DO $again$
DECLARE
    before record;
BEGIN
    SELECT t.tgrelid::regclass AS facts, t.tgenabled = 'D' AS off INTO STRICT before
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = '{g}'::regnamespace AND t.tgname = 'stays';
    EXECUTE format('DROP TRIGGER stays ON %s', before.facts);
    EXECUTE format('CREATE TRIGGER stays AFTER INSERT ON %s REFERENCING NEW TABLE AS added FOR EACH STATEMENT
        WHEN (current_setting(''parkunion.stays'', true) IS DISTINCT FROM ''written'') EXECUTE FUNCTION {g}.facts_added()', before.facts);
    IF before.off THEN
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER stays', before.facts);
    END IF;
END
$again$
$each$);
SELECT in_each_generation('GRANT INSERT ON {g}.stays TO {app}');
