import { hostname } from "node:os"

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

/** Whether a process of this machine has ended. Nothing is known of the processes of other machines. */
export const hasEnded = (host: string | undefined, pid: string | undefined): boolean =>
  host === hostname() && /^\d+$/.test(pid ?? "") && !isRunning(Number(pid))

/** The ending of the names of files that only this process uses. */
export const suffix = (): string => `.${process.pid}@${hostname()}`

/** Whether the process that a file's name says to be its owner has ended: `undefined` where the name has no owner. */
export const isAbandoned = (name: string): boolean | undefined => {
  const [, pid, host] = /\.(\d+)@([^/@]+)$/.exec(name) ?? []
  return pid === undefined || host !== hostname() ? undefined : hasEnded(host, pid)
}
