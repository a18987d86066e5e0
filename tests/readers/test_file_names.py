import ntpath
import posixpath
from itertools import product

import pytest

from lstmdump.readers.file_names import is_plain_file_name


def test_plain_names_are_those_without_a_directory_on_any_system() -> None:
    names = ["".join(signs) for length in (1, 2, 3, 4) for signs in product("ab:/\\.", repeat=length)]
    own = [name for name in names if posixpath.basename(name) == name == ntpath.basename(name)]
    assert [name for name in names if is_plain_file_name(name)] == [name for name in own if name not in (".", "..")]


@pytest.mark.parametrize("name", ["", ".", "..", "a\n", "a\0", "\u202ea"])
def test_names_of_no_file_are_not_plain(name: str) -> None:
    assert not is_plain_file_name(name)
