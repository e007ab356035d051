-- What a service that listens needs. Every key carries the generation, so that a second fold can be built beside the serving one.
CREATE TABLE generations (
    id int PRIMARY KEY,
    fold_version int NOT NULL,
    status text NOT NULL CHECK (status IN ('building', 'serving', 'retired'))
);
CREATE UNIQUE INDEX generations_one_serving ON generations (status) WHERE status = 'serving';
INSERT INTO generations VALUES (1, 1, 'serving');

-- The reader's position: shard = partition number, `next` = {topic: offset of the next event}, in the transaction of its effects.
-- `topic_ids` = {topic: id}: offsets of a topic that was made anew mean nothing. `newest` = {topic: greatest time consumed}.
-- `owner` = application_name of the reader that holds the shard; `ends` = {topic: end of the log} as it last saw them;
-- `current_at` = when it last knew that nothing was missing here.
CREATE TABLE shards (
    generation int NOT NULL REFERENCES generations,
    shard int NOT NULL,
    next jsonb NOT NULL DEFAULT '{}',
    topic_ids jsonb NOT NULL DEFAULT '{}',
    newest jsonb NOT NULL DEFAULT '{}',
    version bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT parkunion_now(),
    owner text,
    ends jsonb NOT NULL DEFAULT '{}',
    current_at timestamptz NOT NULL DEFAULT parkunion_now(),
    PRIMARY KEY (generation, shard)
) WITH (fillfactor = 20);

-- The last event applied of every stream.
CREATE TABLE seen (
    generation int NOT NULL,
    shard int NOT NULL,
    source text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    event_id uuid NOT NULL,
    time timestamptz NOT NULL,
    PRIMARY KEY (generation, shard, source, subject)
) WITH (fillfactor = 80);

-- Events kept and not applied, by their place in the log: `early` (something before them is missing or parked), `unreadable`,
-- `refused` (a rule says no) and `fork` (another history of the same stream). `sequence` is 0 where it cannot be read.
CREATE TABLE held (
    generation int NOT NULL,
    shard int NOT NULL,
    topic text NOT NULL,
    "offset" bigint NOT NULL,
    source text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    event_id uuid,
    kind text NOT NULL CHECK (kind IN ('early', 'unreadable', 'refused', 'fork')),
    error text,
    event bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT parkunion_now(),
    PRIMARY KEY (generation, shard, topic, "offset")
);
CREATE INDEX held_stream ON held (generation, shard, source, subject, sequence);

GRANT SELECT ON generations TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON shards, seen, held TO {app};
