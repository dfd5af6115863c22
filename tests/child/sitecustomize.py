"""Found on the path of a child process: there too, only this machine can be reached."""

from tests.guard import guarded

guard = guarded()
guard.__enter__()
