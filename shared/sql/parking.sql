-- What operators do about held events, and what sources have withdrawn. Expands shared/sql/reading.sql.

-- `retry_wanted`: somebody asks for the head of a stream to be tried again; the reader looks once a second. `tried_at`: when it was last
-- tried again without success.
ALTER TABLE held ADD COLUMN retry_wanted boolean NOT NULL DEFAULT false;
ALTER TABLE held ADD COLUMN tried_at timestamptz;
CREATE INDEX held_retry ON held (generation, shard) WHERE retry_wanted;

-- `event-withdrawn` events that a reader has accepted: the sequences `first` to `last` of the stream are absent for good. `sequence` and
-- `event_id` are those of the withdrawal. Kept for ever: what a generation has accepted, every later one knows before it begins to read.
CREATE TABLE withdrawn (
    generation int NOT NULL,
    shard int NOT NULL,
    source text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    event_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT parkunion_now(),
    PRIMARY KEY (generation, source, subject, sequence),
    CHECK (first > 0 AND first <= last AND last < sequence)
);

-- Why the reader of a shard has stopped until a person has looked; NULL: it has not.
ALTER TABLE shards ADD COLUMN halted text;

GRANT SELECT, INSERT ON withdrawn TO {app};
