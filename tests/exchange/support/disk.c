/* A disk that fails as a test says: loaded before the C library (LD_PRELOAD) into a server under test.
 * DISK names a folder. While there is a file `slow` in it, no sync comes to an end; while there is a
 * file `read-only`, no file can be written, made longer or shorter: as when the system has made the
 * disk read-only because of an error. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int is(const char *how) {
    const char *folder = getenv("DISK");
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder ? folder : "", how);
    return access(path, F_OK) == 0;
}

static int refuses(int file) {
    struct stat what;
    if (fstat(file, &what) != 0 || !S_ISREG(what.st_mode) || !is("read-only"))
        return 0;
    errno = EROFS;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int file) {
    while (is("slow"))
        usleep(1000);
    return REAL(fsync)(file);
}

int fdatasync(int file) {
    while (is("slow"))
        usleep(1000);
    return REAL(fdatasync)(file);
}

ssize_t write(int file, const void *octets, size_t count) {
    return refuses(file) ? -1 : REAL(write)(file, octets, count);
}

ssize_t pwrite64(int file, const void *octets, size_t count, off64_t at) {
    return refuses(file) ? -1 : REAL(pwrite64)(file, octets, count, at);
}

int ftruncate64(int file, off64_t length) {
    return refuses(file) ? -1 : REAL(ftruncate64)(file, length);
}
