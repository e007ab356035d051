-- How facts are stored, for statements that would otherwise open every run: `first` and `newest` bound `sequence` and `recorded_at`. Here each
-- event is a row, and row-level security is asked as the caller; migration 0013 puts views of rows and runs in their place.
SELECT in_each_generation('CREATE VIEW {g}.stored_facts WITH (security_invoker) AS SELECT *, sequence AS first, recorded_at AS newest FROM {g}.facts');
SELECT in_each_generation($each$
CREATE VIEW {g}.recorded_facts WITH (security_invoker) AS
SELECT subject, known_day, recorded_at AS oldest, recorded_at AS newest, 1 AS events FROM {g}.facts
$each$);
SELECT in_each_generation('GRANT SELECT ON {g}.stored_facts, {g}.recorded_facts TO {app}');
