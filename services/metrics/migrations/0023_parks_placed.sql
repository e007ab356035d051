-- Every park in which a set was ever placed, park by park by the index: a park has thousands of rows, and DISTINCT would read all of them.
SELECT in_each_generation($each$
CREATE VIEW {g}.parks_placed AS
WITH RECURSIVE parks AS (
    SELECT min(park) AS park FROM {g}.placements
    UNION ALL SELECT (SELECT min(m.park) FROM {g}.placements m WHERE m.park > p.park) FROM parks p WHERE p.park IS NOT NULL
)
SELECT park FROM parks WHERE park IS NOT NULL
$each$);
SELECT in_each_generation('GRANT SELECT ON {g}.parks_placed TO {app}');
