-- Rollups by month of the known day as well, so that a question about any known day is at most half a month of the ledger away; and for all parks
-- together (`dimension` industry_all, size_all, ownership_all; `park` is NULL). `known`: 0 of all known days, a year, or a month as year × 100 + month.
-- Which of them there are says services/metrics/generations/closed/rolling.py. All is rolled up anew; answers are the same meanwhile.
SELECT in_each_generation('DROP TABLE {g}.rollups');
SELECT in_each_generation('TRUNCATE {g}.rolled');
SELECT in_each_generation($each$
CREATE TABLE {g}.rollups (
    known int NOT NULL,
    dimension text COLLATE "C" NOT NULL
        CHECK (dimension IN ('none', 'industry', 'size', 'ownership', 'industry_all', 'size_all', 'ownership_all')),
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
    UNIQUE NULLS NOT DISTINCT (known, dimension, span, start, park, code)
) WITH (fillfactor = 80)
$each$);
SELECT in_each_generation('GRANT SELECT, INSERT, UPDATE ON {g}.rollups TO {app}');
