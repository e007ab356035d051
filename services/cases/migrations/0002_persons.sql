-- What this service keeps of persons: reporters of cases, persons in hardship and in employment help. `sealed` is encrypted for this row's id;
-- `hash` is the keyed hash of the document's number, by which a person is found again; null: without a document nobody is found.
CREATE TABLE persons (
    id uuid PRIMARY KEY,
    sealed bytea NOT NULL,
    key_version smallint NOT NULL,
    hash bytea,
    hash_version smallint,
    created_at timestamptz NOT NULL DEFAULT parkunion_now(),
    CHECK ((hash IS NULL) = (hash_version IS NULL)),
    UNIQUE (hash, hash_version)
);

-- Which entry names which person. It is no foreign key: a person who was erased has no row, and the id names nobody.
CREATE TABLE entry_persons (
    entry_id uuid NOT NULL,
    role text COLLATE "C" NOT NULL,
    person_id uuid NOT NULL,
    PRIMARY KEY (entry_id, role)
);
CREATE INDEX entry_persons_person ON entry_persons (person_id);

-- Who read what is kept of persons, when and for which purpose; nothing of the persons. Rows are never changed or removed. `area`: where the
-- entry was then; null: above every area.
CREATE TABLE person_readings (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    read_at timestamptz NOT NULL DEFAULT parkunion_now(),
    client text NOT NULL,
    purpose text NOT NULL,
    noun text COLLATE "C" NOT NULL,
    entry_id uuid NOT NULL,
    persons uuid[] NOT NULL,
    area text COLLATE "C"
);
CREATE INDEX person_readings_entry ON person_readings (entry_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON persons, entry_persons TO {app};
GRANT SELECT, INSERT ON person_readings TO {app};
