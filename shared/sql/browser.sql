-- Who may look at a service's pages in a browser (shared/browser/sessions.py). Only hashes of codes and cookies are kept; times are those of
-- the wall clock, as in tokens.
CREATE TABLE login_codes (
    code_hash bytea PRIMARY KEY,
    client text NOT NULL,
    scopes text[] NOT NULL,
    areas text[] NOT NULL,
    expires_at timestamptz NOT NULL,
    valid_until timestamptz NOT NULL
);

CREATE TABLE sessions (
    id_hash bytea PRIMARY KEY,
    client text NOT NULL,
    scopes text[] NOT NULL,
    areas text[] NOT NULL,
    expires_at timestamptz NOT NULL,
    name text
);

GRANT SELECT, INSERT, DELETE ON login_codes, sessions TO {app};
