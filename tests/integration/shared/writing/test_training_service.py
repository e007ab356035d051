"""A service of three facts, its own code in 300 lines, does what every service that writes does (tests/training_service).

Its processes run as `python -m tests.training_service --role …` on the real PostgreSQL and the real Kafka.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from deploy.local.servers.kafka import KafkaServer
from deploy.local.servers.postgres import PostgresServer
from deploy.local.supervising.fork_server import ForkServer
from deploy.local.supervising.processes import imported, processes_of
from shared.broker.protocol import partition_for
from shared.contracts import services
from shared.contracts.ids import uuid7
from shared.contracts.services import SERVICES
from tests.integration.shared.writing.training import PARTITIONS, SCOPES, Training, at_work, until
from tests.training_service.settings import TRAINING

SHIFT = "UPDATE clock_shift SET shift = $1::interval"


@pytest.fixture(scope="module")
def training(postgres_server: PostgresServer, kafka_server: KafkaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Training]:
    with at_work(postgres_server, kafka_server, tmp_path_factory.mktemp("training")) as made:
        yield made


@pytest.fixture
def enterprise(training: Training) -> UUID:
    """In the park P1."""
    return training.enterprise()


def test_what_lists_services_follows_from_the_declaration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    everyone = [*SERVICES.values(), TRAINING]
    assert services.types(everyone).items() > services.types().items()
    assert services.published(everyone)["parkunion.training.v1"][0] == "/services/training"
    assert services.lock_order(everyone) == services.lock_order(SERVICES.values())
    assert (TRAINING.topics_read(), TRAINING.scopes) == (["parkunion.registry.v1"], SCOPES.split())
    monkeypatch.setattr(services, "SERVICES", {**SERVICES, "training": TRAINING})
    made = processes_of("training", {}, tmp_path, 2, ForkServer([], tmp_path / "log", {}))
    assert [process.roles for process in made] == [("api",), ("relay", "consumer")]
    assert imported(["training"])[-2:] == ["services.training.app", "services.training.routes"]


def test_commands_are_events_of_the_enterprises_stream_and_rows(training: Training, enterprise: UUID) -> None:
    planned = training.course(enterprise)
    assert (planned["subject"], planned["sequence"]) == (f"enterprise/{enterprise}", 1)
    held = training.made(f"/v1/courses/{planned['id']}/held", {"on": "2024-05-02", "attendees": 12})
    assert (held["id"], held["sequence"]) == (planned["id"], 2)
    other = training.course(enterprise)
    training.made(f"/v1/courses/{other['id']}/cancelled", {"on": "2024-05-02", "reason": "teacher_ill", "note": "讲师生病"})
    events = training.events(f"enterprise/{enterprise}")
    assert [event["type"].split(".")[1] for event in events] == ["course-planned", "course-held", "course-planned", "course-cancelled"]
    assert events[0]["data"] == {"course_id": planned["id"], "enterprise_id": str(enterprise), "topic": "safety"}
    assert {event["source"] for event in events} == {"/services/training"}
    # The text of a reason stays with the service.
    assert training.sql("SELECT text FROM notes WHERE note_id = $1", UUID(events[3]["data"]["note_id"]))[0]["text"] == "讲师生病"
    row = training.get(f"/v1/courses/{planned['id']}").json()
    assert (row["planned_on"], row["ended_on"], row["attendees"]) == ("2024-05-01", "2024-05-02", 12)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"on": "2024-04-30", "attendees": 1}, "DATE_OUT_OF_RANGE", "on"),
        ({"on": "2999-01-01", "attendees": 1}, "DATE_OUT_OF_RANGE", "on"),
        ({"on": "2024-05-01", "attendees": -1}, "BELOW_ZERO", "attendees"),
        ({"on": "2024-05-01"}, "FIELD_REQUIRED", "attendees"),
        ({"on": "2024-05-01", "attendees": 1, "course_id": str(uuid7())}, "UNKNOWN_FIELD", "course_id"),
    ],
)
def test_a_wrong_field_is_named_and_changes_nothing(
    training: Training, enterprise: UUID, body: dict[str, object], code: str, field: str
) -> None:
    course = training.course(enterprise)
    refused = training.post(f"/v1/courses/{course['id']}/held", body)
    assert refused.status_code == 422
    assert (refused.json()["code"], refused.json()["errors"][0]["field"]) == (code, field)
    assert len(training.events(f"enterprise/{enterprise}")) == 1


def test_a_line_of_a_batch_sees_those_before_it_and_a_refused_one_stops_none(training: Training, enterprise: UUID) -> None:
    course = training.course(enterprise)["id"]
    answers = training.batch(
        {"op": "held", "body": {"course_id": course, "on": "2024-05-03", "attendees": 3}},
        {"op": "cancelled", "body": {"course_id": course, "on": "2024-05-03", "reason": "other"}},
        {"op": "course", "key": f"plan-{course}", "body": {"enterprise_id": str(enterprise), "topic": "pay", "planned_on": "2024-06-01"}},
        {"op": "course", "key": f"plan-{course}", "body": {"enterprise_id": str(enterprise), "topic": "pay", "planned_on": "2024-06-01"}},
        {"op": "held", "body": {"on": "2024-05-03", "attendees": 3}},
    )
    assert [answer["status"] for answer in answers] == [201, 422, 201, 201, 422]
    assert answers[1]["problem"]["code"] == "NOTHING_TO_CHANGE"
    assert answers[3] == {**answers[2], "line": 4}
    assert answers[4]["problem"]["errors"][0]["field"] == "course_id"
    assert [event["sequence"].lstrip("0") for event in training.events(f"enterprise/{enterprise}")] == ["1", "2", "3"]


@pytest.mark.invariant("I1")
def test_a_repeated_key_answers_the_first_result_and_refuses_another_body(training: Training, enterprise: UUID) -> None:
    body = {"enterprise_id": str(enterprise), "topic": "safety", "planned_on": "2024-05-01"}
    first = training.made("/v1/courses", body, Idempotency_Key=f"key-{enterprise}")
    assert training.made("/v1/courses", body, Idempotency_Key=f"key-{enterprise}") == first
    other = training.post("/v1/courses", {**body, "topic": "pay"}, Idempotency_Key=f"key-{enterprise}")
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len(training.events(f"enterprise/{enterprise}")) == 1


def test_a_correction_changes_the_row_and_follows_the_rules(training: Training, enterprise: UUID) -> None:
    course = training.course(enterprise)
    held = training.made(f"/v1/courses/{course['id']}/held", {"on": "2024-05-02", "attendees": 12})
    (planned_event,), (held_event,) = course["event_ids"], held["event_ids"]
    corrected = training.made("/v1/corrections", {"corrects": held_event, "reason": "typo", "data": {"attendees": 21, "on": "2024-05-04"}})
    row = training.get(f"/v1/courses/{course['id']}").json()
    assert (row["attendees"], row["ended_on"]) == (21, "2024-05-04")
    event = training.events(f"enterprise/{enterprise}")[-1]
    assert (event["type"], event["data"]["rank"]) == ("parkunion.fact-corrected.v1", 2)
    assert event["data"]["withdrawn"]["data"]["attendees"] == 12
    for corrects, data, code in (
        (held_event, {"attendees": 22}, "ALREADY_CORRECTED"),
        (corrected["id"], {"attendees": 21}, "NOTHING_TO_CHANGE"),
        (corrected["id"], {"attendees": "many"}, "NOT_A_WHOLE_NUMBER"),
        (planned_event, {"planned_on": "2024-05-05"}, "OTHERS_REST_ON_IT"),
        (planned_event, {"enterprise_id": str(enterprise)}, "NOT_CORRECTABLE"),
        (str(uuid7()), {"attendees": 1}, "UNKNOWN_EVENT"),
    ):
        refused = training.post("/v1/corrections", {"corrects": corrects, "reason": "typo", "data": data})
        assert refused.json()["code"] == code
    # To nothing: the course is open again, and may be cancelled.
    training.made("/v1/corrections", {"corrects": corrected["id"], "reason": "never_was", "data": None})
    training.made(f"/v1/courses/{course['id']}/cancelled", {"on": "2024-05-02", "reason": "rain"})


def test_a_withdrawal_takes_facts_back_that_nothing_rests_on(training: Training, enterprise: UUID) -> None:
    course = training.course(enterprise)
    training.made(f"/v1/courses/{course['id']}/held", {"on": "2024-05-02", "attendees": 12})
    subject = f"enterprise/{enterprise}"
    refused = training.post("/v1/withdrawals", {"subject": subject, "from": 1, "to": 1, "reason": "import"})
    assert (refused.status_code, refused.json()["code"]) == (409, "OTHERS_REST_ON_IT")
    withdrawn = training.made("/v1/withdrawals", {"subject": subject, "from": 1, "to": 2, "reason": "import"})
    assert withdrawn["sequence"] == 3
    assert training.events(subject)[-1]["data"] == {"from": 1, "to": 2, "reason": "import"}
    assert training.get(f"/v1/courses/{course['id']}").status_code == 404
    again = training.post(f"/v1/courses/{course['id']}/cancelled", {"on": "2024-05-02", "reason": "rain"})
    assert (again.status_code, again.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.invariant("I6")
def test_a_caller_acts_and_reads_within_the_areas_of_the_token(training: Training, enterprise: UUID) -> None:
    body = {"enterprise_id": str(enterprise), "topic": "safety", "planned_on": "2024-05-01"}
    refused = training.post("/v1/courses", body, areas=("D2",))
    assert (refused.status_code, refused.json()["code"]) == (403, "AREA_NOT_GRANTED")
    made = training.post("/v1/courses", body, areas=("D1",))
    assert made.status_code == 201
    course, event = made.json()["id"], made.json()["event_ids"][0]
    held = {"on": "2024-05-02", "attendees": 1}
    correction = {"corrects": event, "reason": "typo", "data": {"topic": "pay"}}
    withdrawal = {"subject": f"enterprise/{enterprise}", "from": 1, "to": 1, "reason": "other"}
    assert training.post(f"/v1/courses/{course}/held", held, areas=("P2",)).status_code == 403
    assert training.post("/v1/corrections", correction, areas=("P2",)).status_code == 403
    assert training.post("/v1/withdrawals", withdrawal, areas=("D1",)).status_code == 403
    for path in (f"/v1/courses/{course}", f"/v1/events?subject=enterprise/{enterprise}"):
        assert training.get(path, areas=("P2",)).status_code == 403
        assert training.get(path, areas=("P1",)).status_code == 200
    assert training.post("/v1/corrections", correction, areas=("P1",)).status_code == 201


def test_if_match_refuses_a_command_on_what_has_changed(training: Training, enterprise: UUID) -> None:
    course = training.course(enterprise)
    etag = training.get(f"/v1/courses/{course['id']}").headers["ETag"]
    training.made("/v1/corrections", {"corrects": course["event_ids"][0], "reason": "typo", "data": {"topic": "pay"}})
    held = {"on": "2024-05-02", "attendees": 1}
    refused = training.post(f"/v1/courses/{course['id']}/held", held, If_Match=etag)
    assert (refused.status_code, refused.json()["code"]) == (412, "PRECONDITION_FAILED")
    etag = training.get(f"/v1/courses/{course['id']}").headers["ETag"]
    # Another course of the same stream changes nothing of this one.
    training.course(enterprise)
    training.made(f"/v1/courses/{course['id']}/held", held, If_Match=etag)


def test_an_enterprise_that_may_still_come_is_asked_for_again_and_another_does_not_exist(training: Training) -> None:
    enterprise = uuid7()
    body = {"enterprise_id": str(enterprise), "topic": "safety", "planned_on": "2024-05-01"}
    early = training.post("/v1/courses", body)
    assert (early.status_code, early.json()["code"], early.headers["Retry-After"]) == (409, "NOT_YET_KNOWN", "1")
    unknown = training.post("/v1/courses", {**body, "enterprise_id": str(uuid4())})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "UNKNOWN_ENTERPRISE")
    training.settle(enterprise)
    until(lambda: training.post("/v1/courses", body).status_code == 201, "the enterprise becomes known")


@pytest.mark.invariant("I2")
def test_the_topic_has_the_journal_in_sequence(training: Training, enterprise: UUID) -> None:
    course = training.course(enterprise)
    training.made(f"/v1/courses/{course['id']}/held", {"on": "2024-05-02", "attendees": 12})
    until(lambda: len(training.sql("SELECT id FROM journal WHERE subject LIKE 'day/%'")) >= PARTITIONS, "yesterday is closed")
    until(lambda: not training.sql("SELECT id FROM outbox LIMIT 1"), "the outbox is empty")
    published = training.topic()
    own = [event for _, _, event in published if event["subject"] == f"enterprise/{enterprise}"]
    assert own == training.events(f"enterprise/{enterprise}")
    journal = {(row["subject"], row["sequence"]): str(row["event_id"]) for row in training.sql("SELECT * FROM journal")}
    assert {(event["subject"], int(event["sequence"])): event["id"] for _, _, event in published} == journal
    assert len(published) == len(journal)
    sequences: dict[str, list[int]] = {}
    for partition, key, event in published:
        assert key == event["partitionkey"]
        assert partition == partition_for(event["subject"], key, PARTITIONS)
        sequences.setdefault(event["subject"], []).append(int(event["sequence"]))
    assert all(found == list(range(1, len(found) + 1)) for found in sequences.values())
    # Yesterday was closed beside the relay, in every partition.
    assert {subject for subject in sequences if subject.startswith("day/")} == {f"day/{n}" for n in range(PARTITIONS)}


def test_nothing_is_recorded_on_a_closed_day(training: Training, enterprise: UUID) -> None:
    body = {"enterprise_id": str(enterprise), "topic": "safety", "planned_on": "2024-05-01"}
    training.made("/v1/courses", body)
    (row,) = training.sql("SELECT parkunion_now() AT TIME ZONE 'Asia/Shanghai' AS now")
    today = row["now"].date()
    training.sql(SHIFT, timedelta(days=1, minutes=10))
    closed = "SELECT partition_key FROM journal WHERE type = 'parkunion.day-closed.v1' AND occurred_on >= $1"
    until(lambda: len(training.sql(closed, today)) >= PARTITIONS, "the day is closed in every partition")
    # A clock that is set back records nothing on the closed day: commands wait.
    training.sql(SHIFT, timedelta(0))
    refused = training.post("/v1/courses", body)
    assert (refused.status_code, refused.json()["code"]) == (503, "CLOCK_AHEAD")
    training.sql(SHIFT, timedelta(days=1, minutes=10))
    until(lambda: training.post("/v1/courses", body).status_code == 201, "the next day records")
    facts = training.sql(
        "SELECT id, (recorded_at AT TIME ZONE 'Asia/Shanghai')::date AS day FROM journal WHERE subject = $1 ORDER BY id",
        f"enterprise/{enterprise}",
    )
    (said,) = training.sql("SELECT min(id) AS id FROM journal WHERE type = 'parkunion.day-closed.v1' AND occurred_on >= $1", today)
    assert [(fact["day"] > today, fact["id"] > said["id"]) for fact in facts] == [(False, False), (True, True)]


def test_it_is_ready_and_shows_its_backlog(training: Training) -> None:
    def caught_up() -> bool:
        answer = training.get("/readyz").json()
        return bool(answer["ready"] and answer["checks"]["relay"] == "ok" and not answer["outbox"] and not answer["lag_events"])

    until(caught_up, "nothing is left to read or to publish")
    assert training.get("/v1/parked").json()["items"] == []
