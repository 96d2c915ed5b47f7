/* A dma-buf heap for kernels without one: preloaded into the process that opens the camera.
 *
 * libcamera and picamera2 take their buffers from /dev/dma_heap. Here opening such a heap
 * and asking it for memory give memfds, which can be mapped and passed on alike. The ioctls
 * that keep a real dma-buf coherent have nothing to do. All other calls go to the C library.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES 4096ULL

static int is_heap(const char *path)
{
    return path != NULL && strncmp(path, "/dev/dma_heap/", strlen("/dev/dma_heap/")) == 0;
}

static int allocate(struct dma_heap_allocation_data *wanted)
{
    int memory = memfd_create("fakedma-buffer", MFD_CLOEXEC);
    if (memory < 0)
        return -1;
    if (ftruncate(memory, (off_t)((wanted->len + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1))) < 0) {
        close(memory);
        return -1;
    }
    wanted->fd = (__u32)memory;
    return 0;
}

/* The mode comes only with flags that make a file. */
#define MODE(flags, last, mode)                        \
    mode_t mode = 0;                                   \
    if ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE) { \
        va_list rest;                                  \
        va_start(rest, last);                          \
        mode = va_arg(rest, mode_t);                   \
        va_end(rest);                                  \
    }

#define OPEN(name)                                                        \
    int name(const char *path, int flags, ...)                            \
    {                                                                     \
        static int (*real)(const char *, int, ...);                       \
        MODE(flags, flags, mode)                                          \
        if (is_heap(path))                                                \
            return memfd_create("fakedma-heap", MFD_CLOEXEC);             \
        if (real == NULL)                                                 \
            real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name); \
        return real(path, flags, mode);                                   \
    }

#define OPENAT(name)                                                      \
    int name(int folder, const char *path, int flags, ...)                \
    {                                                                     \
        static int (*real)(int, const char *, int, ...);                  \
        MODE(flags, flags, mode)                                          \
        if (is_heap(path))                                                \
            return memfd_create("fakedma-heap", MFD_CLOEXEC);             \
        if (real == NULL)                                                 \
            real = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, #name); \
        return real(folder, path, flags, mode);                           \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int ioctl(int file, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, ...);
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    switch (request & 0xffffffffUL) { /* callers disagree about the sign of the upper half */
    case DMA_HEAP_IOCTL_ALLOC & 0xffffffffUL:
        return allocate(argument);
    case DMA_BUF_IOCTL_SYNC & 0xffffffffUL:
    case DMA_BUF_SET_NAME_A & 0xffffffffUL:
    case DMA_BUF_SET_NAME_B & 0xffffffffUL:
        return 0;
    }
    if (real == NULL)
        real = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    return real(file, request, argument);
}
