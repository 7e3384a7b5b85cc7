"""Docker's own profile, as a table. Source: moby, profiles/seccomp/default_linux.go, as of 2026."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from minibuild.runtimes.seccomp.profile import ENOSYS, Condition, Profile, Rule, When

_ALLOWED = """
    _llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown
    chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
    clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
    eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark
    fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock
    fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex
    futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu
    getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer
    getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32
    getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr getxattrat
    inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents
    io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc kill landlock_add_rule
    landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr
    listxattrat llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier
    memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect
    mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64
    mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep
    newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect
    poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64
    pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64
    recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir
    rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity
    sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64
    sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop
    semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area
    set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid
    setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid
    setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4
    sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat
    sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime
    timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
    timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime
    utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev
"""
# Before, who traced a process could make it do what its filter forbids.
_SINCE_4_8 = "process_vm_readv process_vm_writev ptrace"
_BY_PROCESSOR = (
    (("amd64", "x32"), "arch_prctl"),
    (("amd64", "x32", "x86"), "modify_ldt"),
    (("arm", "arm64"), "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2"),
    (("ppc64le",), "swapcontext sync_file_range2"),
    (("riscv64",), "riscv_flush_icache"),
    (("s390", "s390x"), "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr"),
)
_BY_CAPABILITY = (
    ("CAP_BPF", "bpf"),
    ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    ("CAP_PERFMON", "perf_event_open"),
    (
        "CAP_SYS_ADMIN",
        """
        bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules
        lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname
        sethostname setns syslog umount umount2 unshare
        """,
    ),
    ("CAP_SYS_BOOT", "reboot"),
    ("CAP_SYS_CHROOT", "chroot"),
    ("CAP_SYSLOG", "syslog"),
    ("CAP_SYS_MODULE", "delete_module finit_module init_module"),
    ("CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    ("CAP_SYS_PACCT", "acct"),
    ("CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"),
    ("CAP_SYS_RAWIO", "ioperm iopl"),
    ("CAP_SYS_TIME", "clock_settime clock_settime64 settimeofday stime"),
    ("CAP_SYS_TTY_CONFIG", "vhangup"),
)
# Families of sockets that are left to a container: those of Linux but for AF_ALG (38, the kernel's cryptography),
# AF_VSOCK (40, its hypervisor) and what kernels no longer have. Below the first number, all.
_FAMILIES_BELOW = 12
_FAMILIES = (13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 44, 45)
# What programs of 32 bits are started with, or ask for by setarch(8); the last is the question which it is.
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
_CLONE_NAMESPACES = 0x7E020000  # CLONE_NEW… of mounts, cgroups, uts, ipc, users, pids, networks
_S390 = ("s390", "s390x")
_ADMIN = ("CAP_SYS_ADMIN",)
_ARCHITECTURES = (
    ("SCMP_ARCH_X86_64", ("SCMP_ARCH_X86", "SCMP_ARCH_X32")),
    ("SCMP_ARCH_AARCH64", ("SCMP_ARCH_ARM",)),
    ("SCMP_ARCH_S390X", ("SCMP_ARCH_S390",)),
)


@cache
def default_profile() -> Profile:
    """What a container has that says nothing else."""
    return Profile("SCMP_ACT_ERRNO", tuple(_rules()), architectures=_ARCHITECTURES)


def _rules() -> Iterator[Rule]:
    yield Rule(tuple(_ALLOWED.split()))
    yield Rule(tuple(_SINCE_4_8.split()), includes=When(kernel="4.8"))
    yield from _equal("socket", "SCMP_CMP_LT", (_FAMILIES_BELOW,))
    yield from _equal("socket", "SCMP_CMP_EQ", _FAMILIES)
    yield from _equal("personality", "SCMP_CMP_EQ", _PERSONALITIES)
    for processors, names in _BY_PROCESSOR:
        yield Rule(tuple(names.split()), includes=When(processors=processors))
    for capability, names in _BY_CAPABILITY:
        yield Rule(tuple(names.split()), includes=When((capability,)))
    # Processes may be cloned, but not into namespaces. The flags are the first argument, on some machines the second.
    flags = Condition(0, "SCMP_CMP_MASKED_EQ", _CLONE_NAMESPACES)
    yield Rule(("clone",), conditions=(flags,), excludes=When(_ADMIN, _S390))
    flags = Condition(1, "SCMP_CMP_MASKED_EQ", _CLONE_NAMESPACES)
    yield Rule(("clone",), conditions=(flags,), includes=When(processors=_S390), excludes=When(_ADMIN))
    # Its flags lie in memory, where no filter can look; who hears that there is no such call takes the other.
    yield Rule(("clone3",), "SCMP_ACT_ERRNO", ENOSYS, excludes=When(_ADMIN))


def _equal(name: str, operator: str, values: tuple[int, ...]) -> Iterator[Rule]:
    for value in values:
        yield Rule((name,), conditions=(Condition(0, operator, value),))
