/* Stands in for NVML. STUB_NVML: what nvmlInit answers (an nvmlReturn_t). */
#include <stdlib.h>

int nvmlInit_v2(void) {
    const char *code = getenv("STUB_NVML");
    return code ? atoi(code) : 0;
}

int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return 0; }
