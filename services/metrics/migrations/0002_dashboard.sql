-- Who may look at the dashboards in a browser. Only hashes of codes and cookies are kept; times are those of the wall clock, as in tokens.
CREATE TABLE login_codes (
    code_hash bytea PRIMARY KEY,
    client text NOT NULL,
    scopes text[] NOT NULL,
    areas text[] NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE sessions (
    id_hash bytea PRIMARY KEY,
    client text NOT NULL,
    scopes text[] NOT NULL,
    areas text[] NOT NULL,
    expires_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, DELETE ON login_codes, sessions TO {app};

-- "Just happened" reads the newest facts.
CREATE INDEX facts_recorded ON g1.facts (recorded_at DESC);
