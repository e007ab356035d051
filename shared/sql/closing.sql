-- The last closed day of this service: one row. Nothing is recorded before `opens`, the first instant after `day` in the deployment's
-- zone; `said` is the last day of which `day-closed` was said to every partition. NULL: none yet.
CREATE TABLE days_closed (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    day date,
    opens timestamptz NOT NULL DEFAULT '-infinity',
    said date
);
INSERT INTO days_closed DEFAULT VALUES;

GRANT SELECT, UPDATE ON days_closed TO {app};
