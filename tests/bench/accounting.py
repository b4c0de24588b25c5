"""What a peer costs: CPU time and memory of its processes, and what the rest of the machine did meanwhile.

CPU time comes from a cpuacct cgroup where one can be made (exact, children included), else from /proc/PID/stat.
"""
import contextlib
import os
import resource
import signal
import time


class Accounting:
    """CPU time and memory of a process and all that it begets."""

    def __init__(self):
        self.pid = None
        self.group = f"/sys/fs/cgroup/cpuacct/mailbench-{os.getpid()}"
        try:
            os.mkdir(self.group)
        except OSError:
            self.group = None    # then /proc/PID/stat, by session

    def enter(self):
        """Called in the child before it becomes the peer."""
        if self.group:
            with open(self.group + "/cgroup.procs", "w") as f:
                f.write(str(os.getpid()))

    def pids(self):
        if self.group:
            with open(self.group + "/cgroup.procs") as f:
                return [int(line) for line in f]
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/stat") as f:
                        fields = f.read().rsplit(")", 1)[1].split()
                except OSError:
                    continue
                if int(fields[3]) == self.pid:
                    found.append(int(name))
        return found

    def cpu_seconds(self):
        if self.group:
            with open(self.group + "/cpuacct.usage") as f:
                return int(f.read()) / 1e9
        ticks = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/stat") as f:
                    ticks += sum(map(int, f.read().rsplit(")", 1)[1].split()[11:15]))
            except OSError:
                pass
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_kib(self):
        pss = rss = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/smaps_rollup") as f:
                    for line in f:
                        if line.startswith("Pss:"):
                            pss += int(line.split()[1])
                        elif line.startswith("Rss:"):
                            rss += int(line.split()[1])
            except OSError:
                pass
        return pss, rss

    def close(self):
        if self.group:
            for pid in self.pids():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            for _ in range(50):
                try:
                    os.rmdir(self.group)
                    break
                except OSError:
                    time.sleep(0.1)


def core_busy():
    """Busy seconds of each core since boot."""
    busy = []
    with open("/proc/stat") as f:
        for line in f:
            if line.startswith("cpu") and line[3].isdigit():
                v = list(map(int, line.split()[1:9]))
                busy.append((sum(v) - v[3] - v[4]) / os.sysconf("SC_CLK_TCK"))
    return busy


def thread_cpu(pid):
    """CPU seconds of a single-threaded process."""
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[0]) / 1e9


def children_cpu():
    u = resource.getrusage(resource.RUSAGE_CHILDREN)
    return u.ru_utime + u.ru_stime


def kernel_threads_cpu():
    """CPU seconds of the kernel's own threads (coarse: clock ticks)."""
    ticks = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[6]) & 0x200000:
                ticks += int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def meminfo(name):
    with open("/proc/meminfo") as f:
        for line in f:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    raise LookupError(name)


def tcp_buffer_kib():
    with open("/proc/net/sockstat") as f:
        for line in f:
            if line.startswith("TCP:"):
                return int(line.split()[-1]) * 4
    raise LookupError("TCP")
