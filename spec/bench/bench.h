/* bench.h -- what the benchmark programs share: the clock, running other
 * programs, and taking turns as spec/bench/run.lua asks for them. */
#ifndef BENCH_H
#define BENCH_H

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* Seconds on a clock. */
static inline double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Run a program to its end with nothing shown; its failure is fatal. */
static inline void run(char *const argv[])
{
	posix_spawn_file_actions_t quiet;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	errno = posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ);
	if (errno)
		err(1, "%s", argv[0]);
	posix_spawn_file_actions_destroy(&quiet);
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		errx(1, "%s %s %s failed", argv[0], argv[1], argv[2]);
}

#define IP(...) run((char *[]){ "ip", __VA_ARGS__, NULL })

static inline void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Start a program on a processor; it ends with this one. */
static inline pid_t start(char *const argv[], int cpu, FILE **output)
{
	int pipes[2];
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		err(1, "pipe");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		stay_on(cpu);
		dup2(pipes[1], 1);
		execvp(argv[0], argv);
		err(1, "%s", argv[0]);
	}
	close(pipes[1]);
	*output = fdopen(pipes[0], "r");
	return pid;
}

/* The next line that a program prints, such as the name of its device. */
static inline void read_line(FILE *output, char *line, int size)
{
	if (!fgets(line, size, output) || !strchr(line, '\n'))
		errx(1, "a program under test printed no line");
	*strchr(line, '\n') = '\0';
}

static inline int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts the figures. */
static inline double median(double *figures, size_t n)
{
	qsort(figures, n, sizeof(*figures), by_value);
	return figures[n / 2];
}

/* For each line on standard input take a turn and print its figure. */
static inline void take_turns(double (*turn)(void *), void *arg)
{
	int c;

	while ((c = getchar()) != EOF) {
		if (c != '\n')
			continue;
		printf("%.9g\n", turn(arg));
		fflush(stdout);
	}
}

#endif
