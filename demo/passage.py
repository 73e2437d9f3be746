"""Let one system user pass the folders above its own, and nobody else: an entry in each folder's access list (POSIX ACL).

The list is the extended attribute `system.posix_acl_access`: a version, then entries of tag, permissions and user or group,
in the order of their tags. Written here with the standard library, because setfacl is not everywhere.
"""

import errno
import os
import stat
import struct
from pathlib import Path

from demo.errors import DemoError

ATTRIBUTE = "system.posix_acl_access"
VERSION, ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
OWNER, USER, GROUP, MASK, OTHERS = 0x01, 0x02, 0x04, 0x10, 0x20
NOBODY_IN_PARTICULAR = 0xFFFFFFFF
PASS = 1

Entries = dict[tuple[int, int], int]
"""Permissions by tag and user or group."""


def let_pass(user: int, folder: Path) -> None:
    """Let `user` pass, but not list or read, the folder and those above it. Raises DemoError where the file system does not support it."""
    for each in [folder, *folder.parents]:
        status = each.stat()
        if status.st_mode & stat.S_IXOTH or status.st_uid == user:
            continue
        entries = _entries(each, status.st_mode)
        if entries.get((USER, user), 0) & entries.get((MASK, NOBODY_IN_PARTICULAR), 0) & PASS:
            continue  # a chmod of the folder since would have taken it out of the mask
        entries[USER, user] = entries.get((USER, user), 0) | PASS
        entries[MASK, NOBODY_IN_PARTICULAR] = _mask(entries)
        try:
            os.setxattr(each, ATTRIBUTE, _packed(entries))
        except OSError as error:
            raise DemoError(
                f"PostgreSQL does not run as root, and its system user may not pass {each} ({error.strerror}): choose a "
                "LARDER_DATA that it may reach, or name a running server in LARDER_DEMO_POSTGRES_URL"
            ) from error


def _entries(folder: Path, mode: int) -> Entries:
    """The folder's access list; where it has none, one that equals its mode."""
    try:
        packed = os.getxattr(folder, ATTRIBUTE)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP):
            raise
        bits = {OWNER: mode >> 6, GROUP: mode >> 3, OTHERS: mode}
        return {(tag, NOBODY_IN_PARTICULAR): bit & 7 for tag, bit in bits.items()}
    return {(tag, who): permissions for tag, permissions, who in ENTRY.iter_unpack(packed[VERSION.size :])}


def _mask(entries: Entries) -> int:
    """What named users and groups may have at most: all that any of them has."""
    mask = 0
    for (tag, _), permissions in entries.items():
        if tag not in (OWNER, MASK, OTHERS):
            mask |= permissions
    return mask


def _packed(entries: Entries) -> bytes:
    ordered = sorted(entries.items())
    return VERSION.pack(2) + b"".join(ENTRY.pack(tag, bits, who) for (tag, who), bits in ordered)
