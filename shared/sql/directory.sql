-- What a service keeps of the registry's facts (shared/directory/). Membership has these tables by its own first migration.

-- Divisions and parks.
CREATE TABLE areas (
    code text COLLATE "C" PRIMARY KEY,
    parent text COLLATE "C",
    kind text NOT NULL,
    name text NOT NULL,
    valid_from date NOT NULL
);
CREATE INDEX areas_parent ON areas (parent);

-- The registry's standing facts about enterprises: settled, moved, closed. `rank` is that of the fact in its stream; `park` is null for
-- closures; `event_id` is the last event that states the fact.
CREATE TABLE enterprise_facts (
    enterprise_id uuid NOT NULL,
    rank bigint NOT NULL,
    fact text NOT NULL CHECK (fact IN ('settled', 'moved', 'closed')),
    occurred_on date NOT NULL,
    park text COLLATE "C",
    event_id uuid NOT NULL,
    PRIMARY KEY (enterprise_id, rank)
);

-- One row per enterprise, computed from its facts.
CREATE TABLE enterprises (
    id uuid PRIMARY KEY,
    park text COLLATE "C" NOT NULL,
    settled_on date NOT NULL,
    closed_on date,
    closing uuid
);

-- The areas of `parkunion.areas` with all that lies in them, for policies of row-level security.
CREATE VIEW granted_areas AS
WITH RECURSIVE granted AS (
    SELECT code FROM areas WHERE code = ANY (string_to_array(current_setting('parkunion.areas', true), ','))
    UNION
    SELECT a.code FROM areas a JOIN granted g ON a.parent = g.code
)
SELECT code FROM granted;

GRANT SELECT ON granted_areas TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON areas, enterprise_facts, enterprises TO {app};
