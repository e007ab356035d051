-- How idempotency keys are stored: as keyed hashes. Releases up to 0.2 store them as they are sent and look for them so: while a process of one
-- takes commands, and for ten minutes after, keys are stored in both forms (shared/journal/key_form.py). `old_seen_at`: when one was last seen,
-- by the wall clock. A database that such a release has used begins with now.
CREATE TABLE idempotency_form (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    old_seen_at timestamptz NOT NULL
);
INSERT INTO idempotency_form (old_seen_at)
SELECT CASE WHEN EXISTS (SELECT FROM idempotency) THEN clock_timestamp() ELSE '-infinity' END;

GRANT SELECT, UPDATE ON idempotency_form TO {app};
