/* command.c -- the seconds that a program takes, its output thrown away.
 * Usage: command program argument... */
#include "bench.h"

static double turn(void *argv)
{
	double start = seconds(CLOCK_MONOTONIC);

	run(argv);
	return seconds(CLOCK_MONOTONIC) - start;
}

int main(int argc, char *argv[])
{
	if (argc < 3)
		errx(2, "usage: command program argument...");
	take_turns(turn, argv + 1);
}
