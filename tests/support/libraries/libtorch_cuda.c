/* Stands in for the library of torch that calls NCCL. */
int ncclGetVersion(int *version);
int ncclAllReduce(void);
int ncclCommWindowRegister(void);
int torch_communicate(void) { int version; return ncclGetVersion(&version) + ncclAllReduce() + ncclCommWindowRegister(); }
