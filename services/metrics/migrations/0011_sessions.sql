-- Sessions end with the token that bought them, and pages say whose they are. NULL: written by a release before these columns.
ALTER TABLE login_codes ADD COLUMN valid_until timestamptz;
ALTER TABLE sessions ADD COLUMN name text;
