"""Which Python sets up the environment: the first of the PATH, unless another one is clearly faster; the one that is named, if one is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import interpreters, setup
from deploy.local.folder import ROOT
from deploy.local.interpreters import Timed

FIRST, OTHER = Timed("/first", 1.0), Timed("/other", 0.7)


@pytest.mark.parametrize(
    ("candidates", "best"),
    [
        ([FIRST, OTHER], OTHER),
        ([OTHER, FIRST], OTHER),
        ([FIRST, Timed("/as fast", 0.9)], FIRST),
        ([FIRST, OTHER, Timed("/fastest", 0.5)], Timed("/fastest", 0.5)),
        ([FIRST], FIRST),
    ],
)
def test_another_python_is_taken_only_if_it_is_clearly_faster(candidates: list[Timed], best: Timed) -> None:
    assert interpreters.chosen(candidates) == best


def python(folder: Path, script: str) -> str:
    """A `python3` in a folder of its own, which is a script."""
    folder.mkdir()
    file = folder / "python3"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


def test_a_script_that_starts_a_python_is_that_python(tmp_path: Path) -> None:
    shim = python(tmp_path / "shims", f'exec {sys.executable} "$@"')
    found = interpreters.different([shim, sys.executable])
    assert [Path(path).resolve() for path in found] == [Path(sys.executable).resolve()]
    assert shim not in found


def test_every_python_of_the_path_is_found_in_its_order(tmp_path: Path) -> None:
    first, second = python(tmp_path / "a", "true"), python(tmp_path / "b", "true")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "python3").write_text("not executable")
    path = os.pathsep.join(str(tmp_path / name) for name in ("a", "none", "c", "b"))
    assert interpreters.on_path(path) == [first, second]


@pytest.mark.parametrize(
    "script", ["exit 1", "echo nonsense; exit 3", "echo nonsense", "echo 12", "printf '\\377'", 'echo \'{"able": false, "seconds": null}\'']
)
def test_a_python_that_cannot_make_the_environment_is_left_out(script: str, tmp_path: Path) -> None:
    useless = python(tmp_path / "useless", script)
    found = interpreters.timed([useless, sys.executable])
    assert [candidate.path for candidate in found] == [sys.executable]
    assert 0 < found[0].seconds < interpreters.LONGEST


def test_both_are_asked_in_turn_and_the_least_time_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([3.0, 2.0, 1.0, 4.0])
    asked: list[str] = []

    def ask(path: str, program: str) -> str:
        asked.append(path)
        return f'{{"able": true, "seconds": {next(times)}}}'

    monkeypatch.setattr(interpreters, "ask", ask)
    assert interpreters.timed(["a", "b"]) == [Timed("a", 1.0), Timed("b", 2.0)]
    assert asked == ["a", "b", "a", "b"]


def chosen_by_setup(folder: Path, env: dict[str, str]) -> str:
    """The name of the Python that runs set-up in a copy of the project that has no environment. `folder` has two, `first` and `other`, which say that they are faster than
    any real one."""
    local = folder / "deploy" / "local"
    local.mkdir(parents=True)
    for name in ("setup.sh", "interpreters.py"):
        shutil.copy(ROOT / "deploy" / "local" / name, local)
    for name, seconds in (("first", 2e-6), ("other", 1e-6)):
        python(
            folder / name,
            f"""case "$*" in
*_base_executable*) echo "$0" ;;
*perf_counter*) echo '{{"able": true, "seconds": {seconds}}}' ;;
*interpreters.py*) exec {sys.executable} "$@" ;;
*setup.py*) echo {name} ;;
esac""",
        )
    path = f"{folder / 'first'}:{folder / 'other'}:/usr/bin:/bin"
    answer = subprocess.run(["/bin/sh", str(local / "setup.sh")], capture_output=True, text=True, env={"PATH": path, **env}, check=True)
    assert ("使用" in answer.stderr and "using" in answer.stderr) == (not env)
    return answer.stdout.strip()


def test_set_up_runs_with_the_faster_python(tmp_path: Path) -> None:
    assert chosen_by_setup(tmp_path, {}) == "other"


def test_set_up_runs_with_the_python_that_is_named(tmp_path: Path) -> None:
    assert chosen_by_setup(tmp_path, {"PYTHON": str(tmp_path / "first" / "python3")}) == "first"


@pytest.mark.parametrize("named", ["/nowhere/python3", "/bin/false"])
def test_set_up_refuses_what_is_named_and_is_no_python(tmp_path: Path, named: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        chosen_by_setup(tmp_path, {"PYTHON": named})
    assert failed.value.stdout == ""
    assert f"PYTHON={named} 不是" in failed.value.stderr
    assert f"PYTHON={named} is no Python" in failed.value.stderr


def test_set_up_makes_the_environment_of_the_python_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON", "python3")
    assert setup.is_current()
    other = tmp_path / "python3"
    other.touch()
    monkeypatch.setattr(sys, "_base_executable", str(other))
    assert not setup.is_current()
    monkeypatch.delenv("PYTHON")
    assert setup.is_current()
