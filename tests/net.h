/* SPDX-License-Identifier: MIT */
/* Plain sockets on fibers, for tests that need a peer which misbehaves. All on 127.0.0.1; -1 or false with errno. */
#pragma once
#include "loop.h"
#include "str.h"
#include <sys/types.h>

int net_listen(int backlog, int *port); /* non-blocking, any free port */
bool net_port_free(int port);
int net_connect(int port);              /* non-blocking; may still be connecting */
int net_accept(int fd, int64_t deadline, struct err *e);              /* waits */
bool net_write(int fd, struct str bytes, int64_t deadline, struct err *e); /* waits */
/* waits for some bytes: appended to b. *end at the end of the stream; a reset is ERR_NET "reset". */
bool net_read(int fd, struct buf *b, bool *end, int64_t deadline, struct err *e);
/* waits until b holds text. */
bool net_read_until(int fd, struct buf *b, const char *text, int64_t deadline, struct err *e);
void net_reset(int fd);                 /* closes with a TCP reset */
int net_descriptors(void);              /* how many this process has open */
void net_check_descriptors(int want);   /* waits a little: an abandoned lookup may have a file open for a moment */
/* Another program, silent; it is killed when this process ends, however that ends. */
pid_t net_program_start(const char *const *argv);
void net_program_kill(pid_t pid);
