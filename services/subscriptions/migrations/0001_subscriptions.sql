-- Grants, subscriptions, what they are owed, and what became of it. Docs: services/subscriptions/README.md.

-- Counts every change of a grant, a subscription or the tree of areas. Whoever makes one takes the next number first, and so holds this row
-- until the commit: numbers are committed in their order. A process that has seen the number has seen all changes up to it.
CREATE TABLE revision (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    number bigint NOT NULL DEFAULT 0
);
INSERT INTO revision DEFAULT VALUES;

-- Every state of the tree of areas, for audits: the tree at a revision is the last row of each code up to it. `parent` NULL: a root;
-- `present` false: withdrawn.
CREATE TABLE area_versions (
    code text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    parent text COLLATE "C",
    present boolean NOT NULL,
    PRIMARY KEY (code, revision)
);

-- Where unions have their seat, by membership's standing facts (`union-founded`); `rank` is that of the fact in its stream.
CREATE TABLE union_seats (
    union_id uuid NOT NULL,
    rank bigint NOT NULL,
    occurred_on date NOT NULL,
    seat_area text COLLATE "C" NOT NULL,
    PRIMARY KEY (union_id, rank)
);

-- What filters ask about an enterprise, by the registry's standing facts: one row per fact that states an industry or a number of workers.
CREATE TABLE enterprise_attributes (
    enterprise_id uuid NOT NULL,
    rank bigint NOT NULL,
    occurred_on date NOT NULL,
    industry text COLLATE "C",
    workers int,
    PRIMARY KEY (enterprise_id, rank)
);

CREATE TABLE grants (
    id uuid PRIMARY KEY,
    client text COLLATE "C" NOT NULL,
    purpose text NOT NULL,
    legal_basis text NOT NULL,
    given_by text NOT NULL,
    given_at timestamptz NOT NULL
);
CREATE INDEX grants_client ON grants (client, id);

-- The states of a grant: each narrows the one before. `fields` = {type: [name]} in full, also of types that use the default of then.
-- `kind`: given, narrowed, revoked (nothing is granted any more). Instants; `not_after` NULL: no end.
CREATE TABLE grant_versions (
    grant_id uuid NOT NULL REFERENCES grants,
    revision bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('given', 'narrowed', 'revoked')),
    areas text[] COLLATE "C" NOT NULL,
    types text[] COLLATE "C" NOT NULL,
    fields jsonb NOT NULL,
    not_before timestamptz,
    not_after timestamptz,
    reason text,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (grant_id, revision)
);
CREATE INDEX grant_versions_revision ON grant_versions (revision);

-- `types` NULL: all of the grant's. `filter` = {"areas": […], "industries": […], "min_workers": N}, each optional.
-- `kind`, `url`, `signature`: the channel. `opened_revision`: events that are fanned out later are numbered; `ended_revision`: up to it.
-- `failing_since`: since when no attempt has succeeded; NULL: none has failed since the last success. `limit_in_flight`: attempts at once.
CREATE TABLE subscriptions (
    id uuid PRIMARY KEY,
    grant_id uuid NOT NULL REFERENCES grants,
    client text COLLATE "C" NOT NULL,
    types text[] COLLATE "C",
    filter jsonb NOT NULL DEFAULT '{}',
    kind text NOT NULL CHECK (kind IN ('webhook', 'pull')),
    url text,
    signature text CHECK (signature IN ('v1', 'v1a')),
    status text NOT NULL CHECK (status IN ('verifying', 'active', 'paused', 'disabled', 'ended')),
    status_reason text,
    status_at timestamptz NOT NULL,
    failing_since timestamptz,
    last_success_at timestamptz,
    last_error text,
    last_error_at timestamptz,
    confirmed_to bigint NOT NULL DEFAULT 0,
    opened_revision bigint NOT NULL,
    ended_revision bigint,
    created_at timestamptz NOT NULL,
    CHECK ((kind = 'webhook') = (url IS NOT NULL AND signature IS NOT NULL))
);
CREATE INDEX subscriptions_client ON subscriptions (client, id);
CREATE INDEX subscriptions_grant ON subscriptions (grant_id);

-- The states of a subscription one after the other, for its page and the federation.
CREATE TABLE subscription_changes (
    subscription uuid NOT NULL REFERENCES subscriptions,
    at timestamptz NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    status text NOT NULL,
    reason text,
    changed_by text NOT NULL,
    PRIMARY KEY (subscription, id)
);

-- Keys of signatures, encrypted (signing/sealing.py). `v1a` (Ed25519) keys serve all subscriptions; a `v1` secret serves its own alone.
CREATE TABLE signing_keys (
    kid text COLLATE "C" PRIMARY KEY,
    version text NOT NULL CHECK (version IN ('v1', 'v1a')),
    public jsonb,
    sealed bytea NOT NULL,
    key_version int NOT NULL,
    created_at timestamptz NOT NULL
);
-- With which keys a subscription's deliveries are signed: all whose `until` has not come (NULL: no end).
CREATE TABLE subscription_keys (
    subscription uuid NOT NULL REFERENCES subscriptions,
    kid text COLLATE "C" NOT NULL REFERENCES signing_keys,
    since timestamptz NOT NULL,
    until timestamptz,
    PRIMARY KEY (subscription, kid)
);

-- One row per subscription. `next_number`: the number of its next event. `due_at`: when a lane may be due, never later than that; infinity: none.
CREATE TABLE queues (
    subscription uuid PRIMARY KEY REFERENCES subscriptions,
    next_number bigint NOT NULL DEFAULT 1,
    due_at timestamptz NOT NULL DEFAULT 'infinity'
) WITH (fillfactor = 50);
CREATE INDEX queues_due ON queues (due_at);

-- One row per transaction of the fan-out: what it knew. `at` by the platform's clock; `next` = {topic: offset of the next record};
-- `released`: events that were waiting and were decided here.
CREATE TABLE batches (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard int NOT NULL,
    at timestamptz NOT NULL,
    revision bigint NOT NULL,
    next jsonb NOT NULL,
    released uuid[] NOT NULL DEFAULT '{}'
);
CREATE INDEX batches_at ON batches (at);
CREATE INDEX batches_shard ON batches (shard, id);

-- Events whose enterprise or area is not known yet, by their place in the log; later events of the same `holder` wait behind them.
CREATE TABLE waiting (
    shard int NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    holder text COLLATE "C" NOT NULL,
    event_id uuid NOT NULL,
    raw bytea NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (shard, id)
);
CREATE INDEX waiting_holder ON waiting (shard, holder, id);

-- What subscriptions get of an event: one row per event and distinct content (grants that show the same share it). `data` is JSON; NULL after
-- retention or erasure. `fact_type`: the type by which grants are checked (a correction's is that of the fact corrected). `places`: the parks
-- or seats by which the event is seen. `sequence` never leaves. `hash`: SHA-256 of the delivered event without what is a subscription's own (shared/manifests/chain.py).
CREATE TABLE contents (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL,
    source text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    type text COLLATE "C" NOT NULL,
    fact_type text COLLATE "C" NOT NULL,
    time timestamptz NOT NULL,
    occurredon date NOT NULL,
    places text[] COLLATE "C" NOT NULL,
    data bytea,
    hash bytea NOT NULL,
    stored_at timestamptz NOT NULL,
    gone text CHECK (gone IN ('retention', 'erasure'))
);
CREATE INDEX contents_event ON contents (event_id);
CREATE INDEX contents_stream ON contents (subject, sequence);
CREATE INDEX contents_kept ON contents (stored_at) WHERE data IS NOT NULL;

-- Every number of every subscription. `day`: that of `assigned_at` in the deployment's zone. `corrects`: the numbers of the deliveries that
-- this one corrects or withdraws. `state`: what became of it. `pending`: it is to be sent (for the first time, or again). `hash`: that of what was sent, where the
-- grant was narrowed after the content was stored. `error`: why it was parked or withheld.
CREATE TABLE deliveries (
    subscription uuid NOT NULL,
    number bigint NOT NULL,
    content bigint NOT NULL,
    subject text COLLATE "C" NOT NULL,
    batch bigint,
    day date NOT NULL,
    assigned_at timestamptz NOT NULL,
    corrects bigint[],
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'delivered', 'parked', 'withheld')),
    pending boolean NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    settled_at timestamptz,
    hash bytea,
    error text,
    PRIMARY KEY (subscription, number)
) WITH (fillfactor = 80);
CREATE INDEX deliveries_pending ON deliveries (subscription, subject, number) WHERE pending;
CREATE INDEX deliveries_queued ON deliveries (subscription, number) WHERE state = 'queued';
CREATE INDEX deliveries_parked ON deliveries (subscription, number) WHERE state = 'parked';
CREATE INDEX deliveries_content ON deliveries (content);
CREATE INDEX deliveries_day ON deliveries (subscription, day, number);

-- One row per subscription and subject of which something is pending: its first pending number is the next to be sent, not before `due_at`.
-- `attempts`: failed ones of that number in this round of the schedule. `leased_until`: a worker has it until then.
CREATE TABLE lanes (
    subscription uuid NOT NULL,
    subject text COLLATE "C" NOT NULL,
    due_at timestamptz NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    leased_by text,
    PRIMARY KEY (subscription, subject)
) WITH (fillfactor = 50);
CREATE INDEX lanes_due ON lanes (subscription, due_at);

-- Every attempt. `status`: of HTTP, NULL if there was no answer; `answer`: its first KiB.
CREATE TABLE attempts (
    subscription uuid NOT NULL,
    number bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    duration_ms int NOT NULL,
    status int,
    error text,
    answer text,
    PRIMARY KEY (subscription, number, id)
);
CREATE INDEX attempts_at ON attempts (at);

-- Requests that have no number: verifications and tests of an endpoint. A worker takes those that are not done.
CREATE TABLE probes (
    id uuid PRIMARY KEY,
    subscription uuid NOT NULL REFERENCES subscriptions,
    kind text NOT NULL CHECK (kind IN ('verification', 'test')),
    challenge text,
    asked_at timestamptz NOT NULL,
    asked_by text NOT NULL,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    done_at timestamptz,
    succeeded boolean,
    status int,
    error text,
    answer text,
    duration_ms int
);
CREATE INDEX probes_open ON probes (asked_at) WHERE done_at IS NULL;
CREATE INDEX probes_subscription ON probes (subscription, asked_at);

-- What the federation is told: a subscription was disabled, events wait too long. As CloudEvents at GET /v1/notices.
CREATE TABLE notices (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    type text NOT NULL,
    subscription uuid,
    data jsonb NOT NULL
);
CREATE INDEX notices_at ON notices (at, id);

-- Every access by a bureau: who, when, what, to which numbers, and under which purpose.
CREATE TABLE accesses (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    client text COLLATE "C" NOT NULL,
    what text NOT NULL,
    subscription uuid,
    first bigint,
    last bigint,
    purpose text
);
CREATE INDEX accesses_at ON accesses (at, id);

-- Persons or other ids that were erased, with who asked and why: what is queued or stored later under them is erased as well.
CREATE TABLE erasures (
    id uuid PRIMARY KEY,
    erased uuid NOT NULL,
    reason text NOT NULL,
    asked_by text NOT NULL,
    at timestamptz NOT NULL,
    contents bigint NOT NULL
);
CREATE INDEX erasures_erased ON erasures (erased);

-- Answers of commands by idempotency key, kept for 30 days: `key` is a keyed hash, `answer` encrypted since it can hold a secret.
CREATE TABLE requests (
    client text COLLATE "C" NOT NULL,
    key bytea NOT NULL,
    fingerprint bytea NOT NULL,
    status int NOT NULL,
    sealed bytea NOT NULL,
    key_version int NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (client, key)
);
CREATE INDEX requests_at ON requests (at);

GRANT SELECT, UPDATE ON revision TO {app};
GRANT SELECT, INSERT ON area_versions, grants, grant_versions, subscription_changes, notices, accesses, erasures, batches TO {app};
GRANT DELETE ON notices, accesses, batches TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON union_seats, enterprise_attributes, subscriptions, signing_keys, subscription_keys, queues, waiting,
    contents, deliveries, lanes, attempts, probes, requests TO {app};
GRANT UPDATE (contents) ON erasures TO {app};
GRANT USAGE ON SEQUENCE contents_id_seq TO {app};
