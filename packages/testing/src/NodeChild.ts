/**
 * Processes that end with this process, also if this process is killed.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"

/**
 * Options for {@link start}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Variables in addition to those of this process. */
  readonly env?: { readonly [name: string]: string } | undefined
  readonly cwd?: string | undefined
  /** The user who runs the program. Default: the user of this process. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
  /** The signal that asks the program to end. Default: `SIGTERM`. */
  readonly endSignal?: NodeJS.Signals | undefined
  /** How long the program may take to end, in milliseconds. Then it is killed. Default: 10 seconds. */
  readonly patience?: number | undefined
}

/**
 * A process.
 *
 * @since 0.1.0
 * @category models
 */
export interface Child {
  readonly pid: number
  /** Waits for the end of the process. */
  readonly ended: Effect.Effect<void>
  readonly isRunning: () => boolean
  /** Returns the last 64 KiB of its standard output and standard error. */
  readonly output: () => string
  readonly signal: (signal: NodeJS.Signals) => void
  /** Asks the process to end, and waits for it. Returns whether the process ended in time. */
  readonly stop: Effect.Effect<boolean>
}

/**
 * A shell script that runs a program with the process id of the shell, and ends the program when this process ends, also
 * after SIGKILL: the child of the shell then reads the end of its input.
 */
const script = (signal: string) => `exec 3<&0; (cat <&3 >/dev/null; kill -${signal} $$) & exec "$0" "$@" </dev/null`

const maxOutput = 64 * 1024

/**
 * Starts a program. The end of the scope stops it. A signal of the terminal, such as Ctrl-C, does not reach it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (
  command: string,
  args: ReadonlyArray<string>,
  options: Options = {}
): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => launch(command, args, options)),
    ({ stop }) => stop
  )

const launch = (command: string, args: ReadonlyArray<string>, options: Options): Child => {
  const { cwd, endSignal = "SIGTERM", env, patience = 10_000, user } = options
  const child = spawn("sh", ["-c", script(endSignal.slice(3)), command, ...args], {
    cwd,
    env: { ...process.env, ...env },
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    ...user
  })
  let output = ""
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-maxOutput)
    })
  }
  child.stdin.on("error", () => {})
  const isRunning = () => child.exitCode === null && child.signalCode === null
  const closed = new Promise<void>((resolve) => {
    child.once("exit", () => resolve())
    child.once("error", (error) => {
      output += error.message
      resolve()
    })
  })
  const ended = Effect.promise(() => closed)
  const signal = (name: NodeJS.Signals) => {
    if (isRunning()) child.kill(name)
  }
  const stop = Effect.suspend(() => {
    signal(endSignal)
    return ended.pipe(
      Effect.as(true),
      Effect.timeoutTo({ duration: patience, onTimeout: () => false, onSuccess: (inTime) => inTime }),
      Effect.tap((inTime) => {
        if (!inTime) signal("SIGKILL")
        return ended
      })
    )
  })
  return { pid: child.pid ?? 0, ended, isRunning, output: () => output, signal, stop }
}
