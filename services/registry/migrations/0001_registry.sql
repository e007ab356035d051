-- Where areas and enterprises stand now. The journal is the record; these rows are what its streams come to, for lists, searches,
-- grants and what must be unique.

-- `path` is the code itself and those of all that it lies in, inside out.
CREATE TABLE areas (
    code text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('division', 'park')),
    parent text COLLATE "C",
    level boolean NOT NULL,
    valid_from date NOT NULL,
    path text[] COLLATE "C" NOT NULL,
    search text COLLATE "C" NOT NULL,
    CHECK (kind = 'division' OR parent IS NOT NULL),
    CHECK (path[1] = code)
);
CREATE INDEX areas_parent ON areas (parent, code);
CREATE INDEX areas_path ON areas USING gin (path);

CREATE TABLE enterprises (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    credit_code text COLLATE "C" UNIQUE,
    park text COLLATE "C" NOT NULL,
    industry text,
    ownership text,
    settled_on date NOT NULL,
    closed_on date,
    workers int,
    workers_on date,
    size text
) WITH (fillfactor = 90);
CREATE INDEX enterprises_park ON enterprises (park, id);
CREATE INDEX enterprises_namesakes ON enterprises (park, name_key);

-- Part of a name or code: its characters and pairs of neighbouring ones find candidates, the text decides. A table of its own, because
-- under row-level security operators that are not leakproof, as those of arrays, use no index. It gives ids only; rows are read from
-- `enterprises`.
CREATE TABLE enterprise_search (
    id uuid PRIMARY KEY,
    park text COLLATE "C" NOT NULL,
    text text COLLATE "C" NOT NULL,
    characters text[] COLLATE "C" NOT NULL
);
CREATE INDEX enterprise_search_characters ON enterprise_search USING gin (characters);

-- Row-level security is the second net: commands check grants themselves and run with '*'; lists run with the caller's areas.
ALTER TABLE areas ENABLE ROW LEVEL SECURITY;
CREATE POLICY granted ON areas TO {app} USING (
    current_setting('parkunion.areas', true) = '*' OR path && string_to_array(current_setting('parkunion.areas', true), ',')
);
ALTER TABLE enterprises ENABLE ROW LEVEL SECURITY;
CREATE POLICY granted ON enterprises TO {app} USING (
    current_setting('parkunion.areas', true) = '*'
    OR park IN (SELECT code FROM areas WHERE path && string_to_array(current_setting('parkunion.areas', true), ','))
);

GRANT SELECT, INSERT, UPDATE, DELETE ON areas, enterprises, enterprise_search TO {app};
