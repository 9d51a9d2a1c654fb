/** Runs many interrupted transfers, and verifies that they leave nothing open. */
import { Body, Descriptor, Handler, Registry, RepositoryName } from "@effect-oci/core"
import * as Faulty from "@effect-oci/laws/Faulty"
import { Retry } from "@effect-oci/middleware"
import { hop } from "@effect-oci/testing/NodeHop"
import { expect } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Random, Schedule, Stream, Supervisor } from "effect"
import { randomBytes } from "node:crypto"
import * as interrupted from "./interrupted.js"

const repository = RepositoryName.make("team/app")

const piece = 16 * 1024
const size = 20 * piece
const blob = new Uint8Array(randomBytes(size))
const descriptor = Descriptor.fromBytes(blob)

/** Creates a body of the blob. Before the piece at `stop`, the body runs `act`. */
const body = (stop: number, act: Effect.Effect<unknown, Error>, replayable: boolean) =>
  Body.stream(
    Stream.mapEffect(
      Stream.range(0, size / piece - 1),
      (index) => Effect.as(index === stop ? act : Effect.void, blob.subarray(index * piece, (index + 1) * piece))
    ),
    { size, replayable }
  )

type Transfer = (registry: Registry["Type"], stop: number) => Effect.Effect<unknown, unknown>

/** Runs a transfer, and interrupts it when it runs `reached`. */
const interruptedAt = (transfer: (reached: Effect.Effect<unknown>) => Effect.Effect<unknown, unknown>) =>
  Effect.gen(function*() {
    const reached = yield* Deferred.make<void>()
    const fiber = yield* Effect.fork(transfer(Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never)))
    yield* Effect.race(Deferred.await(reached), Fiber.await(fiber))
    return yield* Fiber.interrupt(fiber)
  })

/** Transfers that end early, or that break and resume. */
const transfers: ReadonlyArray<Transfer> = [
  // A reader that stops early.
  (registry, stop) =>
    Effect.scoped(
      Effect.flatMap(registry.getBlob(repository, descriptor.digest), ({ stream }) =>
        Stream.runDrain(Stream.take(stream, 1 + stop % 3)))
    ),
  // A reader that is interrupted.
  (registry) =>
    interruptedAt((reached) =>
      Effect.scoped(
        Effect.flatMap(
          registry.getBlob(repository, descriptor.digest),
          ({ stream }) => Stream.runForEach(stream, () => reached)
        )
      )
    ),
  // A reader that never reads.
  (registry) => Effect.scoped(registry.getBlob(repository, descriptor.digest)),
  // A reader that reads the whole content, despite faults.
  (registry) =>
    Effect.scoped(
      Effect.flatMap(registry.getBlob(repository, descriptor.digest), ({ body }) => Body.forEachChunk(body, () => {}))
    ),
  // A writer that is interrupted.
  (registry, stop) => interruptedAt((reached) => registry.pushBlob(repository, descriptor, body(stop, reached, true))),
  // A writer with a body that fails.
  (registry, stop) => registry.pushBlob(repository, descriptor, body(stop, Effect.fail(new Error("broken")), false)),
  // A writer that writes the whole content, despite faults.
  (registry) => registry.pushBlob(repository, descriptor, body(-1, Effect.void, true))
]

/** Waits at most ten seconds until a count of open things is low enough, and returns the count. */
const atRest = <A>(open: Effect.Effect<A>, isRest: (open: A) => boolean) =>
  Effect.repeat(open, {
    until: isRest,
    schedule: Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(500))
  }).pipe(Effect.zipRight(open))

const sockets = Effect.sync(() => process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length)

/** Counts the open downloads. */
const counting = (next: Handler.Handler) => {
  let open = 0
  const handle = Handler.override(next, {
    GetBlob: (operation) =>
      Effect.zipRight(
        Effect.acquireRelease(
          Effect.sync(() => void (open += 1)),
          () => Effect.sync(() => void (open -= 1))
        ),
        next(operation)
      )
  })
  return { handle, open: Effect.sync(() => open) }
}

const faults: ReadonlyArray<Faulty.Fault> = [
  { _tag: "Fail" },
  { _tag: "Fail", failure: Faulty.unavailable() },
  { _tag: "Cut", after: 3 * piece },
  { _tag: "Cut", after: size },
  { _tag: "Cut", after: 5 * piece, how: "ends" }
]

/** Runs random transfers, several at the same time, and verifies that none leaves anything open. */
export const run = (count: number, seed: number) =>
  Effect.gen(function*() {
    const before = yield* sockets
    const outcomes = yield* Effect.scoped(Effect.gen(function*() {
      const bench = yield* interrupted.bench
      yield* bench.registry.pushBlob(repository, descriptor, Body.bytes(blob))
      const supervisor = yield* Supervisor.track
      const contents = counting(bench.faulty(bench.registry.handle))
      const served = Layer.succeed(Registry, Registry.fromHandler(contents.handle))
      const context = yield* Layer.build(
        hop(served, { client: { retry: { retries: 0 } } }).pipe(
          Layer.provide(Logger.remove(Logger.defaultLogger)),
          Layer.provide(Supervisor.addSupervisor(supervisor))
        )
      )
      const { handle } = Context.get(context, Registry)
      const registry = Registry.fromHandler(Retry.middleware({ delay: 1 })(handle))
      const fibers = Effect.map(supervisor.value, (all) => all.length)
      yield* registry.resolveBlob(repository, descriptor.digest)
      const idle = yield* fibers

      // An upload that cannot be cancelled is left to expire. More faults would leave fewer transfers to interrupt.
      bench.set(Faulty.random({ seed, share: 0.12, faults, only: ({ _tag }) => _tag !== "CancelUpload" }))
      const exits = yield* Effect.forEach(
        Array.from({ length: count }, (_, index) => transfers[index % transfers.length]!),
        (transfer) =>
          Effect.flatMap(Random.nextIntBetween(0, size / piece), (stop) => Effect.exit(transfer(registry, stop))),
        { concurrency: 8 }
      ).pipe(Effect.withRandom(Random.make(seed)))
      const fired = bench.fired().length
      bench.set(Faulty.none)

      expect(yield* atRest(contents.open, (open) => open === 0)).toBe(0)
      expect(yield* atRest(fibers, (open) => open <= idle)).toBeLessThanOrEqual(idle)
      expect(yield* bench.openUploads).toBe(0)
      yield* registry.resolveBlob(repository, descriptor.digest)
      return { fired, succeeded: exits.filter(Exit.isSuccess).length, failed: exits.filter(Exit.isFailure).length }
    }))
    expect(yield* atRest(sockets, (open) => open <= before)).toBeLessThanOrEqual(before)
    return outcomes
  })
