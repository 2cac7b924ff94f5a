"""What the kernel holds the parser's process to, native code included: no network, no other
program or process, no file but its own. Linux only; elsewhere nothing is enforced.

Landlock says which files may be touched (since Linux 5.13), a seccomp filter which system calls
may be made (x86_64 and aarch64). Both are for good: they cannot be taken off again.
"""

import ctypes
import errno
import os
import platform
import stat
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_SYSCALLS: Final = {
    # name: (x86_64, aarch64); None where the machine has no such call
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "io_uring_setup": (425, 425),  # its rings reach the network past any filter
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "mount_setattr": (442, 442),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_by_handle_at": (304, 265),
    "link": (86, None),
    "linkat": (265, 37),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "personality": (135, 92),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
}
_CLONE: Final = (56, 220)
_CLONE3: Final = 435
_KILL: Final = (62, 129)
_TGKILL: Final = (234, 131)
_PRLIMIT: Final = (302, 261)
_CLONE_THREAD: Final = 0x10000

_MACHINES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
_X32_BIT: Final = 0x40000000
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_SET_MODE_FILTER: Final = 1
_SECCOMP_GET_ACTION_AVAIL: Final = 2
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000  # with the error's number in the low half
_KILL_PROCESS: Final = 0x80000000
# struct seccomp_data: nr, arch, instruction pointer, six arguments of eight bytes
_AT_NUMBER, _AT_MACHINE, _AT_FIRST_ARGUMENT = 0, 4, 16
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ_FILE, _READ_DIR, _WORK = 1 << 2, 1 << 3, 0x41BE
"""Rights of Landlock. `_WORK`: read, write, make and remove files and folders, and cut files off;
no links, devices, sockets, and nothing to execute."""
_RIGHTS_BY_ABI: Final = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}
# of /proc its own part only: elsewhere in it are other processes' environments
_SYSTEM: Final = ("/usr", "/lib", "/lib64", "/etc", "/sys", "/dev")
_PROC: Final = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat")


def find_missing() -> list[str]:
    """What this kernel does not enforce: some of `landlock` and `seccomp`. Changes nothing."""
    missing = [] if _landlock_abi() else ["landlock"]
    return missing if _has_seccomp() else [*missing, "seccomp"]


def confine(*, work: Path, readable: Iterable[Path]) -> None:
    """Hold this process, and all it may become, to its work folder and what it may read.

    What the kernel does not know is left out. Raises OSError where it refuses what it knows.
    """
    if sys.platform != "linux":
        return
    _call(_libc().prctl, _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if abi := _landlock_abi():
        _restrict_files(abi, work, readable)
    if _has_seccomp():
        _restrict_calls()


def own_code() -> Iterator[Path]:
    """What a parser reads beside its file: the interpreter, its libraries and our packages."""
    root = Path(__file__).parents[2]
    yield from map(Path, (*_SYSTEM, *_PROC, sys.prefix, sys.base_prefix))
    yield from (path.parent for path in root.glob("*/__init__.py"))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(function: object, *arguments: object) -> int:
    result = int(function(*arguments))  # type: ignore[operator]  # a function of ctypes
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"the parser cannot be confined: {os.strerror(number)}")
    return result


def _landlock_abi() -> int:
    if sys.platform != "linux":
        return 0
    version = _libc().syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    return max(0, int(version))


def _has_seccomp() -> bool:
    number = _SECCOMP.get(platform.machine())
    if sys.platform != "linux" or number is None:
        return False
    action = ctypes.c_uint32(_REFUSE)
    return bool(_libc().syscall(number, _SECCOMP_GET_ACTION_AVAIL, 0, ctypes.byref(action)) == 0)


def _restrict_files(abi: int, work: Path, readable: Iterable[Path]) -> None:
    libc = _libc()
    handled = _RIGHTS_BY_ABI[min(abi, max(_RIGHTS_BY_ABI))]
    # files; then, where the kernel knows them: TCP; signals and abstract sockets to outsiders
    attributes = struct.pack("QQQ", handled, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    rules = _call(libc.syscall, _LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), 0)
    try:
        _allow(rules, work, _WORK & handled)
        # to find modules its folder is listed; what lies beside them is not read
        _allow(rules, Path(__file__).parents[2], _READ_DIR)
        for path in readable:
            _allow(rules, path, _READ_FILE | _READ_DIR)
        _call(libc.syscall, _LANDLOCK_RESTRICT, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights &= _READ_FILE
        rule = struct.pack("=Qi", rights, handle)
        _call(_libc().syscall, _LANDLOCK_ADD, rules, 1, rule, 0)
    finally:
        os.close(handle)


def _restrict_calls() -> None:
    code = b"".join(_program(os.getpid()))
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: the number of instructions of eight bytes, and where they are
    program = struct.pack("HP", len(code) // 8, ctypes.addressof(buffer))
    number = _SECCOMP[platform.machine()]
    _call(_libc().syscall, number, _SECCOMP_SET_MODE_FILTER, 0, program)


def _program(pid: int) -> Iterator[bytes]:
    """The filter: refused calls fail as if the user had no right to make them."""
    column, machine = _MACHINES[platform.machine()]
    yield _step(_LOAD, _AT_MACHINE)
    yield _step(_IF_EQUAL, machine, then=1)
    yield _step(_RETURN, _KILL_PROCESS)
    yield _step(_LOAD, _AT_NUMBER)
    yield from _refuse_if(_IF_AT_LEAST, _X32_BIT, errno.EPERM)
    # C libraries fall back to `clone`, whose flags a filter can see
    yield from _refuse_if(_IF_EQUAL, _CLONE3, errno.ENOSYS)
    for numbers in _SYSCALLS.values():
        if (number := numbers[column]) is not None:
            yield from _refuse_if(_IF_EQUAL, number, errno.EPERM)
    yield from _only(_CLONE[column], _IF_ANY_BIT, _CLONE_THREAD)
    yield from _only(_KILL[column], _IF_EQUAL, pid)
    yield from _only(_TGKILL[column], _IF_EQUAL, pid)
    yield from _only(_PRLIMIT[column], _IF_EQUAL, 0)
    yield _step(_RETURN, _ALLOW)


def _refuse_if(test: int, value: int, number: int) -> Iterator[bytes]:
    yield _step(test, value, otherwise=1)
    yield _step(_RETURN, _REFUSE | number)


def _only(number: int, test: int, value: int) -> Iterator[bytes]:
    """Allow a call only with a first argument that passes the test."""
    yield _step(_IF_EQUAL, number, otherwise=4)
    yield _step(_LOAD, _AT_FIRST_ARGUMENT)
    yield _step(test, value, then=1)
    yield _step(_RETURN, _REFUSE | errno.EPERM)
    yield _step(_RETURN, _ALLOW)


def _step(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    # struct sock_filter: operation, steps to skip when it holds and when not, operand
    return struct.pack("HBBI", code, then, otherwise, value)
