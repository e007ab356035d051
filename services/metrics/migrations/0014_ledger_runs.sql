-- waits for: metrics.projector
-- Open rows of the ledger packed. Most of them are members, who add the same to the same cell on thousands of days: those of one cell, known
-- day and batch are one row of `ledger_runs`. Every other row is one of `ledger_rows`, the table `ledger_open` of before. `ledger_open` is a
-- view of both with the columns of before (docs/adr/0022-ledger-in-runs.md).
SELECT in_each_generation('ALTER TABLE {g}.ledger_open RENAME TO ledger_rows');

-- `headcount_unknown`, `unionised`: whether a member counts in `members_headcount_unknown` and in `members_unionised`. The two arrays have one
-- element a day: `net` members more from the business day `effective` on.
SELECT in_each_generation($each$
CREATE TABLE {g}.ledger_runs (
    shard int NOT NULL,
    cell int NOT NULL,
    known_day date NOT NULL,
    headcount_unknown boolean NOT NULL,
    unionised boolean NOT NULL,
    effective date[] NOT NULL,
    net int[] NOT NULL
)$each$);
SELECT in_each_generation('ALTER TABLE {g}.ledger_runs ALTER effective SET STORAGE EXTERNAL, ALTER net SET STORAGE EXTERNAL');
SELECT in_each_generation('CREATE INDEX ledger_runs_cell ON {g}.ledger_runs (cell)');
SELECT in_each_generation('CREATE INDEX ledger_runs_known ON {g}.ledger_runs (shard, known_day)');
SELECT in_each_generation('GRANT SELECT, INSERT, DELETE ON {g}.ledger_runs TO {app}');

-- Arrays are opened in the list of columns: in FROM each call would fill a table of its own first.
SELECT in_each_generation($each$
CREATE VIEW {g}.ledger_open AS
SELECT shard, cell, effective_day, known_day, units, units_headcount_known, units_headcount_stale, should_organise_all, covered_all,
    should_organise_ge25, covered_ge25, covered_units, workers, members, members_headcount_unknown, workers_unionised, members_unionised,
    covered_all_own, covered_all_joint, covered_all_federation, second_covered, in_grace, unions
FROM {g}.ledger_rows
UNION ALL
SELECT shard, cell, effective_day, known_day, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, net,
    CASE WHEN headcount_unknown THEN net END, NULL, CASE WHEN unionised THEN net END, NULL, NULL, NULL, NULL, NULL, NULL
FROM (
    SELECT shard, cell, unnest(effective) AS effective_day, known_day, unnest(net) AS net, headcount_unknown, unionised FROM {g}.ledger_runs
) r
$each$);
SELECT in_each_generation('GRANT SELECT ON {g}.ledger_open TO {app}');

-- A release before writes into `ledger_open`, by INSERT or by COPY, and closes days by DELETE: always all rows of a shard up to a known day,
-- so the first row of a day may delete what is stored of that whole day.
SELECT in_each_generation($each$
CREATE FUNCTION {g}.ledger_written() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $written$
BEGIN
    INSERT INTO {g}.ledger_rows SELECT NEW.*;
    RETURN NEW;
END
$written$
$each$);
SELECT in_each_generation('CREATE TRIGGER written INSTEAD OF INSERT ON {g}.ledger_open FOR EACH ROW EXECUTE FUNCTION {g}.ledger_written()');
SELECT in_each_generation($each$
CREATE FUNCTION {g}.ledger_closed() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $closed$
BEGIN
    DELETE FROM {g}.ledger_rows WHERE shard = OLD.shard AND known_day = OLD.known_day;
    DELETE FROM {g}.ledger_runs WHERE shard = OLD.shard AND known_day = OLD.known_day;
    RETURN OLD;
END
$closed$
$each$);
SELECT in_each_generation('CREATE TRIGGER closed INSTEAD OF DELETE ON {g}.ledger_open FOR EACH ROW EXECUTE FUNCTION {g}.ledger_closed()');
SELECT in_each_generation('GRANT INSERT, DELETE ON {g}.ledger_open TO {app}');
