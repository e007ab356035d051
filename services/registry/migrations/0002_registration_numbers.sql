-- Business registration numbers of 15 digits, as before credit codes. Releases that do not know the column leave it NULL.
ALTER TABLE enterprises ADD COLUMN registration_number text COLLATE "C" UNIQUE;
