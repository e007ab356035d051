"""Run a program that dies with its parent, as another user when root may not run it: `python -I -S guard.py PARENT SIGNAL USER -- PROGRAM …`.

PostgreSQL refuses to run as root. For root, `USER` names the ordinary user to become; the program then keeps the capability
CAP_DAC_OVERRIDE, so that it can read an environment or data folder under root's 0700 folders. Where the capability cannot be kept
(a reduced container), a user namespace that maps root to another uid does the same.
Imports only the standard library: it runs before every child of the supervisor.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522
CLONE_NEWUSER = 0x10000000

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int, number: int) -> None:
    """Ask the kernel to send signal `number` when the parent dies; exit at once if it is dead already."""
    _libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def become(user: str) -> None:
    """Become `user` and keep CAP_DAC_OVERRIDE if possible. Raises OSError if the user cannot be changed."""
    account = pwd.getpwnam(user)
    _libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    bit = 1 << CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if _libc.capset(header, sets) != 0 or _libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0) != 0:
        # Without the capability the program still runs wherever the user may read the environment.
        empty = (ctypes.c_uint32 * 6)()
        _libc.capset(header, empty)


def enter_namespace(user: str) -> None:
    """Enter a user namespace in which the own uid is that of `user`; files keep their owner."""
    account = pwd.getpwnam(user)
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{account.pw_uid} {uid} 1"), ("gid_map", f"{account.pw_gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def main() -> None:
    parent, number, user = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    program = sys.argv[5:]
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # Ignored signals are inherited: SIGINT by background jobs of a shell, SIGPIPE by every child of Python.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_DFL)
    if user.startswith("namespace:"):
        enter_namespace(user.removeprefix("namespace:"))
    elif user != "-":
        become(user)
    # After the change of user: the kernel clears the signal when credentials change.
    die_with_parent(parent, number)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
