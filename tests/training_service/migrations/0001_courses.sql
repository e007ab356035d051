-- Courses as their facts have it; `planned_on` null: the planning was withdrawn.
CREATE TABLE courses (
    id uuid PRIMARY KEY,
    enterprise_id uuid NOT NULL,
    topic text,
    planned_on date,
    ended_on date,
    attendees int
);
GRANT SELECT, INSERT, UPDATE ON courses TO {app};
