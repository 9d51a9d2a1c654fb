import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { fork } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"

/** What a process uses. */
export interface Usage {
  /** Processor time since it began, in microseconds. */
  readonly cpu: number
  /** Memory that is resident, in bytes. */
  readonly rss: number
  /** The most that was resident since it was asked the last time, in bytes. */
  readonly peak: number
}

/** What is asked of a program, and what it answers. */
export type Questions = { readonly [name: string]: (argument: never) => Promise<unknown> }

type Message = readonly [name: string, argument: unknown]

type Reply = { readonly answer: unknown } | { readonly problem: string }

/** As Linux tells it: what `getrusage` tells is, in the beginning, the most of the process that started this one. */
const takePeak = (): number => {
  const [, peak] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? []
  writeFileSync("/proc/self/clear_refs", "5")
  return Number(peak) * 1024
}

const usage = (): Usage => {
  const { system, user } = process.cpuUsage()
  return { cpu: user + system, rss: process.memoryUsage.rss(), peak: existsSync("/proc") ? takePeak() : Number.NaN }
}

/** In the program: answers what it is asked, one after the other, until its parent is gone. */
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

/** A program ended, or could not answer. */
export class ProgramFailed extends Data.TaggedError("ProgramFailed")<{
  readonly program: string
  readonly reason: string
}> {
  override get message(): string {
    return `${this.program}: ${this.reason}`
  }
}

/** A program of ours that runs in a process of its own, and is asked one question at a time. */
export interface Program<Q extends Questions> {
  readonly ask: <Name extends keyof Q & string>(
    name: Name,
    ...argument: Parameters<Q[Name]>
  ) => Effect.Effect<Awaited<ReturnType<Q[Name]>>, ProgramFailed>
  readonly usage: Effect.Effect<Usage, ProgramFailed>
}

/** Starts one of `../programs`, for as long as the scope lasts. */
export const start = <Q extends Questions>(program: string): Effect.Effect<Program<Q>, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => fork(new URL(`../programs/${program}.js`, import.meta.url), { serialization: "advanced" })),
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
