"""The declaration of the service, and its settings."""

from __future__ import annotations

from shared.contracts.services import Service
from shared.process.settings import ServiceSettings
from tests.training_service import contracts

TRAINING = Service(
    "training",
    contracts=contracts,
    streams=("enterprise",),
    reads=("registry",),
    verbs=("read", "write", "operate"),
    processes=(("api",), ("relay", "consumer")),
    modules=("routes",),
)


class Settings(ServiceSettings):
    declared = TRAINING
