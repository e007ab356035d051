-- A person is named by the id of the row, which is also bound to the sealed document; once erased, by `person_no`, which memberships keep.
CREATE UNIQUE INDEX persons_id ON persons (id);
ALTER TABLE erasures ADD COLUMN person_no bigint UNIQUE;

GRANT UPDATE (person_no) ON erasures TO {app};
