-- What membership owns (unions, coverage, persons, memberships) and what it has learned from the registry (areas, enterprises).

-- Areas of the registry, divisions and parks.
CREATE TABLE areas (
    code text COLLATE "C" PRIMARY KEY,
    parent text COLLATE "C",
    kind text NOT NULL,
    name text NOT NULL,
    valid_from date NOT NULL
);
CREATE INDEX areas_parent ON areas (parent);

-- The registry's facts about enterprises that matter here, as they are in force: settled, moved, closed.
-- `park` is null for closures; `event_id` is the event that said the fact last.
CREATE TABLE enterprise_facts (
    enterprise_id uuid NOT NULL,
    rank bigint NOT NULL,
    fact text NOT NULL CHECK (fact IN ('settled', 'moved', 'closed')),
    occurred_on date NOT NULL,
    park text COLLATE "C",
    event_id uuid NOT NULL,
    PRIMARY KEY (enterprise_id, rank)
);

-- What these facts come to.
CREATE TABLE enterprises (
    id uuid PRIMARY KEY,
    park text COLLATE "C" NOT NULL,
    settled_on date NOT NULL,
    closed_on date,
    closing uuid
);

CREATE TABLE unions (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    name text,
    parent_union_id uuid,
    seat_area text COLLATE "C" NOT NULL,
    founded_on date NOT NULL,
    dissolved_on date,
    dissolved_rank bigint,
    dissolved_reason text,
    dissolved_note_id uuid,
    dissolved_event_id uuid,
    CHECK (dissolved_on >= founded_on),
    CHECK ((dissolved_on IS NULL) = (dissolved_rank IS NULL AND dissolved_event_id IS NULL))
);
CREATE INDEX unions_seat ON unions (seat_area, id);

-- Starts and ends of coverage that are in force; `rank` is the sequence in the enterprise's stream. Periods are their alternation,
-- which the enterprise's and the union's stream locks protect.
CREATE TABLE coverage_facts (
    enterprise_id uuid NOT NULL,
    rank bigint NOT NULL,
    union_id uuid NOT NULL,
    kind text NOT NULL,
    started boolean NOT NULL,
    occurred_on date NOT NULL,
    reason text,
    note_id uuid,
    event_id uuid NOT NULL,
    PRIMARY KEY (enterprise_id, rank)
);
CREATE INDEX coverage_facts_union ON coverage_facts (union_id);

-- Persons are only here. The row can be deleted; events and memberships keep numbers that then mean nobody.
-- `document` is nonce and ciphertext of AES-256-GCM with `id` as associated data; `hash` is HMAC-SHA256. Both keys have a version.
CREATE TABLE persons (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL,
    document_kind text NOT NULL,
    hash bytea NOT NULL,
    hash_version smallint NOT NULL,
    document bytea NOT NULL,
    key_version smallint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT parkunion_now(),
    UNIQUE (hash, hash_version)
);

-- Joined ≤ t < left. A joining that was withdrawn has no date and an empty period. `person_no` is no foreign key: see persons.
-- One membership per person at any date, backdated ones too; without btree_gist a number is a range of one.
CREATE TABLE memberships (
    id uuid PRIMARY KEY,
    person_no bigint NOT NULL,
    enterprise_id uuid NOT NULL,
    union_id uuid NOT NULL,
    joined_on date,
    joined_rank bigint NOT NULL,
    left_on date,
    left_rank bigint,
    period daterange NOT NULL GENERATED ALWAYS AS (
        CASE WHEN joined_on IS NULL THEN 'empty'::daterange ELSE daterange(joined_on, left_on) END
    ) STORED,
    CONSTRAINT one_membership_at_a_time EXCLUDE USING gist (int8range(person_no, person_no, '[]') WITH &&, period WITH &&)
);
CREATE INDEX memberships_person ON memberships (person_no);

-- The last correction of a fact: who says now what it says. `data` null: withdrawn with nothing in its place.
CREATE TABLE corrections (
    subject text COLLATE "C" NOT NULL,
    rank bigint NOT NULL,
    event_id uuid NOT NULL,
    occurred_on date,
    data jsonb,
    PRIMARY KEY (subject, rank)
);

-- Row-level security is the second net: commands check grants themselves and run with '*'; lists run with the caller's areas.
CREATE VIEW granted_areas AS
WITH RECURSIVE granted AS (
    SELECT code FROM areas WHERE code = ANY (string_to_array(current_setting('parkunion.areas', true), ','))
    UNION
    SELECT a.code FROM areas a JOIN granted g ON a.parent = g.code
)
SELECT code FROM granted;

ALTER TABLE unions ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_seat ON unions TO {app} USING (
    current_setting('parkunion.areas', true) = '*' OR seat_area IN (SELECT code FROM granted_areas)
);
ALTER TABLE memberships ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_park ON memberships TO {app} USING (
    current_setting('parkunion.areas', true) = '*'
    OR EXISTS (SELECT FROM enterprises e WHERE e.id = enterprise_id AND e.park IN (SELECT code FROM granted_areas))
);

GRANT SELECT ON granted_areas TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON areas, enterprise_facts, enterprises, unions, coverage_facts, persons, memberships, corrections TO {app};
