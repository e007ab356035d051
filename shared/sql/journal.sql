-- What a service that speaks needs: the journal (the record, append-only for ever), the outbox (a slim queue of journal ids),
-- the heads of the streams, what each idempotency key answered, and the texts that events may not carry.

-- One row per stream; its lock is the right to append. `place` is the order in which streams are locked: unions before enterprises.
CREATE TABLE streams (
    subject text COLLATE "C" PRIMARY KEY,
    kind text NOT NULL,
    id text COLLATE "C" NOT NULL,
    place smallint NOT NULL GENERATED ALWAYS AS (CASE kind WHEN 'union' THEN 1 WHEN 'enterprise' THEN 2 ELSE 3 END) STORED,
    sequence bigint NOT NULL DEFAULT 0,
    recorded_at timestamptz NOT NULL DEFAULT '-infinity',
    CHECK (subject = kind || '/' || id)
) WITH (fillfactor = 70);

-- CACHE 1: ids are drawn under the stream's lock, so that the visible outbox is a prefix of each stream.
CREATE TABLE journal (
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    subject text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    event_id uuid NOT NULL UNIQUE,
    type text NOT NULL,
    recorded_at timestamptz NOT NULL,
    occurred_on date NOT NULL,
    actor text NOT NULL,
    origin text NOT NULL,
    cause_id uuid,
    traceparent text,
    partition_key text NOT NULL,
    data jsonb NOT NULL,
    UNIQUE (subject, sequence)
);

-- `partition` is given only for the events that do not go where their key hashes to.
-- 200,000 dead rows raise an empty poll from 0.07 to 11.6 ms, hence its own vacuum settings.
CREATE TABLE outbox (
    id bigint PRIMARY KEY,
    partition int
) WITH (
    autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_insert_threshold = -1,
    autovacuum_analyze_threshold = 1000000, autovacuum_vacuum_cost_delay = 0
);

-- The last event published to each partition, by its place in the log and in the journal.
CREATE TABLE relay_marks (
    partition int PRIMARY KEY,
    "offset" bigint NOT NULL,
    journal_id bigint NOT NULL
) WITH (fillfactor = 50);

-- Only successes stay, and no bodies: `fingerprint` is a keyed hash of method, path and body.
CREATE TABLE idempotency (
    client text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    result jsonb,
    created_at timestamptz NOT NULL DEFAULT parkunion_now(),
    PRIMARY KEY (client, key)
);
CREATE INDEX idempotency_age ON idempotency USING brin (created_at);

-- Free text is never in an event; the event names a note, and notes can be deleted.
CREATE TABLE notes (
    note_id uuid PRIMARY KEY,
    text text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT parkunion_now()
);

GRANT SELECT, INSERT, UPDATE ON streams TO {app};
GRANT SELECT, INSERT ON journal TO {app};
REVOKE UPDATE, DELETE, TRUNCATE ON journal FROM {app}, PUBLIC;
GRANT SELECT, INSERT, DELETE ON outbox TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON relay_marks, idempotency, notes TO {app};
