from __future__ import annotations

import subprocess
import sys

import crc32c as library
import pytest

from lstmdump.readers.tensorflow.wire import crc32c


def test_the_checksum_of_the_nine_digits_is_the_known_one() -> None:
    assert crc32c.crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize(
    ("data", "known"),  # RFC 3720, appendix B.4
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_checksums_are_those_of_rfc_3720(data: bytes, known: int) -> None:
    assert crc32c.crc32c(data) == known


def test_masking_rotates_by_15_bits_and_adds_the_constant_of_leveldb() -> None:
    turned = (0xE3069283 >> 15) | (0xE3069283 << 17) & 0xFFFFFFFF
    assert crc32c.masked(b"123456789") == (turned + 0xA282EAD8) & 0xFFFFFFFF


@pytest.mark.parametrize("length", [0, 1, 99_999, 100_000, 100_001])
def test_short_and_long_data_have_the_checksum_of_the_library(length: int) -> None:
    data = (bytes(range(251)) * 400)[:length]
    assert crc32c.crc32c(memoryview(data)) == library.crc32c(data)


def test_a_checksum_continues_another() -> None:
    assert crc32c.crc32c(b"6789", crc32c.crc32c(b"12345")) == 0xE3069283


def test_the_library_is_loaded_after_many_short_data() -> None:
    code = "from lstmdump.readers.tensorflow.wire import crc32c as checksums\nfor _ in range(3): checksums.masked(bytes({size}))\nprint({loaded})"
    loaded = "checksums._in_library is not None"
    done = [
        subprocess.run([sys.executable, "-c", code.format(size=size, loaded=loaded)], capture_output=True, check=True)
        for size in (1_000, 40_000)
    ]
    assert [one.stdout.strip() for one in done] == [b"False", b"True"]


@pytest.mark.skipif(not hasattr(library, "__path__"), reason="this release of it is one module")
def test_the_library_is_loaded_without_the_package_around_it() -> None:
    code = "import sys; from lstmdump.readers.tensorflow.wire import crc32c as checksums; print(checksums.crc32c(bytes(10**6)), *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    checksum, *modules = done.stdout.split()
    assert (int(checksum), {"crc32c", "argparse"} & set(modules)) == (library.crc32c(bytes(10**6)), set())


def test_a_package_without_the_extension_module_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crc32c.PathFinder, "find_spec", lambda *_: None)
    assert crc32c._load_library() is library.crc32c


def test_short_data_do_not_load_the_library() -> None:
    code = "import sys; from lstmdump.readers.tensorflow.wire import crc32c as checksums; checksums.masked(b'x'); print('crc32c' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
