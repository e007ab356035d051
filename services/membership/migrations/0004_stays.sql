-- Where an enterprise was, day by day, by its facts as they stand: shared/directory/visibility.py says the rule. The first stay has no
-- beginning and the last no end.
CREATE VIEW stays AS
SELECT enterprise_id, since, until, park FROM (
    SELECT enterprise_id, park, CASE WHEN row_number() OVER w = 1 THEN '-infinity' ELSE occurred_on END AS since,
        coalesce(lead(occurred_on) OVER w, 'infinity') AS until
    FROM enterprise_facts WHERE park IS NOT NULL WINDOW w AS (PARTITION BY enterprise_id ORDER BY occurred_on, rank)
) AS p WHERE since < until;

-- History is shown to those in whose areas the enterprise was on its day; a membership to those where it was on the membership's last day.
DROP POLICY by_park ON standing_facts;
CREATE POLICY by_stay ON standing_facts TO {app} USING (
    current_setting('parkunion.areas', true) = '*'
    OR EXISTS (
        SELECT FROM stays s WHERE s.enterprise_id = CASE WHEN starts_with(subject, 'enterprise/') THEN substr(subject, 12)::uuid END
        AND s.park IN (SELECT code FROM granted_areas) AND occurred_on >= s.since AND occurred_on < s.until
    )
);
DROP POLICY by_park ON memberships;
CREATE POLICY by_stay ON memberships TO {app} USING (
    current_setting('parkunion.areas', true) = '*'
    OR EXISTS (
        SELECT FROM stays s WHERE s.enterprise_id = memberships.enterprise_id AND s.park IN (SELECT code FROM granted_areas)
        AND coalesce(greatest(left_on - 1, joined_on), '9999-12-31') >= s.since
        AND coalesce(greatest(left_on - 1, joined_on), '9999-12-31') < s.until
    )
);

GRANT SELECT ON stays TO {app};
