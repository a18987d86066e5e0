"""Check the opcodes of an answer before Python's unpickler, which is written in C, sees it.

A process that a model has taken over may send anything. A pickle of ten bytes makes the unpickler take 32 GiB for its
memo, and thousands of keys that all have one hash keep it busy for hours. An answer has few kinds of opcodes: each is
known here with its length, so that no other gets through, and no length reaches beyond the end. Where an opcode lies
across the end of a frame, the unpickler drops what is left of the frame and would see other opcodes than these: every
frame must end between two of them.
Source: `pickletools` in Python 3.14, and `Modules/_pickle.c`, for frames.
"""

from __future__ import annotations

from pickle import UnpicklingError

_WITHOUT_ARGUMENT = b"N\x88\x89]}()\x8f\x85\x86\x87taesu\x90\x91\x94\x93R01."
_FIXED = {0x80: 1, ord("h"): 1, ord("j"): 4, ord("K"): 1, ord("M"): 2, ord("J"): 4, ord("G"): 8}
_SIZED = {ord("C"): 1, ord("B"): 4, 0x8C: 1, ord("X"): 4, 0x8D: 8, 0x8E: 8, 0x96: 8}
_FRAME = 0x95
_LONG = 0x8A
_LONGEST = 9  # bytes of a number: of all with one hash, so few are as short that they cannot slow a dictionary down
_STOP = ord(".")

_SIMPLE = frozenset(_WITHOUT_ARGUMENT)


def require_known(answer: bytes) -> None:
    """Check that `answer` is one pickle of the opcodes that answers have.

    Raises:
        pickle.UnpicklingError: It has another opcode, a number that is too long, a frame that ends within an opcode or
            holds another, or is cut short.
    """
    at, size, frame = 0, len(answer), 0  # `frame`: where the last one ends
    while at < size:
        code, within = answer[at], at < frame
        at += 1
        if code in _SIMPLE:
            if code == _STOP:
                break
        elif code in _FIXED:
            at += _FIXED[code]
        elif code in _SIZED:
            width = _SIZED[code]
            at += width + int.from_bytes(answer[at : at + width], "little")
        elif code == _FRAME and not within:
            at += 8
            frame = at + int.from_bytes(answer[at - 8 : at], "little")
        elif code == _LONG and answer[at : at + 1] <= bytes([_LONGEST]):
            at += 1 + sum(answer[at : at + 1])
        else:
            raise UnpicklingError(f"the answer has the opcode {code:#x}, which no answer has")
        if within and at > frame:
            raise UnpicklingError("the answer has a frame that ends within an opcode")
    if at != size or frame > size or not size or answer[-1] != _STOP:
        raise UnpicklingError("the answer is cut short, or longer than it says")
