-- The steps of the sets of all enterprises and unions that were ever in a park, as columns (services/metrics/folding/steps.py): as the sets were
-- at some moment after the known day `day` was closed, so right for every set about which nothing became known after `day`. A park without a row, or
-- with an old one, changes no answer.
SELECT in_each_generation($each$
CREATE TABLE {g}.steps (
    park text COLLATE "C" PRIMARY KEY,
    day date NOT NULL,
    steps bytea NOT NULL
)$each$);
SELECT in_each_generation('ALTER TABLE {g}.steps ALTER steps SET STORAGE EXTERNAL');
SELECT in_each_generation('GRANT SELECT, INSERT, UPDATE ON {g}.steps TO {app}');
