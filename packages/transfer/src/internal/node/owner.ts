import { hostname } from "node:os"

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

/** Returns whether a process of this machine has ended. Returns `false` for processes of other machines. */
export const hasEnded = (host: string | undefined, pid: string | undefined): boolean =>
  host === hostname() && /^\d+$/.test(pid ?? "") && !isRunning(Number(pid))

/** Returns the ending of the names of files that only this process uses. */
export const suffix = (): string => `.${process.pid}@${hostname()}`

/** Returns whether the process in a file name has ended, or `undefined` if the name has none, or one of another machine. */
export const isAbandoned = (name: string): boolean | undefined => {
  const [, pid, host] = /\.(\d+)@([^/@]+)$/.exec(name) ?? []
  return pid === undefined || host !== hostname() ? undefined : hasEnded(host, pid)
}
