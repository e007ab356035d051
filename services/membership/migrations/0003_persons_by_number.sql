-- One number is one person, whatever kind was typed with it. `number_hash` is the HMAC of the number without its kind; null in rows that an
-- earlier release wrote, until they are brought under it (members/numbering.py). `copy` is above 0 in rows that earlier releases wrote of a
-- person who had one.
ALTER TABLE persons ADD COLUMN number_hash bytea, ADD COLUMN copy smallint NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX persons_number ON persons (number_hash, copy);
CREATE INDEX persons_without_number ON persons (no) WHERE number_hash IS NULL;
CREATE INDEX persons_kinds_without_number ON persons (document_kind) WHERE number_hash IS NULL;
