-- The platform's clock. `shift` is zero except in a stack started with a test clock, where the owner moves it for every service.
CREATE TABLE clock_shift (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    shift interval NOT NULL DEFAULT interval '0'
);
INSERT INTO clock_shift DEFAULT VALUES;

CREATE FUNCTION parkunion_now() RETURNS timestamptz
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN clock_timestamp() + (SELECT shift FROM clock_shift);

GRANT SELECT ON clock_shift TO {app};
GRANT EXECUTE ON FUNCTION parkunion_now() TO {app};
