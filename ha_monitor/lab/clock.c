/* The wall clock of one lab host, for programs that load this before libc.
 *
 * No namespace of Linux holds CLOCK_REALTIME, and the machine's own clock is not the lab's to set. So the
 * daemon's processes load this library, which adds the host's offset wherever libc tells them the wall
 * clock: clock_gettime, gettimeofday, time, and the kernel's stamps on received packets. The kernel's own
 * view (file times, timers on CLOCK_REALTIME) is not moved. Monotonic clocks are left as they are.
 *
 * The offset is a file that all processes of the host share: two offsets in ns, and when the second one
 * took the place of the first, so that a packet that came in before the step keeps its stamp of then.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

struct shared {
	int64_t before_ns;
	int64_t now_ns;
	int64_t stepped_ns; /* true wall clock of the step */
};

static const struct shared none;
static const struct shared *host = &none;

__attribute__((constructor)) static void find(void)
{
	const char *path = getenv("HA_LAB_CLOCK");
	int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (file < 0)
		return;
	void *seen = mmap(NULL, sizeof(struct shared), PROT_READ, MAP_SHARED, file, 0);
	if (seen != MAP_FAILED)
		host = seen;
	close(file);
}

static void add(struct timespec *at, int64_t offset_ns)
{
	int64_t all = at->tv_sec * SECOND + at->tv_nsec + offset_ns;
	at->tv_sec = all / SECOND;
	at->tv_nsec = all % SECOND;
}

static int true_clock(clockid_t which, struct timespec *at)
{
	static int (*libc)(clockid_t, struct timespec *);
	if (!libc)
		libc = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	return libc(which, at);
}

int clock_gettime(clockid_t which, struct timespec *at)
{
	int result = true_clock(which, at);
	if (result == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
		add(at, host->now_ns);
	return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
	struct timespec now;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	at->tv_sec = now.tv_sec;
	at->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *at)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (at)
		*at = now.tv_sec;
	return now.tv_sec;
}

ssize_t recvmsg(int sock, struct msghdr *message, int flags)
{
	static ssize_t (*libc)(int, struct msghdr *, int);
	if (!libc)
		libc = (ssize_t (*)(int, struct msghdr *, int))dlsym(RTLD_NEXT, "recvmsg");
	ssize_t size = libc(sock, message, flags);
	if (size < 0 || (!host->now_ns && !host->before_ns))
		return size;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		struct timespec at;
		memcpy(&at, CMSG_DATA(c), sizeof at);
		int64_t stamp = at.tv_sec * SECOND + at.tv_nsec;
		add(&at, stamp < host->stepped_ns ? host->before_ns : host->now_ns);
		memcpy(CMSG_DATA(c), &at, sizeof at);
	}
	return size;
}
