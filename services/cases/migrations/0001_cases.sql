-- One row per entry of a register: a rights case, a hardship file, employment help, a pact, a negotiation, a contract, a meeting, a congress,
-- an assessment, an award. `facts` are its standing facts with their events, from which everything else in the row is computed; `private` is
-- what no event may carry, such as the title of an award. `opened_on` null: the opening was withdrawn. `area` is that of an entry without
-- enterprises. `until`: the last day on which it holds. `next_due`: the first day on which a clock of it is due. `wake_on`: the first day on
-- which the service itself has something to record. `book_version`: of the rules and calendars by which clocks were computed.
CREATE TABLE entries (
    id uuid PRIMARY KEY,
    noun text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    enterprise_id uuid,
    area text COLLATE "C",
    opened_on date,
    kind text COLLATE "C",
    state text COLLATE "C" NOT NULL,
    assigned_to text COLLATE "C",
    until date,
    next_due date,
    wake_on date,
    book_version bigint NOT NULL,
    facts jsonb NOT NULL,
    private jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX entries_enterprise ON entries (enterprise_id, noun) WHERE enterprise_id IS NOT NULL;
CREATE INDEX entries_area ON entries (area, noun) WHERE area IS NOT NULL;
CREATE INDEX entries_assigned ON entries (assigned_to) WHERE assigned_to IS NOT NULL;
CREATE INDEX entries_wake ON entries (wake_on) WHERE wake_on IS NOT NULL;
CREATE INDEX entries_book ON entries (book_version);

-- The enterprises of an entry; most have one, contracts may have thousands. `last_day`: of the entry; null: it goes on.
CREATE TABLE entry_enterprises (
    entry_id uuid NOT NULL,
    enterprise_id uuid NOT NULL,
    last_day date,
    PRIMARY KEY (entry_id, enterprise_id)
);
CREATE INDEX entry_enterprises_enterprise ON entry_enterprises (enterprise_id);

-- Where an enterprise was, day by day, by its facts as they stand: shared/directory/visibility.py says the rule. The first stay has no
-- beginning and the last no end.
CREATE VIEW stays AS
SELECT enterprise_id, since, until, park FROM (
    SELECT enterprise_id, park, CASE WHEN row_number() OVER w = 1 THEN '-infinity' ELSE occurred_on END AS since,
        coalesce(lead(occurred_on) OVER w, 'infinity') AS until
    FROM enterprise_facts WHERE park IS NOT NULL WINDOW w AS (PARTITION BY enterprise_id ORDER BY occurred_on, rank)
) AS p WHERE since < until;

-- Where an entry is: in the park in which its enterprise was on the entry's last day, and what goes on where the enterprise is now. Few
-- enterprises have moved, so that for most the park of now is both.
CREATE INDEX enterprise_facts_moved ON enterprise_facts (enterprise_id) WHERE fact = 'moved';
CREATE VIEW entry_places AS
SELECT x.entry_id, x.enterprise_id,
    CASE
        WHEN x.last_day IS NULL OR x.enterprise_id NOT IN (SELECT enterprise_id FROM enterprise_facts WHERE fact = 'moved') THEN p.park
        ELSE (
            SELECT s.park FROM stays AS s WHERE s.enterprise_id = x.enterprise_id AND x.last_day >= s.since AND x.last_day < s.until
        )
    END AS park
FROM entry_enterprises AS x JOIN enterprises AS p ON p.id = x.enterprise_id;

-- The facts of an entry of several enterprises stand on the stream of each. `entries.facts` are those of the first; these are the others:
-- `fact_rank` is the place of the fact on the first stream, `rank` and `event_id` those of its copy.
CREATE TABLE entry_copies (
    entry_id uuid NOT NULL,
    enterprise_id uuid NOT NULL,
    rank bigint NOT NULL,
    fact_rank bigint NOT NULL,
    event_id uuid NOT NULL,
    PRIMARY KEY (entry_id, enterprise_id, rank)
);

-- The clocks of entries as they were computed last. `open`: it has begun or waits to begin, and is neither met nor stopped.
CREATE TABLE entry_clocks (
    entry_id uuid NOT NULL,
    number int NOT NULL,
    open boolean NOT NULL,
    due_on date,
    clock jsonb NOT NULL,
    PRIMARY KEY (entry_id, number)
);
CREATE INDEX entry_clocks_due ON entry_clocks (coalesce(due_on, 'infinity'::date), entry_id, number) WHERE open;

-- Rules by place and date, and years of the calendar, as their facts stand; `rank` is that of the fact in its stream. The last one set for a
-- place and a day counts.
CREATE TABLE rules (
    name text COLLATE "C" NOT NULL,
    rank bigint NOT NULL,
    area text COLLATE "C",
    valid_from date NOT NULL,
    value jsonb NOT NULL,
    event_id uuid NOT NULL,
    set_on date NOT NULL,
    PRIMARY KEY (name, rank)
);
CREATE TABLE calendar_years (
    year int NOT NULL,
    rank bigint NOT NULL,
    holidays date[] NOT NULL,
    working_days date[] NOT NULL,
    source text NOT NULL,
    event_id uuid NOT NULL,
    set_on date NOT NULL,
    PRIMARY KEY (year, rank)
);
-- Raised with every change of the two tables, so that processes know when what they have read is old.
CREATE TABLE book_version (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL DEFAULT 1
);
INSERT INTO book_version DEFAULT VALUES;

-- Row-level security is the second net: commands check grants themselves and run with '*'; lists run with the caller's areas.
ALTER TABLE entries ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_place ON entries TO {app} USING (
    current_setting('parkunion.areas', true) = '*'
    OR area = ANY (ARRAY(SELECT code FROM granted_areas))
    OR EXISTS (
        SELECT FROM entry_places AS x WHERE x.entry_id = entries.id AND x.park = ANY (ARRAY(SELECT code FROM granted_areas))
    )
);

GRANT SELECT, INSERT, UPDATE, DELETE ON entries, entry_enterprises, entry_copies, entry_clocks, rules, calendar_years TO {app};
GRANT SELECT, UPDATE ON book_version TO {app};
GRANT SELECT ON stays, entry_places TO {app};
