-- Facts as they stand, of the kinds that are listed (`FactKind.listed`): one row a fact, changed by corrections, removed by withdrawals.
CREATE TABLE standing_facts (
    subject text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    rank bigint NOT NULL,
    event_id uuid NOT NULL,
    occurred_on date NOT NULL,
    data jsonb NOT NULL,
    PRIMARY KEY (subject, type, rank)
);

-- Row-level security is the second net: lists run with the caller's areas.
ALTER TABLE standing_facts ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_park ON standing_facts TO {app} USING (
    current_setting('parkunion.areas', true) = '*'
    OR EXISTS (SELECT FROM enterprises e WHERE 'enterprise/' || e.id = subject AND e.park IN (SELECT code FROM granted_areas))
);

GRANT SELECT, INSERT, UPDATE, DELETE ON standing_facts TO {app};
