import * as Effect from "effect/Effect"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as curl from "./curl.js"

const source = (milliseconds: number) => `
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>
int fsync(int file) { usleep(${milliseconds * 1000}); return syscall(SYS_fsync, file); }
int fdatasync(int file) { usleep(${milliseconds * 1000}); return syscall(SYS_fdatasync, file); }
`

/**
 * Compiles a library that makes each fsync of a process slower. Returns the environment for the process, or `undefined`
 * if there is no C compiler.
 */
export const slowSync = (folder: string, milliseconds: number) =>
  Effect.gen(function*() {
    const [file, library] = [join(folder, "slow.c"), join(folder, "slow.so")]
    yield* Effect.promise(() => writeFile(file, source(milliseconds)))
    yield* curl.run("cc", "-shared", "-fPIC", "-O2", "-o", library, file)
    return { LD_PRELOAD: library }
  }).pipe(Effect.orElseSucceed(() => undefined))
