-- What is noted of a set of facts (services/metrics/folding/findings.py): bits of the findings that it has or had at any known day, sticky.
-- `noted_by`: the transaction that wrote the note. It is valid where it is the row's `xmin`; a release without notes writes rows whose note is not.
SELECT in_each_generation('ALTER TABLE {g}.states ADD COLUMN findings smallint, ADD COLUMN noted_by xid');

-- Whether a batch holds facts that change no figure (visits, names), which open pages show all the same.
SELECT in_each_generation('ALTER TABLE {g}.change_feed ADD COLUMN uncounted boolean NOT NULL DEFAULT false');
