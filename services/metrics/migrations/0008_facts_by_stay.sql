-- waits for: metrics.projector
-- Row-level security on facts (policies: 0007). Projectors up to 0.2, whose sessions are called metrics.projector, write by COPY, which
-- PostgreSQL refuses then: so this is applied once none of them is connected.
SELECT in_each_generation('ALTER TABLE {g}.facts ENABLE ROW LEVEL SECURITY');
