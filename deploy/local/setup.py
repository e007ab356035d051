"""Set up the project's own environment `.venv`: Python packages by lock and hash, uv to install them, the broker's jars.

Run by `setup.sh` with the system's Python; imports only the standard library. Does nothing, and needs no network, if the stamp in `.venv`
matches the locks, this Python and this folder. A second concurrent run waits. An environment without a stamp was interrupted, at an unknown
place: it is made anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import ssl
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
STAMP = VENV / ".stamp"
LOG = VENV / "setup.log"
PYTHON = VENV / "bin" / "python"
UV_LOCK = ROOT / "deploy" / "local" / "requirements-uv.lock"
LOCK = ROOT / "requirements.lock"
JARS_LOCK = ROOT / "deploy" / "local" / "servers" / "kafka-jars.lock"
CHOICE = ROOT / "deploy" / "local" / "interpreters.py"
"""How the Python is chosen that runs `set_up`. If that changes, an environment of another Python is made anew."""
ASKED = "--is-current"
"""The argument with which nothing is set up: the exit code says whether there is something to do."""
NEEDED = 1500 * 2**20
"""Bytes of a fresh environment with the package cache."""

NETWORK = (
    "resolve",
    "dns error",
    "connection",
    "timed out",
    "timeout",
    "network",
    "error sending request",
    "unreachable",
    "max retries",
    "certificate",
)


class SetupError(Exception):
    """One line for the user, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")


def stamp() -> str:
    """The inputs of the environment; if they change, it is set up again."""
    # The real file behind .venv/bin/python changes with an upgrade of the system's Python.
    parts = [
        str(ROOT),
        os.path.realpath(PYTHON),
        *(hashlib.sha256(file.read_bytes()).hexdigest() for file in (UV_LOCK, LOCK, JARS_LOCK, CHOICE)),
    ]
    return "\n".join(parts)


def is_current() -> bool:
    """Whether there is nothing to do. Where the user names a Python, which then runs this, the environment must be of that one."""
    if os.environ.get("PYTHON") and os.path.realpath(PYTHON) != os.path.realpath(getattr(sys, "_base_executable", sys.executable)):
        return False
    try:
        return STAMP.read_text() == stamp() and PYTHON.exists()
    except OSError:
        return False


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def run(step: str, *command: str | Path, env: dict[str, str] | None = None) -> None:
    """Run one step with its output in `.venv/setup.log`; SetupError names the cause in one line.

    The clients bring their own certificates; behind a company's proxy only the machine's are valid, so a second attempt uses those.
    The step inherits the lock, so a step that outlives a killed set-up still holds it.
    """
    given = dict(os.environ) if env is None else env
    for environment in (given, {**given, **system_certificates()}):
        words = [str(word) for word in command]
        done = subprocess.run(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=environment, check=False, close_fds=False
        )
        with LOG.open("a") as log:
            log.write(f"--- {step}\n{done.stdout}\n")
        if done.returncode == 0:
            return
        if "certificate" not in done.stdout.lower():
            break
    raise failure(step, done.stdout)


def system_certificates() -> dict[str, str]:
    """Variables that make pip, uv and jgo use this machine's certificates, if it has a bundle."""
    paths = (ssl.get_default_verify_paths().cafile, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
    bundle = next((path for path in paths if path and os.path.isfile(path)), None)
    return dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"), bundle) if bundle else {}


def failure(step: str, output: str) -> SetupError:
    """The likely cause of a failed step, by its output."""
    lower = output.lower()
    if "no space left" in lower or "disk quota" in lower:
        return disk_full()
    if ("hash" in lower and "mismatch" in lower) or "JarMismatch" in output:
        return SetupError(
            f"{step}:下载内容与锁定的 SHA-256 不符,已中止;详见 {LOG}",
            f"{step}: a download is not what its locked SHA-256 says, stopped; see {LOG}",
        )
    if any(word in lower for word in NETWORK):
        return SetupError(
            f"{step}:无法连接软件包仓库;请检查网络或代理后重试(详见 {LOG})",
            f"{step}: no connection to the package registry; check the network or proxy and try again (see {LOG})",
        )
    last = (output.strip().splitlines() or ["?"])[-1].strip()
    return SetupError(f"{step} 失败:{last}(详见 {LOG})", f"{step} failed: {last} (see {LOG})")


def disk_full() -> SetupError:
    megabytes = NEEDED // 2**20
    return SetupError(f"{ROOT} 所在磁盘已满;请腾出 {megabytes} MB 后重试", f"the disk of {ROOT} is full; free {megabytes} MB and try again")


def make_environment() -> None:
    """An empty environment of this Python, with pip."""
    if shutil.disk_usage(ROOT).free < NEEDED:
        raise disk_full()
    if importlib.util.find_spec("venv") is None:
        raise no_venv()
    if importlib.util.find_spec("ensurepip") is not None:
        run("venv", sys.executable, "-m", "venv", "--clear", VENV)
    elif importlib.util.find_spec("pip") is not None:
        run("venv", sys.executable, "-m", "venv", "--clear", "--without-pip", VENV)
    else:
        raise no_venv()


def no_venv() -> SetupError:
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    return SetupError(
        f"这个 Python 缺少 venv 模块;请先安装(Debian/Ubuntu:apt-get install {package})",
        f"this Python has no venv module; install it first (Debian/Ubuntu: apt-get install {package})",
    )


def pip() -> list[str]:
    """The command of a pip that installs into the environment: its own, or the system's where Debian ships venv without pip."""
    if (VENV / "bin" / "pip").exists():
        return [str(PYTHON), "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", str(PYTHON)]


def uv_environment() -> dict[str, str]:
    """uv's settings: our environment, pip's index if the user has one, a cache that can be written."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env["VIRTUAL_ENV"] = str(VENV)
    if not any(name in env for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")):
        asked = subprocess.run([*pip(), "config", "get", "global.index-url"], capture_output=True, text=True, check=False)
        index = env.get("PIP_INDEX_URL") or asked.stdout.strip()
        if index:
            env["UV_DEFAULT_INDEX"] = index
    if "UV_CACHE_DIR" not in env and not os.access(Path.home(), os.W_OK):
        env["UV_CACHE_DIR"] = str(VENV / "cache")
    return env


def set_up() -> None:
    """Install the locks into `.venv`."""
    began = time.monotonic()
    say("正在准备运行环境(仅首次需要网络) / setting up (needs the network this once)")
    if not STAMP.exists() or not works(PYTHON):
        make_environment()
    STAMP.unlink(missing_ok=True)
    run("uv", *pip(), "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary=:all:", "-r", UV_LOCK)
    uv = VENV / "bin" / "uv"
    run("packages", uv, "pip", "sync", "--require-hashes", "--compile-bytecode", LOCK, env=uv_environment())
    ours = {**os.environ, "PYTHONPATH": str(ROOT)}
    run("Kafka", PYTHON, "-m", "deploy.local.servers.jars", env=ours)
    run("Kafka", PYTHON, "-m", "deploy.local.servers.kafka", env=ours)
    unfinished = STAMP.with_suffix(".new")
    unfinished.write_text(stamp())
    unfinished.replace(STAMP)
    say(f"运行环境已就绪 / set up in {time.monotonic() - began:.0f} s")


def works(python: Path) -> bool:
    """Whether the environment exists, belongs to this folder and this Python, and runs."""
    folder = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    probe = f"import sys; sys.exit(sys.version_info < (3, 11) or sys.prefix != {str(VENV)!r})"
    if not (VENV / "lib" / folder).is_dir() or os.path.realpath(python) != os.path.realpath(sys.executable):
        return False
    try:
        return subprocess.run([str(python), "-c", probe], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def main() -> int:
    if is_current():
        return 0
    if ASKED in sys.argv:
        return 1
    try:
        VENV.mkdir(exist_ok=True)
        with (ROOT / ".setup.lock").open("w") as lock:
            os.set_inheritable(lock.fileno(), True)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("另一个进程正在准备运行环境,等待中 / another process is setting up, waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_current():
                set_up()
    except SetupError as failed:
        say(str(failed))
        return 1
    except KeyboardInterrupt:
        say("已中断;再次执行会从头准备 / interrupted; the next run sets up from the start")
        return 130
    except OSError as error:
        if isinstance(error, PermissionError) and ROOT.stat().st_uid != os.getuid():
            say(
                f"{ROOT} 属于其他用户,你无法在此准备环境;请自行克隆一份再执行 / "
                f"{ROOT} is another user's and its environment is not one that you can use; make a clone of your own"
            )
            return 1
        full = error.errno in (28, 122)
        say(str(disk_full() if full else SetupError(f"无法准备运行环境:{error}", f"cannot set up: {error}")))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
