"""The numbers of the system calls that the filter names, on x86-64 and 64-bit ARM."""

import os

# audit architecture (linux/audit.h), and the column of the table
_MACHINES = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}

_TABLE = """
read 0 63
write 1 64
readv 19 65
writev 20 66
pread64 17 67
pwrite64 18 68
preadv 295 69
pwritev 296 70
close 3 57
close_range 436 436
lseek 8 62
fstat 5 80
newfstatat 262 79
stat 4 -
lstat 6 -
statx 332 291
access 21 -
faccessat 269 48
faccessat2 439 439
readlink 89 -
readlinkat 267 78
statfs 137 43
fstatfs 138 44
getcwd 79 17
chdir 80 49
fchdir 81 50
getdents 78 -
getdents64 217 61
fcntl 72 25
ioctl 16 29
flock 73 32
open 2 -
openat 257 56
creat 85 -
mkdir 83 -
mkdirat 258 34
symlink 88 -
symlinkat 266 36
link 86 -
linkat 265 37
mknod 133 -
mknodat 259 33
unlink 87 -
unlinkat 263 35
rename 82 -
renameat 264 38
renameat2 316 276
rmdir 84 -
ftruncate 77 46
truncate 76 45
fsync 74 82
fdatasync 75 83
chmod 90 -
fchmod 91 52
fchmodat 268 53
fchmodat2 452 452
utime 132 -
utimes 235 -
futimesat 261 -
utimensat 280 88
setxattr 188 5
lsetxattr 189 6
fsetxattr 190 7
getxattr 191 8
lgetxattr 192 9
fgetxattr 193 10
listxattr 194 11
llistxattr 195 12
flistxattr 196 13
removexattr 197 14
lremovexattr 198 15
fremovexattr 199 16
copy_file_range 326 285
sendfile 40 71
umask 95 166
mmap 9 222
munmap 11 215
mprotect 10 226
mremap 25 216
madvise 28 233
brk 12 214
msync 26 227
rt_sigaction 13 134
rt_sigprocmask 14 135
rt_sigreturn 15 139
rt_sigpending 127 136
rt_sigsuspend 130 133
rt_sigtimedwait 128 137
sigaltstack 131 132
pause 34 -
alarm 37 -
getitimer 36 102
setitimer 38 103
futex 202 98
futex_waitv 449 449
set_robust_list 273 99
get_robust_list 274 100
rseq 334 293
membarrier 324 283
sched_yield 24 124
sched_getaffinity 204 123
getcpu 309 168
set_tid_address 218 96
restart_syscall 219 128
gettid 186 178
getpid 39 172
getppid 110 173
getuid 102 174
geteuid 107 175
getgid 104 176
getegid 108 177
getresuid 118 148
getresgid 120 150
getgroups 115 158
getpgrp 111 -
getpgid 121 155
getsid 124 156
clone 56 220
fork 57 -
vfork 58 -
execve 59 221
execveat 322 281
exit 60 93
exit_group 231 94
wait4 61 260
waitid 247 95
kill 62 129
tgkill 234 131
nanosleep 35 101
clock_nanosleep 230 115
clock_gettime 228 113
clock_getres 229 114
gettimeofday 96 169
time 201 -
times 100 153
getrusage 98 165
getrlimit 97 163
prlimit64 302 261
getpriority 140 141
uname 63 160
sysinfo 99 179
getrandom 318 278
pipe 22 -
pipe2 293 59
dup 32 23
dup2 33 -
dup3 292 24
eventfd 284 -
eventfd2 290 19
epoll_create 213 -
epoll_create1 291 20
epoll_ctl 233 21
epoll_wait 232 -
epoll_pwait 281 22
epoll_pwait2 441 441
poll 7 -
ppoll 271 73
select 23 -
pselect6 270 72
socket 41 198
socketpair 53 199
connect 42 203
bind 49 200
listen 50 201
accept 43 202
accept4 288 242
sendto 44 206
sendmsg 46 211
sendmmsg 307 269
recvfrom 45 207
recvmsg 47 212
shutdown 48 210
getsockname 51 204
getpeername 52 205
getsockopt 55 209
setsockopt 54 208
memfd_create 319 279
prctl 157 167
ptrace 101 117
seccomp 317 277
chown 92 -
fchown 93 55
lchown 94 -
fchownat 260 54
mount 165 40
unshare 272 97
setns 308 268
"""


class UnknownMachine(Exception):
    """There is no table for this processor."""


def architecture() -> int:
    """Return the audit constant of this processor's architecture."""
    return _machine()[0]


def numbers() -> dict[str, int]:
    """Return the numbers of the calls that this processor has, by name."""
    column = _machine()[1]
    rows = (line.split() for line in _TABLE.split("\n") if line)
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def _machine() -> tuple[int, int]:
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise UnknownMachine(f"no system call numbers for {machine!r}")
    return _MACHINES[machine]
