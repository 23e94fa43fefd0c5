/* Stands in for NCCL; without -DWINDOWS for one older than 2.27, which has no ncclCommWindowRegister. */
int ncclGetVersion(int *version) { *version = VERSION; return 0; }
int ncclAllReduce(void) { return 0; }
#ifdef WINDOWS
int ncclCommWindowRegister(void) { return 0; }
#endif
