-- What the reader's `apply` did, in order. The key refuses a fact that takes effect twice.
CREATE TABLE effects (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard int NOT NULL,
    version bigint NOT NULL,
    source text NOT NULL,
    subject text NOT NULL,
    sequence bigint NOT NULL,
    event_id uuid NOT NULL,
    workers int NOT NULL,
    UNIQUE (source, subject, sequence)
);
GRANT SELECT, INSERT ON effects TO {app};
