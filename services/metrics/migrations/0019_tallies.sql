-- Tallies: what cases, agreements, assessments and aid come to, as the steps of T(F), kept like the durations' rows (docs/ledger.md, Tallies).
-- `name`, `code` and `value` say what is counted (services/metrics/folding/tallying/tally.py); `count` is a number, workers or fen.
SELECT in_each_generation($each$
CREATE TABLE {g}.tallies (
    shard int NOT NULL,
    cell int NOT NULL,
    effective_day date NOT NULL,
    known_day date NOT NULL,
    name text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    value int NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (shard, cell, effective_day, known_day, name, code, value)
)$each$);
SELECT in_each_generation('CREATE TABLE {g}.tallies_open (LIKE {g}.tallies INCLUDING CONSTRAINTS)');
SELECT in_each_generation('CREATE INDEX tallies_name ON {g}.tallies (name, effective_day) INCLUDE (cell, known_day, code, value, count)');
SELECT in_each_generation('CREATE INDEX tallies_open_name ON {g}.tallies_open (name, effective_day) INCLUDE (cell, known_day, code, value, count)');
SELECT in_each_generation('CREATE INDEX tallies_open_known ON {g}.tallies_open (shard, known_day)');
SELECT in_each_generation('GRANT SELECT, INSERT ON {g}.tallies TO {app}');
SELECT in_each_generation('GRANT SELECT, INSERT, DELETE ON {g}.tallies_open TO {app}');

-- Facts are folded with fold version 3 from here on. What was folded before has no tallies until it is rebuilt.
-- `facts` is a table where 0013 still waits, and a view behind it: both say whether anything was folded.
UPDATE generations SET fold_version = 3 WHERE id = 1 AND fold_version = 2 AND NOT EXISTS (SELECT FROM g1.facts);
