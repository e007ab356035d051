-- What the relay must remember to go on after a crash, a lost log or another history of its own service.

-- Offsets of a topic that was made anew mean nothing. NULL: written by release 0.1, which did not know the id.
ALTER TABLE relay_marks ADD COLUMN topic_id text;

-- One row. `stopped` = why the relay does not publish (NULL: it does, or waits for the broker), `since` when it stopped;
-- `republishing`: the topic is being written again from the journal, or was and not to its end.
CREATE TABLE relay_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    stopped text,
    since timestamptz,
    republishing boolean NOT NULL DEFAULT false
);
INSERT INTO relay_state DEFAULT VALUES;

GRANT SELECT, UPDATE ON relay_state TO {app};
