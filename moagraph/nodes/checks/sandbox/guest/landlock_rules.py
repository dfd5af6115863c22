"""Restrict a process to parts of the machine's file system."""

import os
import sys

_TRUNCATE_IS_CHECKED = 3  # Linux 6.2; before, a file that may be read can be emptied


def restrict(readable: list[str], folder: str, library: str) -> None:
    """Allow reading some paths and writing in one folder; executing is not allowed anywhere.

    Args:
        readable: Files, and folders with all that is in them.
        folder: Where files may be made, changed and removed.
        library: The folder that `py_landlock` is imported from.
    """
    sys.path.append(library)
    from py_landlock import AccessFs, Landlock

    sys.path.remove(library)
    rules = Landlock(strict=False)  # what an older kernel lacks, the system call filter refuses
    if rules.abi_version < _TRUNCATE_IS_CHECKED:
        raise OSError(f"Landlock of this kernel is too old (ABI {rules.abi_version})")
    reading = AccessFs.READ_FILE | AccessFs.READ_DIR
    writing = AccessFs.WRITE_FILE | AccessFs.TRUNCATE | AccessFs.REFER
    making = AccessFs.MAKE_REG | AccessFs.MAKE_DIR | AccessFs.MAKE_SYM
    removing = AccessFs.REMOVE_FILE | AccessFs.REMOVE_DIR
    for path in readable:
        rules.add_path_rule(path, access=reading if os.path.isdir(path) else AccessFs.READ_FILE)
    rules.add_path_rule(os.devnull, access=AccessFs.READ_FILE | AccessFs.WRITE_FILE)
    rules.add_path_rule(folder, access=reading | writing | making | removing)
    rules.apply()
