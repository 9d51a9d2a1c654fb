import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createRequire, isBuiltin } from "node:module"
import { Worker } from "node:worker_threads"
import { queueOf } from "../metrics.js"
import { type DriverName, errorOf, open, type SqliteError } from "./connection.js"
import { type Command, makeRunner, type Result, serve } from "./worker.js"

/** A batch that waits for its result. */
interface Waiting {
  readonly command: Command
  readonly resume: (result: Result) => void
}

/** The maximum number of batches in one transaction. It bounds how long the first of them waits. */
const maxGroup = 256

/** The program of the thread: the text of functions that have no imports. */
const program = `
const { parentPort, workerData } = require("node:worker_threads")
const open = ${open.toString()}
const makeRunner = ${makeRunner.toString()}
const errorOf = ${errorOf.toString()}
const serve = ${serve.toString()}
serve(parentPort, () => {
  const connection = open(require, workerData.driver, workerData.filename)
  for (const pragma of workerData.pragmas) connection.all(pragma, [])
  return connection
}, makeRunner, errorOf)
`

/**
 * Runs batches in a worker thread. While the thread runs a group of batches, the next ones wait and become the next
 * group.
 */
export class GroupCommit {
  private readonly queue: Array<Waiting> = []
  private readonly showQueue = queueOf("sqlite")
  private running: ReadonlyArray<Waiting> = []
  private scheduled = false
  private ended: SqliteError | undefined

  constructor(private readonly worker: Worker) {
    worker.on("message", (results: ReadonlyArray<Result> | "closed") => this.finish(results))
    worker.on("error", (cause) => this.end({ message: String(cause), code: 1 }))
    worker.on("exit", () => this.end({ message: "the thread of the database has ended", code: 1 }))
  }

  /** Runs a batch. An interruption removes a batch that has not begun. */
  run(command: Command): Effect.Effect<Result> {
    return Effect.async((resume) => {
      const waiting: Waiting = { command, resume: (result) => resume(Effect.succeed(result)) }
      if (this.ended !== undefined) return waiting.resume({ type: "failed", error: this.ended })
      this.queue.push(waiting)
      this.showQueue(this.queue.length)
      this.schedule()
      return Effect.sync(() => {
        const index = this.queue.indexOf(waiting)
        if (index >= 0) this.queue.splice(index, 1)
      })
    })
  }

  /** Runs the batches that wait, and closes the database. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => this.run({ statements: [], relaxed: true })).pipe(
    Effect.zipRight(Effect.async((resume) => {
      if (this.ended !== undefined) return resume(Effect.void)
      this.worker.once("exit", () => resume(Effect.void))
      this.worker.ref()
      this.worker.postMessage("close", [])
    }))
  )

  private schedule(): void {
    if (this.scheduled || this.running.length > 0 || this.queue.length === 0) return
    this.scheduled = true
    queueMicrotask(() => {
      this.scheduled = false
      this.start()
    })
  }

  private start(): void {
    if (this.queue.length === 0 || this.ended !== undefined) return
    this.running = this.queue.splice(0, maxGroup)
    this.showQueue(this.queue.length)
    this.worker.ref()
    this.worker.postMessage(this.running.map(({ command }) => command), [])
  }

  private finish(results: ReadonlyArray<Result> | "closed"): void {
    if (results === "closed") return
    const finished = this.running
    this.running = []
    // The next group starts before the callers of this one continue.
    this.start()
    if (this.running.length === 0) this.worker.unref()
    finished.forEach(({ resume }, index) => resume(results[index]!))
  }

  private end(error: SqliteError): void {
    if (this.ended !== undefined) return
    this.ended = error
    for (const { resume } of this.running) resume({ type: "unknown", error })
    for (const { resume } of this.queue.splice(0)) resume({ type: "failed", error })
    this.running = []
  }
}

/** Starts the thread. Fails if it cannot open the database. */
export const make = (options: {
  readonly driver: DriverName
  readonly filename: string
  readonly pragmas: ReadonlyArray<string>
}): Effect.Effect<GroupCommit, SqliteError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<GroupCommit, SqliteError>((resume) => {
      const worker = new Worker(program, { eval: true, execArgv: [], workerData: options })
      const fail = (cause: unknown) => resume(Effect.fail({ message: String(cause), code: 1 }))
      worker.once("error", fail)
      worker.once("message", (message: "open" | SqliteError) => {
        worker.off("error", fail)
        if (message !== "open") return resume(Effect.fail(message))
        worker.unref()
        resume(Effect.succeed(new GroupCommit(worker)))
      })
    }),
    (commits) => commits.close
  )

const require = createRequire(import.meta.url)

/** Returns the driver to use: `node:sqlite` if Node has it, and the path of `libsql` otherwise. */
export const findDriver = (): DriverName => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  const isNew = major > 22 || (major === 22 && minor >= 13)
  return isNew && isBuiltin("node:sqlite") ? "node:sqlite" : require.resolve("libsql")
}

/** Opens a connection on this thread. */
export const openHere = (driver: DriverName, filename: string) => open(require, driver, filename)
