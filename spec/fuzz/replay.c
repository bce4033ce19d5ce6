/* replay.c -- runs a target with the files that are its arguments: inputs that
 * once were findings. */
#include "fuzz.h"

#include <stdio.h>

enum { INPUT_MOST = 1 << 20 };

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static void replay(const char *name)
{
	unsigned char *bytes = malloc(INPUT_MOST);
	FILE *file = fopen(name, "rb");
	size_t n;

	if (!file) {
		perror(name);
		exit(1);
	}
	n = fread(bytes, 1, INPUT_MOST, file);
	fclose(file);
	LLVMFuzzerTestOneInput(bytes, n);
	free(bytes);
}

int main(int argc, char **argv)
{
	int i;

	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (i = 1; i < argc; i++)
		replay(argv[i]);
	printf("%d inputs\n", argc - 1);
	return 0;
}
