-- Whose data a service has erased, when, on whose command and why; nothing of the person. It is no foreign key: the person's row is gone.
-- Rows are never changed or removed: what is restored from a backup that is older than an erasure is erased again by them.
CREATE TABLE erasures (
    person_id uuid PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT parkunion_now(),
    actor text NOT NULL,
    reason text NOT NULL
);
CREATE INDEX erasures_by_time ON erasures (erased_at, person_id);

GRANT SELECT, INSERT ON erasures TO {app};
