"""Confine a worker process on Linux, so that a model that takes it over can neither write nor reach anything.

Landlock restricts where the process may write, what it may read if the models are known, and to whom it may connect and
send signals; seccomp takes away the system calls that it never needs. Both only ever narrow what the process may do,
need no privileges, and hold for all that it starts. Where the kernel lacks one of them, the process runs without it.

Source: the manual pages landlock(7) and seccomp(2), and the headers of Linux 6.18.
"""

from __future__ import annotations

import os
import stat
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from lstmdump.errors import WorkerDied
from lstmdump.model import scratch
from lstmdump.sandbox.reads import list_libraries

if TYPE_CHECKING:
    import ctypes

    from lstmdump.sandbox.worker import Box

VARIABLE = "LSTMDUMP_SANDBOX"


class _CannotConfine(Exception):
    """What the kernel lacks."""


def is_required() -> bool:
    """Return whether the user wants an error where processes cannot be confined.

    Raises:
        WorkerDied: The variable has an unknown value.
    """
    return _read_mode() == "require"


def enter(box: Box) -> str:
    """Confine this process to `box`, and return what the system lacks for that, in words; empty where nothing.

    Raises:
        WorkerDied: The variable has an unknown value.
    """
    if _read_mode() == "off":
        return ""
    if not sys.platform.startswith("linux"):
        return "the system is not Linux"
    lacking = []
    _hide_descriptors()
    scratch.keep()
    for confine in (_forbid_privileges, _restrict_files, _restrict_calls):
        try:
            confine(box)
        except (OSError, _CannotConfine) as error:
            lacking.append(str(error))
    return "; ".join(lacking)


def _read_mode() -> str:
    mode = os.environ.get(VARIABLE, "")
    if mode not in ("", "off", "require"):
        raise WorkerDied(f"{VARIABLE} is {mode!r:.40}; it may be require or off")
    return mode


def _hide_descriptors() -> None:
    """Put the null device in the place of what the parent has open, apart from streams and pipes.

    Closing them would free their numbers for other files, which objects of the parent would then close.
    """
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in map(int, os.listdir("/proc/self/fd")):
            with suppress(OSError):
                if number > 2 and not os.readlink(f"/proc/self/fd/{number}").startswith("pipe:"):
                    os.dup2(nowhere, number)


# --- the kernel ---

_libc: list[ctypes.CDLL] = []
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38


def _call(name: str, number: int, *arguments: object) -> int:
    """Make a system call.

    Raises:
        OSError: It failed.
    """
    import ctypes

    if not _libc:
        _libc.append(ctypes.CDLL(None, use_errno=True))
        _libc[0].syscall.restype = ctypes.c_long
    padded = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = int(_libc[0].syscall(ctypes.c_long(number), *padded))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


_CAPABILITIES_VERSION = 0x20080522
_MAY_READ_FILES_OF_ALL = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_CAPABILITIES = struct.Struct("<6I")  # effective, permitted, inheritable; the lower half of each first


def _forbid_privileges(_: Box) -> None:
    """Give up what root may do beyond reading, and what a program with the set-user-ID bit would add."""
    import ctypes

    numbers, header = _find_numbers(), struct.pack("<Ii", _CAPABILITIES_VERSION, 0)
    _call("no_new_privs", numbers["prctl"], _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    held = ctypes.create_string_buffer(_CAPABILITIES.size)
    _call("capabilities", numbers["capget"], header, held)
    effective, permitted, *__ = (one & _MAY_READ_FILES_OF_ALL for one in _CAPABILITIES.unpack(held.raw))
    _call("capabilities", numbers["capset"], header, _CAPABILITIES.pack(effective, permitted, 0, 0, 0, 0))


# --- Landlock ---

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on all architectures
_VERSION = 1
_BENEATH = 1
_ALL_THREADS = 1 << 3
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIRECTORY = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIRECTORY, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_DIRECTORY, _MAKE_FILE, _REFER, _TRUNCATE, _DEVICE_CONTROL = 1 << 7, 1 << 8, 1 << 13, 1 << 14, 1 << 15
_MAKE_OTHERS = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12  # devices, sockets, FIFOs, links
_WITHIN = _WRITE_FILE | _REMOVE_DIRECTORY | _REMOVE_FILE | _MAKE_DIRECTORY | _MAKE_FILE | _REFER | _TRUNCATE
_READ = _READ_FILE | _READ_DIRECTORY
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _DEVICE_CONTROL
_ADDED_LATER = ((2, _REFER), (3, _TRUNCATE), (5, _DEVICE_CONTROL))  # by version
_TCP = 0b11  # bind and connect
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11


def _restrict_files(box: Box) -> None:
    """Allow writing and reading within the box only, no signals to others, and no connections unless it has them."""
    version = _call("Landlock", _CREATE_RULESET, None, 0, _VERSION)
    handled = _WITHIN | _MAKE_OTHERS | _DEVICE_CONTROL
    for added, right in _ADDED_LATER:
        handled &= ~right if version < added else -1
    if box.reads is not None:
        handled |= _EXECUTE | _READ
    network = _TCP if version >= 4 and not box.network else 0
    scoped = _ABSTRACT_SOCKETS_AND_SIGNALS if version >= 6 else 0
    attribute = struct.pack("<QQQ", handled, network, scoped)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _call("Landlock", _CREATE_RULESET, attribute, len(attribute), 0)
    try:
        for place in () if box.reads is None else (*list_libraries(), *box.reads):
            _allow(ruleset, place, _READ)
        _allow(ruleset, os.devnull, (_WRITE_FILE | _TRUNCATE) & handled)
        for place in sorted({_find_existing(path) for path in box.writes}):
            _allow(ruleset, place, (_WITHIN | _READ) & handled)
        _call("Landlock", _RESTRICT_SELF, ruleset, _ALL_THREADS if version >= 8 else 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, place: str, rights: int) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        descriptor = os.open(place, getattr(os, "O_PATH", 0) | getattr(os, "O_CLOEXEC", 0))
        try:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= _OF_FILES
            _call("Landlock", _ADD_RULE, ruleset, _BENEATH, struct.pack("<Qi", rights, descriptor), 0)
        finally:
            os.close(descriptor)


def _find_existing(path: str) -> str:
    """Return the directory at `path`, or the deepest one around it that exists, without links."""
    place = os.path.realpath(path)
    while not os.path.isdir(place) and place != (above := os.path.dirname(place)):
        place = above
    return place


# --- seccomp ---

_FORBIDDEN = {
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "kcmp": (312, 272), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "tkill": (200, 130), "setpriority": (141, 140), "move_pages": (279, 239), "migrate_pages": (256, 238),
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "msgget": (68, 186), "msgsnd": (69, 189),
    "msgrcv": (70, 188), "msgctl": (71, 187), "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191),
    "semtimedop": (220, 192), "mq_open": (240, 180), "mq_unlink": (241, 181), "process_mrelease": (448, 448),
    "sched_setparam": (142, 118), "sched_setscheduler": (144, 119), "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274), "ioprio_set": (251, 30),
    # large parts of the kernel that nothing here needs
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "fanotify_init": (300, 262), "fanotify_mark": (301, 263), "iopl": (172, None),
    "ioperm": (173, None), "modify_ldt": (154, None), "personality": (135, 92), "vhangup": (153, 58),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "syslog": (103, 116), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "sethostname": (170, 161), "setdomainname": (171, 162), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    # other views of the file system
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "move_mount": (429, 429),
    "open_tree": (428, 428), "open_tree_attr": (467, 467), "mount_setattr": (442, 442), "statmount": (457, 457),
    "listmount": (458, 458),
    # what Landlock has no right for
    "chmod": (90, None), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None), "lchown": (94, None),
    "fchown": (93, 55), "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "setxattrat": (463, 463), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "removexattrat": (466, 466), "file_setattr": (469, 469), "utime": (132, None), "utimes": (235, None),
    "futimesat": (261, None), "utimensat": (280, 88), "truncate": (76, 45), "mknod": (133, None), "mknodat": (259, 33),
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
}  # fmt: skip
"""The system calls that fail, with their numbers on x86-64 and on AArch64."""
_FORBIDDEN_WITHOUT_NETWORK = {
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "execve": (59, 221), "execveat": (322, 281),
}  # fmt: skip
_FORBIDDEN_WITHOUT_OUTPUT = {"fchmod": (91, 52)}  # a file that replaces another gets its permissions
_OTHERS = {
    "capget": (125, 90), "capset": (126, 91), "clone": (56, 220), "clone3": (435, 435), "fcntl": (72, 25),
    "ioctl": (16, 29), "kill": (62, 129), "prctl": (157, 167), "prlimit64": (302, 261), "seccomp": (317, 277),
    "tgkill": (234, 131),
}  # fmt: skip
"""Those that are used here, or fail with some arguments."""
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # the column of numbers; AUDIT_ARCH_…
_OTHER_ABI = 1 << 30  # set in the numbers of x32, a second set of calls of x86-64
_NAMESPACES = 0x7E020080  # the flags of clone that begin with CLONE_NEW
_REQUESTS = (0x5412, 0x541C, 0x8901, 0x8902, 0x40086602, 0x401C5820)
"""Those of ioctl that type into a terminal (TIOCSTI, TIOCLINUX), have signals sent to others (FIOSETOWN, SIOCSPGRP), or
change flags of files that are open for reading (FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR)."""
_OWNERS = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: signals to others

_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_NOT_PERMITTED, _NOT_IMPLEMENTED = 1, 38  # EPERM, ENOSYS
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_SET_FILTER, _SYNCHRONIZE_THREADS = 1, 1

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


def _restrict_calls(box: Box) -> None:
    """Make the system calls fail that the process does not need."""
    import ctypes

    program = b"".join(struct.pack("<HBBI", *one) for one in _compile(box))
    held = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("<H6xQ", len(program) // 8, ctypes.addressof(held))
    number = _find_numbers()["seccomp"]
    if _call("seccomp", number, _SET_FILTER, _SYNCHRONIZE_THREADS, header):
        raise _CannotConfine("seccomp: a thread cannot be confined")


def _find_architecture() -> tuple[int, int]:
    machine = os.uname().machine
    if machine not in _ARCHITECTURES or sys.maxsize < 2**32 or sys.byteorder != "little":
        raise _CannotConfine(f"seccomp: the system calls of {machine} are not known")
    return _ARCHITECTURES[machine]


def _find_numbers() -> dict[str, int]:
    column, _ = _find_architecture()
    return {name: numbers[column] for name, numbers in _OTHERS.items()}


def _compile(box: Box) -> list[Instruction]:
    """Return the filter, a program that is run at each system call."""
    column, architecture = _find_architecture()
    number, own = _find_numbers(), os.getpid()
    forbidden = {
        **_FORBIDDEN,
        **({} if box.network else _FORBIDDEN_WITHOUT_NETWORK),
        **({} if box.writes else _FORBIDDEN_WITHOUT_OUTPUT),
    }
    return [
        (_LOAD, 0, 0, _ARCHITECTURE_AT), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT), *_fail_if((_ANY_BIT, _OTHER_ABI)),
        *_fail_at(numbers[column] for numbers in forbidden.values()),
        *_fail_if((_EQUAL, number["clone3"]), _NOT_IMPLEMENTED),  # its flags cannot be seen; clone stands in
        *_check_argument(number["clone"], 0, _fail_if((_ANY_BIT, _NAMESPACES))),
        *_check_argument(number["ioctl"], 1, [one for request in _REQUESTS for one in _fail_if((_EQUAL, request))]),
        *_check_argument(number["fcntl"], 1, [one for command in _OWNERS for one in _fail_if((_EQUAL, command))]),
        *_check_argument(number["kill"], 0, _fail_unless(own)),
        *_check_argument(number["tgkill"], 0, _fail_unless(own)),
        *_check_argument(number["prlimit64"], 0, _fail_unless(0)),
        (_RETURN, 0, 0, _ALLOW),
    ]  # fmt: skip


def _fail_if(test: tuple[int, int], error: int = _NOT_PERMITTED) -> list[Instruction]:
    code, operand = test
    return [(code, 0, 1, operand), (_RETURN, 0, 0, _FAIL | error)]


def _fail_unless(operand: int) -> list[Instruction]:
    return [(_EQUAL, 1, 0, operand), (_RETURN, 0, 0, _FAIL | _NOT_PERMITTED)]


def _fail_at(numbers: Iterable[int | None]) -> Iterator[Instruction]:
    """Yield a test for each number, with a jump to an error behind them all."""
    known = [number for number in numbers if number is not None]
    for index, number in enumerate(known):
        yield _EQUAL, len(known) - index, 0, number
    yield from [(_EQUAL, 1, 1, 0), (_RETURN, 0, 0, _FAIL | _NOT_PERMITTED)]


def _check_argument(number: int, argument: int, checks: list[Instruction]) -> list[Instruction]:
    """Return `checks` of the lower half of an argument of the call with this number, which is allowed else."""
    load = (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument)
    return [(_EQUAL, 0, len(checks) + 2, number), load, *checks, (_RETURN, 0, 0, _ALLOW)]
