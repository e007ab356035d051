"""Courses: the state, the commands and the decisions on them. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from shared.contracts.codes import OTHER, CodeList, Named
from shared.contracts.ids import uuid7
from shared.http.forms import Code, Count, Day, Id, Listed
from shared.journal.reasons import Reason
from shared.problems.errors import Conflict, NotFound, Unprocessable
from shared.problems.preconditions import etag_of
from shared.service import enterprises
from shared.writing.facts import Decision, Fact, Revision, Standing
from shared.writing.table import Access
from tests.training_service.contracts import CourseCancelled, CourseFact, CourseHeld, CoursePlanned

TOPICS = CodeList(
    "topics",
    Named("培训主题", "topic of a course"),
    {"safety": Named("安全生产", "safety at work"), "pay": Named("工资协商", "wage negotiation"), "other": OTHER},
    refusal="NOT_ONE_OF",
)
CANCELLING = CodeList(
    "cancelling",
    Named("取消原因", "why a course is cancelled"),
    {"teacher_ill": Named("讲师生病", "the teacher is ill"), "rain": Named("下雨", "rain"), "other": OTHER},
)


@dataclass(frozen=True, slots=True)
class Course:
    """A course. `planned_on` None: the planning was withdrawn. `attendees`: of one that was held on `ended_on`; None: cancelled."""

    id: UUID
    enterprise_id: UUID
    topic: str | None = None
    planned_on: date | None = None
    ended_on: date | None = None
    attendees: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A course is planned."""

    enterprise_id: Id
    topic: Annotated[Code, Listed(TOPICS)]
    planned_on: Day


@dataclass(frozen=True, slots=True)
class Hold:
    """The course was held."""

    course_id: Id
    on: Day
    attendees: Count


@dataclass(frozen=True, slots=True)
class Cancel:
    """The course was cancelled."""

    course_id: Id
    on: Day
    reason: Annotated[Reason, Listed(CANCELLING)]


@dataclass
class World(enterprises.World):
    """The loaded courses; `changed` are to be written."""

    courses: dict[UUID, Course] = field(default_factory=dict)
    changed: set[UUID] = field(default_factory=set)

    def course(self, course_id: UUID) -> Course:
        """Raises NOT_FOUND (404)."""
        if (found := self.courses.get(course_id)) is None or found.planned_on is None:
            raise NotFound("NOT_FOUND", field="course_id")
        return found


def permit_end(world: World, command: Hold | Cancel, access: Access) -> None:
    """The enterprise of the course must be granted, and the course be as the caller read it."""
    course = world.course(command.course_id)
    enterprises.permit(world, course.enterprise_id, access, "course_id", command.on)
    access.resource(world, enterprises.subject_of(course.enterprise_id), etag_of(asdict(course)))


def plan(_world: World, command: Plan, _today: date) -> Decision:
    """A new course."""
    data = CoursePlanned(course_id=uuid7(), enterprise_id=command.enterprise_id, topic=command.topic)
    return Decision([Fact(enterprises.subject_of(command.enterprise_id), data, command.planned_on)], str(data.course_id))


def end(world: World, command: Hold | Cancel, today: date) -> Decision:
    """The course ends once, not before it was planned. Raises NOTHING_TO_CHANGE, DATE_OUT_OF_RANGE (422)."""
    course = world.course(command.course_id)
    if course.ended_on is not None:
        raise Unprocessable("NOTHING_TO_CHANGE", field="course_id")
    if course.planned_on is None or command.on < course.planned_on:
        raise Unprocessable("DATE_OUT_OF_RANGE", field="on", params={"earliest": course.planned_on, "latest": today})
    data: CourseFact
    if isinstance(command, Hold):
        data = CourseHeld(course_id=course.id, enterprise_id=course.enterprise_id, attendees=command.attendees)
    else:
        reason, note_id = command.reason.code, command.reason.note_id
        data = CourseCancelled(course_id=course.id, enterprise_id=course.enterprise_id, reason=reason, note_id=note_id)
    return Decision([Fact(enterprises.subject_of(course.enterprise_id), data, command.on)], str(course.id))


def _content(fact: Standing) -> dict[str, Any]:
    """What the fact says of its course, by the fields of Course."""
    if isinstance(fact.data, CoursePlanned):
        return {"topic": fact.data.topic, "planned_on": fact.on}
    return {"ended_on": fact.on, "attendees": getattr(fact.data, "attendees", None)}


def put(world: World, fact: Standing, _private: object) -> None:
    """The fact holds."""
    _change(world, fact, _content(fact))


def drop(world: World, fact: Standing) -> None:
    """The fact holds no longer."""
    _change(world, fact, dict.fromkeys(_content(fact)))


def _change(world: World, fact: Standing, content: dict[str, Any]) -> None:
    assert isinstance(fact.data, CourseFact)
    course = world.courses.get(fact.data.course_id) or Course(fact.data.course_id, fact.data.enterprise_id)
    world.courses[course.id] = replace(course, **content)
    world.changed.add(course.id)


def require_whole(world: World, fact: Standing, _command: Revision) -> None:
    """A course that ended was planned before. Raises OTHERS_REST_ON_IT (409)."""
    assert isinstance(fact.data, CourseFact)
    course = world.courses[fact.data.course_id]
    if course.ended_on is not None and (course.planned_on is None or course.ended_on < course.planned_on):
        raise Conflict("OTHERS_REST_ON_IT", field="corrects", params={"sequence": fact.rank})
