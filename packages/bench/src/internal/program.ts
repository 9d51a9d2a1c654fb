import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { fork } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"

/** The resources that a process uses. */
export interface Usage {
  /** The processor time since the start of the process, in microseconds. */
  readonly cpu: number
  /** The resident memory, in bytes. */
  readonly rss: number
  /** The maximum resident memory since the last call, in bytes. */
  readonly peak: number
}

/** The functions of a program that its parent process can call. */
export type Questions = { readonly [name: string]: (argument: never) => Promise<unknown> }

type Message = readonly [name: string, argument: unknown]

type Reply = { readonly answer: unknown } | { readonly problem: string }

/**
 * Returns the maximum resident memory of a process since the last call, and resets it. Uses Linux's `/proc`, because
 * `getrusage` begins with the maximum of the parent process.
 */
export const takePeak = (pid: number): number => {
  const [, peak] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
  writeFileSync(`/proc/${pid}/clear_refs`, "5")
  return Number(peak) * 1024
}

const usage = (): Usage => {
  const { system, user } = process.cpuUsage()
  return {
    cpu: user + system,
    rss: process.memoryUsage.rss(),
    peak: existsSync("/proc") ? takePeak(process.pid) : Number.NaN
  }
}

/** Answers the calls of the parent process, until the parent process ends. Call it in the program. */
export const serve = (questions: Questions): void => {
  const all: Questions = { ...questions, usage: () => Promise.resolve(usage()) }
  const reply = (message: Reply) => void process.send?.(message)
  process.on("message", ([name, argument]: Message) => {
    const question = all[name]
    if (question === undefined) return reply({ problem: `no such question: ${name}` })
    question(argument as never).then(
      (answer) => reply({ answer }),
      (problem: unknown) =>
        reply({ problem: problem instanceof Error ? problem.stack ?? problem.message : String(problem) })
    )
  })
  process.on("disconnect", () => process.exit())
}

/** A program ended, or failed to answer. */
export class ProgramFailed extends Data.TaggedError("ProgramFailed")<{
  readonly program: string
  readonly reason: string
}> {
  override get message(): string {
    return `${this.program}: ${this.reason}`
  }
}

/** A program that runs in its own process, and answers one call at a time. */
export interface Program<Q extends Questions> {
  readonly ask: <Name extends keyof Q & string>(
    name: Name,
    ...argument: Parameters<Q[Name]>
  ) => Effect.Effect<Awaited<ReturnType<Q[Name]>>, ProgramFailed>
  readonly usage: Effect.Effect<Usage, ProgramFailed>
}

/** Starts one of `../programs`. Stops it when the scope closes. `env` adds variables to the environment. */
export const start = <Q extends Questions>(
  program: string,
  env: { readonly [name: string]: string } = {}
): Effect.Effect<Program<Q>, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        fork(new URL(`../programs/${program}.js`, import.meta.url), {
          serialization: "advanced",
          env: { ...process.env, ...env }
        })
      ),
      (child) =>
        Effect.async<void>((resume) => {
          if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
          child.once("exit", () => resume(Effect.void))
          child.kill("SIGKILL")
        })
    ),
    (child) => {
      const ask = (name: string, argument?: unknown): Effect.Effect<never, ProgramFailed> =>
        Effect.async((resume) => {
          const fail = (reason: string) => resume(Effect.fail(new ProgramFailed({ program, reason })))
          const onExit = () => fail("it ended")
          const onMessage = (reply: Reply) => {
            child.off("exit", onExit)
            if ("answer" in reply) resume(Effect.succeed(reply.answer as never))
            else fail(reply.problem)
          }
          if (!child.connected) return onExit()
          child.once("message", onMessage).once("exit", onExit)
          child.send([name, argument])
          return Effect.sync(() => child.off("message", onMessage).off("exit", onExit))
        })
      return { ask, usage: ask("usage") }
    }
  )
