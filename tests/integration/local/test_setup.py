"""Set-up: one line with the remedy for whatever is missing, and nothing to do (so no network) when it was done."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import setup
from deploy.local.folder import ROOT
from deploy.local.servers import jars

OUTPUTS = {
    "no network": ("error: Request failed after 3 retries\n  cause: dns error: failed to lookup address", "网络", "network"),
    "disk full": ("OSError: [Errno 28] No space left on device", "磁盘已满", "disk"),
    "changed package": ("error: Hash mismatch for `asyncpg==0.32.0`", "SHA-256", "SHA-256"),
    "changed jar": ("deploy.local.servers.jars.JarMismatch: org.apache.kafka:kafka_2.13:4.4.0", "SHA-256", "SHA-256"),
    "something else": ("Traceback\nValueError: nobody thought of this", "失败", "nobody thought of this"),
}


@pytest.mark.parametrize(("output", "zh", "en"), OUTPUTS.values(), ids=OUTPUTS.keys())
def test_a_failed_step_is_one_line_with_the_remedy_in_both_languages(output: str, zh: str, en: str) -> None:
    line = str(setup.failure("packages", output))
    chinese, english = line.split(" / ", 1)
    assert "\n" not in line
    assert zh in chinese
    assert en in english


def pythons(folder: Path, script: str) -> dict[str, str]:
    """An environment in whose path all Pythons are a script."""
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        python = folder / name
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def set_up_by(setup_sh: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/bin/sh", str(setup_sh)], capture_output=True, text=True, env=env, check=False)


def test_a_python_too_old_is_named_with_the_remedy(tmp_path: Path) -> None:
    fresh = tmp_path / "deploy" / "local" / "setup.sh"
    fresh.parent.mkdir(parents=True)
    fresh.write_text((ROOT / "deploy/local/setup.sh").read_text())
    answer = set_up_by(fresh, pythons(tmp_path, "exit 1"))
    assert answer.returncode == 1
    assert len(answer.stderr.strip().splitlines()) == 1
    assert "3.11" in answer.stderr


def test_once_set_up_the_environment_says_so_itself(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    answer = set_up_by(ROOT / "deploy/local/setup.sh", pythons(tmp_path, f"touch {asked}; exit 1"))
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    assert not asked.exists()


def test_an_environment_that_is_asked_sets_nothing_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(setup, "set_up", lambda: pytest.fail("nothing is to be set up"))
    monkeypatch.setattr(sys, "argv", ["setup.py", setup.ASKED])
    assert setup.main() == 0
    monkeypatch.setattr(setup, "STAMP", tmp_path / "none")
    assert setup.main() == 1


def test_an_environment_that_cannot_run_is_set_up_by_another_python(tmp_path: Path) -> None:
    broken, asked = tmp_path / ".venv" / "bin", tmp_path / "asked"
    broken.mkdir(parents=True)
    pythons(broken, "exit 1")
    (broken / "python").write_text("#!/bin/sh\nexit 127\n")
    (broken / "python").chmod(0o755)
    moved = tmp_path / "deploy" / "local" / "setup.sh"
    moved.parent.mkdir(parents=True)
    moved.write_text((ROOT / "deploy/local/setup.sh").read_text())
    assert set_up_by(moved, pythons(tmp_path, f"touch {asked}")).returncode == 0
    assert asked.exists()


def test_once_set_up_nothing_is_run_or_said() -> None:
    assert setup.is_current()
    env = {**os.environ, "HTTPS_PROXY": "http://127.0.0.1:9", "PIP_NO_INDEX": "1"}
    answer = subprocess.run([str(ROOT / "deploy/local/setup.sh")], capture_output=True, text=True, env=env, check=True)
    assert (answer.stdout, answer.stderr) == ("", "")


def test_a_changed_lock_asks_for_a_new_set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed = tmp_path / "requirements.lock"
    changed.write_text("other==1\n")
    monkeypatch.setattr(setup, "LOCK", changed)
    assert not setup.is_current()


def test_a_full_disk_is_seen_before_anything_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "NEEDED", 2**62)
    with pytest.raises(setup.SetupError, match="disk"):
        setup.make_environment()


def test_a_python_without_venv_is_told_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(setup.SetupError, match=r"apt-get install python3\.\d+-venv"):
        setup.make_environment()


def test_the_installed_jars_are_the_locked_ones() -> None:
    for coordinate, digest in jars.locked().items():
        assert hashlib.sha256(jars.jar_path(coordinate).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("lock", [setup.LOCK, setup.UV_LOCK, setup.JARS_LOCK])
def test_locks_pin_by_hash_and_name_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    pinned = re.findall(r"^[A-Za-z0-9][^\s=]*(?:==|:[^\s]+:)", text, re.MULTILINE)
    assert pinned
    assert len(re.findall(r"\b[0-9a-f]{64}\b", text)) >= len(pinned)


@pytest.mark.parametrize("stamped", [False, True], ids=["interrupted", "locks changed"])
def test_an_interrupted_set_up_starts_from_an_empty_environment(stamped: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    steps: list[str] = []
    stamp = tmp_path / ".stamp"
    if stamped:
        stamp.write_text("of other locks")
    monkeypatch.setattr(setup, "STAMP", stamp)
    monkeypatch.setattr(setup, "make_environment", lambda: steps.append("environment"))
    monkeypatch.setattr(setup, "run", lambda step, *_, **__: steps.append(step))
    setup.set_up()
    assert steps[0] == ("uv" if stamped else "environment")
    assert steps[-3:] == ["packages", "Kafka", "Kafka"]
    assert stamp.read_text() == setup.stamp()


def test_an_environment_of_another_python_is_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert setup.works(setup.PYTHON)
    other = tmp_path / "python3"
    other.touch()
    monkeypatch.setattr(sys, "executable", str(other))
    assert not setup.works(setup.PYTHON)


@pytest.mark.parametrize("changed", [False, True], ids=["as it was", "changed"])
def test_a_changed_choice_of_the_python_asks_for_a_new_set_up(changed: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    choice = tmp_path / "interpreters.py"
    choice.write_text(setup.CHOICE.read_text() + "# changed\n" * changed)
    monkeypatch.setattr(setup, "CHOICE", choice)
    assert setup.is_current() == (not changed)


def test_ctrl_c_is_one_line_and_leaves_no_stamp(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(setup, "STAMP", tmp_path / ".stamp")
    monkeypatch.setattr(setup, "make_environment", lambda: None)
    monkeypatch.setattr(setup, "run", interrupted)
    assert setup.main() == 130
    assert "interrupted" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / ".stamp").exists()


def test_a_step_that_outlives_a_killed_set_up_holds_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "LOG", tmp_path / "log")
    with (tmp_path / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        setup.run("probe", sys.executable, "-c", f"import os; os.fstat({lock.fileno()})")


def test_no_jar_that_a_broker_can_do_without_is_locked() -> None:
    artifacts = {coordinate.split(":")[1] for coordinate in jars.locked()}
    assert "kafka_2.13" in artifacts
    assert not artifacts & jars.UNUSED.keys()
