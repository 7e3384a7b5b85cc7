"""Users and groups of an image, looked up in its own ``/etc/passwd`` and ``/etc/group``: as text, by no library of
the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from minibuild.errors import ImageError, did_you_mean
from minibuild.layers.tree import Tree
from minibuild.values import dataclass

_HIGHEST_ID = 2**31 - 1
_LIMIT = 10 << 20
_PASSWD, _GROUP = "etc/passwd", "etc/group"


@dataclass(frozen=True, slots=True)
class Account:
    """Who a process runs as: numeric ids, supplementary groups, home directory."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = "/"


@dataclass(frozen=True, slots=True)
class Accounts:
    """The two files' bytes; empty where the image has none."""

    passwd: bytes = b""
    group: bytes = b""

    def account(self, user: str) -> Account:
        """Who ``USER user`` means, by Docker's rules: a name first, then a number; "" is root.

        A number that has no line is taken as it is, with group 0 and home ``/``. ``user:group`` has no supplementary
        groups, ``user`` those that list it. Raises ImageError for a name without a line.
        """
        name, colon, group = user.partition(":")
        line = self._user(name or "0")
        if line is None:
            uid, gid, home, login = self._number(name or "0", user, "user", self.passwd), 0, "/", ""
        else:
            login, uid, gid, home = line
        if colon and group:
            return Account(uid, self.group_id(group), (), home)
        return Account(uid, gid, () if colon else self._memberships(login), home)

    def owner(self, words: str) -> tuple[int, int]:
        """The ids that ``--chown=words`` means: a number alone is the group too, a name alone brings its own
        group.
        """
        name, colon, group = words.partition(":")
        line = self._user(name) if name else None
        if line is not None and not name.isdigit():
            uid, gid = line[1], line[2]
        else:
            uid = self._number(name or "0", words, "user", self.passwd)
            gid = uid
        return uid, self.group_id(group) if colon and group else gid

    def group_id(self, group: str) -> int:
        """The number of a group, by name or number; raises ImageError for a name without a line."""
        for fields in _lines(self.group, 3):
            if fields[0] == group:
                return _id(fields[2])
        return self._number(group, group, "group", self.group)

    def _user(self, name: str) -> tuple[str, int, int, str] | None:
        number = int(name) if name.isdigit() else -1
        for fields in _lines(self.passwd, 4):
            if fields[0] == name or _id(fields[2]) == number:
                home = fields[5] if len(fields) > 5 else ""
                return fields[0], _id(fields[2]), _id(fields[3]), home
        return None

    def _memberships(self, login: str) -> tuple[int, ...]:
        if not login:
            return ()
        lists = ((fields[2], fields[3].split(",")) for fields in _lines(self.group, 4))
        return tuple(_id(number) for number, members in lists if login in members)

    def _number(self, word: str, words: str, what: str, content: bytes) -> int:
        if word.isdigit() and int(word) <= _HIGHEST_ID:
            return int(word)
        file = "/etc/passwd" if what == "user" else "/etc/group"
        known = [fields[0] for fields in _lines(content, 3)]
        if word.lstrip("-").isdigit():
            raise ImageError(f"{what} {word} of {words!r} is out of range, wanted 0 to {_HIGHEST_ID}")
        raise ImageError(
            f"no {what} {word!r} in the image's {file}",
            hint=did_you_mean(word, known) or f"add it in a RUN before, or name the {what} by its number",
        )


def accounts_of(tree: Tree) -> Accounts:
    """The users and groups of an image, out of its layers."""
    return Accounts(tree.read(_PASSWD, _LIMIT) or b"", tree.read(_GROUP, _LIMIT) or b"")


def accounts_in(root: Path) -> Accounts:
    """The users and groups of a mounted tree, read without leaving it."""
    from minibuild.sandbox.files import read_in_root

    return Accounts(read_in_root(root, _PASSWD, _LIMIT) or b"", read_in_root(root, _GROUP, _LIMIT) or b"")


def _lines(content: bytes, at_least: int) -> Iterator[list[str]]:
    for line in content.decode("utf-8", "surrogateescape").splitlines():
        fields = line.strip().split(":")
        if len(fields) >= at_least and not line.startswith("#"):
            yield fields


def _id(text: str) -> int:
    # -1 is no id that anything has, so a damaged line matches nothing that is asked for by number.
    return int(text) if text.isdigit() else -1
