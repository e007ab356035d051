-- The same rule by a cheaper index: one membership per person at any date, backdated ones too. A membership is a box, the person's number by
-- its days, both ends included; numbers and days are whole, so that boxes that do not share a day do not touch. With two ranges an insertion
-- compared the lower and upper bounds of both with every entry of three pages, which was a third of what a batch of members cost.
-- Rows of no day (a joining that was withdrawn, a leaving on the day of the joining) are in no box, as their period was empty.
ALTER TABLE memberships
    DROP CONSTRAINT one_membership_at_a_time,
    ADD CONSTRAINT one_membership_at_a_time EXCLUDE USING gist (
        box(point(person_no, joined_on - DATE '1900-01-01'), point(person_no, coalesce(left_on - DATE '1900-01-01', 10000000000) - 1)) WITH &&
    ) WHERE (joined_on IS NOT NULL AND left_on IS DISTINCT FROM joined_on);
