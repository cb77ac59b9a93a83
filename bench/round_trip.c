/* A yardstick: one byte to another process and back over TCP on loopback: round_trip COUNT. Prints the median, seconds.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_NS = 10 * 1000 * 1000 }; /* between two: an idle connection, processors asleep */

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int connected(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)address, sizeof(*address)) < 0)
		err(1, "connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void __attribute__((noreturn)) echo(int listener)
{
	int fd = accept(listener, NULL, NULL), on = 1;
	char byte;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	while (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1)
		;
	_exit(0);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	long count = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
	double *took = count > 0 ? calloc((size_t)count, sizeof(*took)) : NULL;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	char byte = 1;

	if (!took)
		errx(2, "usage: round_trip COUNT");
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, len) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &len) < 0)
		err(1, "listen");
	if (fork() == 0)
		echo(listener);
	int fd = connected(&address);
	for (long i = 0; i < count; i++) {
		nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
		took[i] = seconds();
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			err(1, "round trip");
		took[i] = seconds() - took[i];
	}
	close(fd);
	wait(NULL);
	qsort(took, (size_t)count, sizeof(*took), by_value);
	printf("%.7f\n", took[count / 2]);
	free(took);
	return 0;
}
