-- Generation 1: what the figures rest on. Everything here is folded from the log and can be folded again.
CREATE SCHEMA g1;

-- Where a contribution stands; NULL = unknown. `industry` is the code as told, a section letter with or without class digits.
CREATE TABLE g1.cells (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    park text COLLATE "C",
    industry text COLLATE "C",
    size text COLLATE "C",
    ownership text COLLATE "C",
    UNIQUE NULLS NOT DISTINCT (park, industry, size, ownership)
);

-- As of day t, known at day k = the sum of the rows with effective_day <= t and known_day <= k. NULL equals 0.
-- Columns are defined in docs/ledger.md.
CREATE TABLE g1.ledger (
    shard int NOT NULL,
    cell int NOT NULL,
    effective_day date NOT NULL,
    known_day date NOT NULL,
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
    PRIMARY KEY (shard, cell, effective_day, known_day)
);
CREATE INDEX ledger_cell ON g1.ledger (cell, effective_day);

-- The same for known days that can still receive facts: append-only, several rows of one key add up.
CREATE TABLE g1.ledger_open (LIKE g1.ledger);
CREATE INDEX ledger_open_cell ON g1.ledger_open (cell, effective_day);

-- Figures that do not add: `count` enterprises with the value `value` (days). Same definition as the ledger.
CREATE TABLE g1.durations (
    shard int NOT NULL,
    cell int NOT NULL,
    effective_day date NOT NULL,
    known_day date NOT NULL,
    kind text NOT NULL CHECK (kind IN ('founded', 'waiting')),
    value int NOT NULL,
    count int NOT NULL,
    PRIMARY KEY (shard, cell, effective_day, known_day, kind, value)
);

-- The set of facts of each enterprise and union, as msgpack (services/metrics/facts.py).
CREATE TABLE g1.states (
    shard int NOT NULL,
    subject text COLLATE "C" NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (shard, subject)
) WITH (fillfactor = 70);
CREATE INDEX states_subject ON g1.states (subject);
ALTER TABLE g1.states ALTER COLUMN state SET STORAGE EXTERNAL;

-- Every event that was folded, so that a figure can be told from its events. `says` holds what counts of it; no person's id is here.
CREATE TABLE g1.facts (
    shard int NOT NULL,
    subject text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    event_id uuid NOT NULL,
    type text NOT NULL,
    occurred_on date NOT NULL,
    known_day date NOT NULL,
    recorded_at timestamptz NOT NULL,
    says jsonb,
    PRIMARY KEY (subject, source, sequence)
);
CREATE INDEX facts_known ON g1.facts USING brin (known_day) WITH (pages_per_range = 16);

-- Divisions and parks, every version: it is told from known_day until before known_until (NULL: still), and holds from occurred_on.
CREATE TABLE g1.areas_facts (
    shard int NOT NULL,
    code text COLLATE "C" NOT NULL,
    rank bigint NOT NULL,
    event_id uuid PRIMARY KEY,
    occurred_on date NOT NULL,
    known_day date NOT NULL,
    known_until date,
    recorded_at timestamptz NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    parent text COLLATE "C",
    level boolean NOT NULL
);
CREATE INDEX areas_facts_code ON g1.areas_facts (code, rank);
CREATE INDEX areas_facts_parent ON g1.areas_facts (parent);

-- Names for lists, and the park in which the enterprise is by its last fact.
CREATE TABLE g1.enterprises (
    id uuid PRIMARY KEY,
    shard int NOT NULL,
    name text,
    credit_code text,
    park text COLLATE "C"
) WITH (fillfactor = 80);
CREATE INDEX enterprises_park ON g1.enterprises (park);

-- Every park (or seat) in which an enterprise or a union has ever been said to be.
CREATE TABLE g1.placements (
    park text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    shard int NOT NULL,
    PRIMARY KEY (park, subject)
);

-- What each batch changed: one row per transaction of a shard. `deltas` is msgpack, see services/metrics/feed.py.
-- `oldest` = recorded_at of the oldest event of the batch.
CREATE TABLE g1.change_feed (
    shard int NOT NULL,
    version bigint NOT NULL,
    cells int[] NOT NULL,
    deltas bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT parkunion_now(),
    oldest timestamptz NOT NULL,
    traceparents text[] NOT NULL,
    PRIMARY KEY (shard, version)
);

-- Row-level security is the second net under the lists of enterprises: empty grants nothing, '*' everything.
CREATE VIEW g1.granted_areas AS
WITH RECURSIVE latest AS (
    SELECT DISTINCT ON (code) code, parent FROM g1.areas_facts WHERE known_until IS NULL ORDER BY code, occurred_on DESC, rank DESC
), granted AS (
    SELECT code FROM latest WHERE code = ANY (string_to_array(current_setting('parkunion.areas', true), ','))
    UNION
    SELECT a.code FROM latest a JOIN granted g ON a.parent = g.code
)
SELECT code FROM granted;

ALTER TABLE g1.enterprises ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_park ON g1.enterprises TO {app} USING (
    current_setting('parkunion.areas', true) = '*' OR park IN (SELECT code FROM g1.granted_areas)
);

GRANT USAGE ON SCHEMA g1 TO {app};
GRANT SELECT ON g1.granted_areas TO {app};
GRANT SELECT, INSERT ON g1.cells, g1.ledger, g1.ledger_open, g1.durations, g1.facts, g1.placements TO {app};
GRANT SELECT, INSERT, UPDATE ON g1.states, g1.areas_facts, g1.enterprises TO {app};
GRANT SELECT, INSERT, DELETE ON g1.change_feed TO {app};
