/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target once over every file of the folders given: the corpora are tests of ordinary builds too. */
#include "base.h"
#include <dirent.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST_FILE = 4 << 20 };

static bool run_file(const char *path)
{
	FILE *f = fopen(path, "rbe");
	if (!f) {
		perror(path);
		return false;
	}
	uint8_t *data = mem_alloc(LARGEST_FILE);
	size_t n = fread(data, 1, LARGEST_FILE, f);
	bool ok = !ferror(f);
	fclose(f);
	uint8_t *exact = mem_alloc(n); /* of the exact size, so that a sanitizer sees a read beyond the end */
	memcpy(exact, data, n);
	free(data);
	if (ok)
		LLVMFuzzerTestOneInput(exact, n);
	else
		perror(path);
	free(exact);
	return ok;
}

/* The number of files, -1 when one could not be read. */
static int run_folder(const char *folder)
{
	int n = 0;
	DIR *d = opendir(folder);
	if (!d) {
		perror(folder);
		return -1;
	}
	for (struct dirent *entry; n >= 0 && (entry = readdir(d));) {
		char path[2048];
		if (entry->d_name[0] == '.')
			continue;
		int length = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		n = length < (int)sizeof(path) && run_file(path) ? n + 1 : -1;
	}
	closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	int passed = 0;
	for (int i = 1; i < argc; i++) {
		int n = run_folder(argv[i]);
		printf("%s: %d files\n", argv[i], n);
		if (n <= 0) /* an empty corpus tests nothing */
			return 1;
		passed += n;
	}
	printf("%d passed, 0 failed\n", passed); /* a file that fails ends the process before */
	return argc < 2;
}
