"""What code of a stranger tries in a sandbox: each calls `got` with what it has got.

`WORLD` tells it what an attacker may know: a file, a port, a socket, and a process.
"""

from collections.abc import Sequence
from textwrap import indent

ONE = """
def {name}():
    got = []
    try:
        _{name}(got.append)
    except (OSError, ImportError, AttributeError, ValueError, RuntimeError):
        pass
    return got

def _{name}(got):
"""

READ = "got(open(WORLD['secret']).read())"
WRITE = "open(WORLD['secret'], 'w').write('overwritten'); got('overwrote a file')"

# Ways around a guard that is Python code in the process that it guards.
DISABLING = {
    "through sys.modules": f"""
for module in list(sys.modules.values()):
    for name in ('_NEVER', '_READS', '_WRITES', '_FORBIDDEN', '_check', 'restrict', 'install'):
        if hasattr(module, name):
            setattr(module, name, ())
{READ}
""",
    "through gc": f"""
import gc
for thing in gc.get_objects():
    settings = getattr(thing, '__dict__', None)
    if type(settings) is dict:
        for name in {{'own', 'reads', 'readable', 'folder'}} & {{*settings}}:
            settings[name] = '/' if isinstance(settings[name], str) else ('/',)
{READ}
""",
    "through _posixsubprocess": """
import _posixsubprocess
command = f"cat {WORLD['secret']} > {WORLD['folder']}/stolen"
null, (_, pipe) = os.open('/dev/null', os.O_RDWR), os.pipe()
more = (None,) if sys.version_info < (3, 14) else ()
pid = _posixsubprocess.fork_exec(
    [b'sh', b'-c', command.encode()], [b'/bin/sh'], True, (), None, None, null, null, null, null,
    null, null, -1, pipe, False, False, -1, None, None, None, -1, None, *([False] if more else []))
os.waitpid(pid, 0)
got(f'started {pid}')
""",
    "through mknod": """
os.mknod(WORLD['folder'] + '/made', 0o600)
got('made a file')
""",
    "through a race": """
import threading
own = os.getcwd()
away = os.path.relpath(WORLD['secret'], os.path.join(own, 'b'))
deep = os.path.join(own, *['deep'] * (away.count('..') + 1))
os.makedirs(deep)
for name in 'ab':
    os.mkdir(name)
open('a/link', 'w').write('mine')
os.chdir(deep)  # from here the link seems to lead into the own folder
os.symlink(away, os.path.join(own, 'b', 'link'))
os.chdir(own)
ended = []
def swap():
    while not ended:
        os.rename('a', 'c')
        os.rename('b', 'a')
        os.rename('c', 'b')
thread = threading.Thread(target=swap)
thread.start()
for _ in range(5000):
    try:
        text = open('a/link').read()
    except OSError:
        continue
    if text != 'mine':
        got(text)
        break
ended.append(1)
thread.join()
""",
    "through ctypes": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
file = libc.open(WORLD['secret'].encode(), 0)
if file >= 0:
    got(os.read(file, 100))
if libc.fork() == 0:
    os._exit(0)
got('forked') if libc.system(b'true') == 0 else None
""",
}

# What took the limits of the first version off: with it, each attempt below succeeded there.
LIMITS_OFF = """
for module in list(sys.modules.values()):
    for name in ('_NEVER', '_READS', '_WRITES'):
        if hasattr(module, name):
            setattr(module, name, ())
"""

# What the code has no business with, whichever way it is tried.
REACHING = {
    "it reads a file": READ,
    "it lists folders": "got(os.listdir(WORLD['folder']))",
    "it overwrites a file": WRITE,
    "it empties a file": "os.truncate(WORLD['secret'], 0); got('emptied')",
    "it empties a file as it opens it": """
os.close(os.open(WORLD['secret'], os.O_RDONLY | os.O_TRUNC)); got('emptied')
""",
    "it removes a file": "os.remove(WORLD['secret']); got('removed')",
    "it links a file": "os.link(WORLD['secret'], 'mine'); got(open('mine').read())",
    "it starts a shell": "got('shell') if os.system('true') == 0 else None",
    "it becomes a shell": "os.execv('/bin/sh', ['sh', '-c', 'exit 0'])",
    "it starts a terminal": "import pty; pty.fork(); got('forked')",
    "it reads every environment": """
for name in os.listdir('/proc'):
    if name.isdigit():
        try:
            environment = open(f'/proc/{name}/environ', 'rb').read()
        except OSError:
            continue
        if b'SANDBOX_SECRET' in environment:
            got(name)
""",
    "it reads its parents' environments": """
for pid in (os.getppid(), WORLD['process'], 1):
    for file in ('environ', 'cmdline', 'mem', 'maps'):
        try:
            got(len(open(f'/proc/{pid}/{file}', 'rb').read(200)))
        except OSError:
            continue
""",
    "it reads another process's memory": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for pid in (os.getppid(), WORLD['process']):
    if libc.ptrace(0x4206, pid, 0, 0) == 0:
        got('attached')
if libc.syscall(434, WORLD['process'], 0) >= 0:
    got('pidfd_open')
""",
    "it signals others": """
for pid in (os.getppid(), WORLD['process'], -1, 1):
    try:
        os.kill(pid, 0)
        got(f'may signal {pid}')
    except OSError:
        continue
""",
    "it has itself signalled to others": """
import fcntl
reader, writer = os.pipe()
fcntl.fcntl(reader, 8, WORLD['process'])
got('F_SETOWN')
""",
    "it reaches loopback": """
import socket
socket.create_connection(('127.0.0.1', WORLD['port']), 5).send(b'hello')
got('connected')
""",
    "it sends datagrams": """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', WORLD['port']))
got('sent')
""",
    "it reaches a socket by path": """
import socket
socket.socket(socket.AF_UNIX).connect(WORLD['socket'])
got('connected')
""",
    "it sends datagrams from a pair": """
import socket
ours, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
ours.sendto(b'x', WORLD['datagrams'])
got('sent')
""",
    "it listens": """
import socket
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
got('bound')
""",
    "it makes namespaces": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for flag in (0x10000000, 0x20000, 0x40000000):
    if libc.unshare(flag) == 0:
        got('unshared')
if libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0:
    got('mounted')
""",
    "it becomes someone else": "os.setuid(1); got('setuid')",
    "it takes another root": "os.chroot('/'); got('chroot')",
    "it sets the clock": """
import time
time.clock_settime(time.CLOCK_REALTIME, time.time()); got('set')
""",
    "it asks the kernel in a newer way": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(425, 8, ctypes.create_string_buffer(120)) >= 0:
    got('io_uring')
""",
    "it raises its limits": """
import resource
resource.setrlimit(resource.RLIMIT_CPU, resource.getrlimit(resource.RLIMIT_CPU))
got('setrlimit')
""",
    "it unsets what binds it to its parent": """
import ctypes
if ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) == 0:
    got('prctl')
""",
    "it finds keys in its environment": "got(dict(os.environ)) if os.environ else None",
    "it types into the terminal": """
import fcntl
fcntl.ioctl(0, 0x5412, b'x'); got('typed')
""",
}


def attacking(attempts: Sequence[str], world: dict[str, object], first: str = "") -> str:
    """The attempts as the code of an answer, each a function `attempt_1` and so on."""
    parts = [f"import os, sys\nWORLD = {world!r}\n{first}"]
    for number, attempt in enumerate(attempts, 1):
        parts.append(f"{ONE.format(name=f'attempt_{number}')}{indent(attempt.strip(), '    ')}")
    return "\n".join(parts)


def judging(attempts: Sequence[str]) -> str:
    """Tests that fail with the number of each attempt that got something, and what it got."""
    calls = ", ".join(f"{number}: attempt_{number}()" for number, _ in enumerate(attempts, 1))
    got = f"{{number: what for number, what in {{{calls}}}.items() if what}}"
    return f"got = {got}\nassert not got, got"
