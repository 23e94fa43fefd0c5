/* Stands in for the NVIDIA driver's library. What it answers stands in STUB_… of the environment:
   STUB_INIT (a CUresult, "hang" or "crash"), STUB_CUDA (13020 for 13.2), STUB_GPUS, STUB_TOTAL and STUB_FREE (MiB),
   STUB_CAPABILITY (80 for 8.0), STUB_CONTEXT (a CUresult). -DVERSION=… wins over STUB_CUDA. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int number(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

static size_t mebibytes(const char *name, int otherwise) { return (size_t)number(name, otherwise) << 20; }

int cuInit(unsigned flags) {
    const char *how = getenv("STUB_INIT");
    if (how && !strcmp(how, "hang")) for (;;) pause();
    if (how && !strcmp(how, "crash")) abort();
    return how ? atoi(how) : 0;
}

int cuDriverGetVersion(int *version) {
#ifdef VERSION
    *version = VERSION;
#else
    *version = number("STUB_CUDA", 13000);
#endif
    return 0;
}

int cuDeviceGetCount(int *count) { *count = number("STUB_GPUS", 1); return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return 0; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, "Stub 4090", size); return 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = mebibytes("STUB_TOTAL", 24564); return 0; }

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    int capability = number("STUB_CAPABILITY", 89);
    *value = attribute == 75 ? capability / 10 : capability % 10;
    return 0;
}

int cuDevicePrimaryCtxRetain(void **context, int device) { return number("STUB_CONTEXT", 0); }
int cuDevicePrimaryCtxRelease_v2(int device) { return 0; }
int cuCtxSetCurrent(void *context) { return 0; }

int cuMemGetInfo_v2(size_t *free, size_t *total) {
    *free = mebibytes("STUB_FREE", 24000);
    return cuDeviceTotalMem_v2(total, 0);
}
