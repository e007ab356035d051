-- The last correction or withdrawal of a fact, for services that keep state tables (shared/writing/standing.py). `data` null: nothing holds in
-- the fact's place. Membership has this table by its own first migration.
CREATE TABLE corrections (
    subject text COLLATE "C" NOT NULL,
    rank bigint NOT NULL,
    event_id uuid NOT NULL,
    occurred_on date,
    data jsonb,
    PRIMARY KEY (subject, rank)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON corrections TO {app};
