-- Rollups of closed known days (services/metrics/generations/closed/rolling.py): the rows of `ledger` that are known by `rolled.day`, summed over shards by
-- park and one code of at most one dimension, for each day (without a dimension only), month and year of the effective day: once of all known days
-- (`of_year` 0), and once of those of each year. A `park` or `code` that is NULL is unknown; NULL amounts are 0. `first`: the first known day in them.
-- Without a row of `rolled` nothing is rolled up; answers are the same.
SELECT in_each_generation($each$
CREATE TABLE {g}.rollups (
    of_year int NOT NULL,
    dimension text COLLATE "C" NOT NULL CHECK (dimension IN ('none', 'industry', 'size', 'ownership')),
    span text COLLATE "C" NOT NULL CHECK (span IN ('day', 'month', 'year')),
    start date NOT NULL,
    park text COLLATE "C",
    code text COLLATE "C",
    units int,
    units_headcount_known int,
    units_headcount_stale int,
    should_organise_all int,
    covered_all int,
    should_organise_ge25 int,
    covered_ge25 int,
    covered_units int,
    workers bigint,
    members int,
    members_headcount_unknown int,
    workers_unionised bigint,
    members_unionised int,
    covered_all_own int,
    covered_all_joint int,
    covered_all_federation int,
    second_covered int,
    in_grace int,
    unions int,
    UNIQUE NULLS NOT DISTINCT (of_year, dimension, span, start, park, code)
) WITH (fillfactor = 80)
$each$);
SELECT in_each_generation($each$
CREATE TABLE {g}.rolled (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    day date NOT NULL,
    first date NOT NULL
)$each$);
SELECT in_each_generation('GRANT SELECT, INSERT, UPDATE ON {g}.rollups, {g}.rolled TO {app}');

-- What the rollups lack: what became known after their day, and the days of one month.
SELECT in_each_generation('CREATE INDEX ledger_known ON {g}.ledger (known_day)');
SELECT in_each_generation('CREATE INDEX ledger_day ON {g}.ledger (effective_day)');
