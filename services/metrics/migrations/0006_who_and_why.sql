-- Who recorded a fact and the code of the reason given, and the names of unions: for explanations, changes and timelines.
-- NULL: folded before this migration, or nothing was said.
SELECT in_each_generation('ALTER TABLE {g}.facts ADD COLUMN actor text, ADD COLUMN reason text');

-- No row-level security: a union is named only beside a fact or a contribution that the caller may see.
SELECT in_each_generation('CREATE TABLE {g}.unions (id uuid PRIMARY KEY, shard int NOT NULL, name text, seat text COLLATE "C") WITH (fillfactor = 80)');
SELECT in_each_generation('GRANT SELECT, INSERT, UPDATE ON {g}.unions TO {app}');

-- Whether actors, reasons and names of unions are there from the first event on; a rebuild brings them. Audits compare them only then.
ALTER TABLE generations ADD COLUMN attributed boolean NOT NULL DEFAULT false;
UPDATE generations SET attributed = true WHERE NOT EXISTS (SELECT FROM shards);
