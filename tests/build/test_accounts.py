"""USER and --chown are resolved as Docker resolves them."""

from __future__ import annotations

import pytest

from minibuild.build.accounts import Account, Accounts
from minibuild.errors import ImageError

IMAGE = Accounts(
    b"root:x:0:0:root:/root:/bin/sh\n# comment\nwww:x:33:34:www:/var/www:/bin/false\n"
    b"app:x:1000:1001::/home/app:\nbroken\nhomeless:x:60:61:::\n",
    b"root:x:0:\nstaff:x:50:app,www\nwww:x:34:\ndocker:x:998:app\n",
)


@pytest.mark.parametrize(
    ("user", "account"),
    [
        ("", Account(0, 0, (), "/root")),
        ("root", Account(0, 0, (), "/root")),
        ("app", Account(1000, 1001, (50, 998), "/home/app")),
        ("1000", Account(1000, 1001, (50, 998), "/home/app")),
        ("app:staff", Account(1000, 50, (), "/home/app")),
        ("app:7", Account(1000, 7, (), "/home/app")),
        ("33:root", Account(33, 0, (), "/var/www")),
        ("homeless", Account(60, 61, (), "")),
        ("4242", Account(4242, 0, (), "/")),
        ("4242:4243", Account(4242, 4243, (), "/")),
    ],
)
def test_user_means_what_docker_says_it_means(user: str, account: Account) -> None:
    assert IMAGE.account(user) == account


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("app", (1000, 1001)),
        ("1", (1, 1)),
        ("1000", (1000, 1000)),
        ("app:staff", (1000, 50)),
        ("app:0", (1000, 0)),
        ("5:6", (5, 6)),
        (":staff", (0, 50)),
    ],
)
def test_chown_means_what_docker_says_it_means(words: str, ids: tuple[int, int]) -> None:
    assert IMAGE.owner(words) == ids


def test_an_unknown_name_is_an_error_that_suggests_a_known_one() -> None:
    with pytest.raises(ImageError, match="no user 'ap' in the image's /etc/passwd") as caught:
        IMAGE.owner("ap:staff")
    assert caught.value.hint == "did you mean app?"


def test_an_unknown_group_is_an_error() -> None:
    with pytest.raises(ImageError, match="no group 'nope' in the image's /etc/group"):
        IMAGE.account("app:nope")


def test_a_number_that_no_kernel_takes_is_an_error() -> None:
    with pytest.raises(ImageError, match="out of range"):
        IMAGE.account("4294967295")


def test_an_image_without_the_files_takes_numbers_and_root() -> None:
    assert Accounts().account("12:13") == Account(12, 13, (), "/")
    assert Accounts().account("") == Account(0, 0, (), "/")
