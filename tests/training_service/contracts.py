"""Facts that the service publishes, on the stream of the enterprise at which the course is."""

from __future__ import annotations

from uuid import UUID

from shared.contracts.envelope import Event

SOURCE = "/services/training"


class CourseFact(Event, frozen=True, kw_only=True):
    """Base of the facts about a course."""

    course_id: UUID
    enterprise_id: UUID


class CoursePlanned(CourseFact, frozen=True, kw_only=True):
    """A course was planned on `occurredon`."""

    topic: str


class CourseHeld(CourseFact, frozen=True, kw_only=True):
    """The course was held on `occurredon`."""

    attendees: int


class CourseCancelled(CourseFact, frozen=True, kw_only=True):
    """The course was cancelled on `occurredon`. `reason` is a code; `note_id` names a text kept by the source alone."""

    reason: str
    note_id: UUID | None = None


TYPES: dict[str, type[Event]] = {
    "parkunion.course-planned.v1": CoursePlanned,
    "parkunion.course-held.v1": CourseHeld,
    "parkunion.course-cancelled.v1": CourseCancelled,
}
