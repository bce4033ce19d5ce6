/* command.c -- the seconds that a program takes, its output thrown away: the
 * median of some runs one after the other, as the first wakes an idle
 * processor. Usage: command program argument... */
#include "bench.h"

enum { TIMES = 5 };

static double turn(void *argv)
{
	double took[TIMES], start;
	int i;

	for (i = 0; i < TIMES; i++) {
		start = seconds(CLOCK_MONOTONIC);
		run(argv);
		took[i] = seconds(CLOCK_MONOTONIC) - start;
	}
	return median(took, TIMES);
}

int main(int argc, char *argv[])
{
	if (argc < 3)
		errx(2, "usage: command program argument...");
	take_turns(turn, argv + 1);
}
