-- The first stay of a subject. Most of the events that say a place are registrations of new enterprises: one stay without beginning or end, which
-- costs several times less than to put all stays of the subject together from its facts again (`keep_stays`, as of 0013).
-- It is the same stay: a subject has none if and only if none of its facts that says a place stands, and an event that takes one back is never
-- written before that one. A subject has one shard, so no other transaction gives it a stay meanwhile. OFFSET 0 and no scans of whole tables: the
-- plan is kept, and `stays` may be small when it is made.
SELECT in_each_generation($each$
CREATE OR REPLACE FUNCTION {g}.facts_added() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET enable_seqscan = off
AS $added$
DECLARE
    changed text[];
BEGIN
    SELECT array_agg(subject) INTO changed FROM (
        SELECT subject FROM added
        WHERE CASE type
            WHEN 'parkunion.fact-corrected.v1' THEN says #>> '{withdrawn,fact}' IN ('enterprise-registered', 'enterprise-moved', 'union-founded')
            WHEN 'parkunion.event-withdrawn.v1' THEN NOT starts_with(subject, 'area/')
            ELSE type IN ('parkunion.enterprise-registered.v1', 'parkunion.enterprise-moved.v1', 'parkunion.union-founded.v1')
        END
        GROUP BY subject
        HAVING count(*) > 1 OR bool_or(
            type IN ('parkunion.fact-corrected.v1', 'parkunion.event-withdrawn.v1')
            OR source <> CASE WHEN starts_with(subject, 'union/') THEN '/services/membership' ELSE '/services/registry' END
            OR coalesce(says->>'park', says->>'seat_area') IS NULL
        ) OR EXISTS (SELECT FROM {g}.stays s WHERE s.subject = added.subject OFFSET 0)
    ) c;
    INSERT INTO {g}.stays (subject, since, until, park, shard)
    SELECT subject, '-infinity', 'infinity', coalesce(says->>'park', says->>'seat_area'), shard FROM added
    WHERE type IN ('parkunion.enterprise-registered.v1', 'parkunion.enterprise-moved.v1', 'parkunion.union-founded.v1')
        AND (changed IS NULL OR subject NOT IN (SELECT unnest(changed)));
    IF changed IS NOT NULL THEN
        PERFORM {g}.keep_stays(changed);
    END IF;
    RETURN NULL;
END
$added$
$each$);
