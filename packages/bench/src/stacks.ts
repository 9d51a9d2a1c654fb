/**
 * Measures wrappers with much content: the time to read a blob of 256 MiB through one wrapper and through all wrappers,
 * divided by the time without wrappers; the upstream requests of a cache with many concurrent readers; and the memory
 * of a union of many registries while it lists.
 *
 * The blob is verified while it flows, as by the methods of a `Registry`. It comes from a native source or as a stream.
 */
import { BlobContent, Body, Digest, Handler, Operation, Registry, RepositoryName } from "@effect-oci/core"
import type { Source } from "@effect-oci/core"
import { Cache } from "@effect-oci/middleware"
import { Memory } from "@effect-oci/store"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Stream from "effect/Stream"
import { createHash, randomFillSync } from "node:crypto"
import { all, wrappers } from "./internal/contenders.js"
import { logTo } from "./internal/logTo.js"
import { interleave, row } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import * as Program from "./internal/program.js"
import type * as UnionProgram from "./programs/union.js"

const MiB = 1024 * 1024

const repository = RepositoryName.make("team/app")

/** The bytes that the blob repeats. */
const piece = randomFillSync(new Uint8Array(64 * 1024))
const pieces = 256 * MiB / piece.byteLength

const descriptor = (() => {
  const hash = createHash("sha256")
  for (let count = 0; count < pieces; count++) hash.update(piece)
  return { mediaType: "application/octet-stream", digest: Digest.make(`sha256:${hash.digest("hex")}`), size: 256 * MiB }
})()

/** Sends bytes as fast as the reader accepts them, without waiting. */
const source: Source.Source = (sink) => {
  let left = pieces
  let isPaused = false
  let isOver = false
  const flow = () => {
    while (!isPaused && !isOver) {
      if (left-- > 0) isPaused = !sink.data(piece)
      else {
        isOver = true
        sink.end()
      }
    }
  }
  queueMicrotask(flow)
  return {
    resume: () => {
      isPaused = false
      flow()
    },
    cancel: () => {
      isOver = true
    }
  }
}

const bodies: ReadonlyArray<{ readonly name: string; readonly body: Body.Body }> = [
  { name: "a native end", body: Body.fromSource(source, { size: descriptor.size }) },
  {
    name: "a stream",
    body: Body.stream(Stream.rechunk(Stream.take(Stream.forever(Stream.make(piece)), pieces), 1), {
      size: descriptor.size
    })
  }
]

const blob = (body: Body.Body): Handler.Handler =>
  Handler.override((operation) => Effect.dieMessage(`not asked: ${operation._tag}`), {
    GetBlob: () => Effect.succeed(new BlobContent.BlobContent({ descriptor, body, verified: false }))
  })

/** Measures the time to read the blob, in seconds. */
const read = (handle: Handler.Handler): Effect.Effect<number, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const start = performance.now()
    let size = 0
    const { body } = yield* Registry.fromHandler(handle).getBlob(repository, descriptor.digest)
    yield* Body.forEachChunk(body, (chunk) => {
      size += chunk.byteLength
    })
    if (size !== descriptor.size) return yield* Effect.dieMessage(`${size} bytes of ${descriptor.size}`)
    return (performance.now() - start) / 1000
  }))

const throughput = ({ body, name }: typeof bodies[number]) =>
  Effect.gen(function*() {
    const base = blob(body)
    const one = wrappers.filter(({ isVariant }) => !isVariant)
    const cases = new Map([
      ["none", read(base)],
      ...one.map((wrapper) => [wrapper.name, read(wrapper.make()(base))] as const),
      ["one of each", read(all(base))]
    ])
    const rounds = yield* logTo(Logger.none, LogLevel.Info)(interleave(cases, { warmUp: 1, rounds: 5 }))
    const at = (round: ReadonlyMap<string, number>, of: string) => round.get(of) ?? Number.NaN
    return [
      row({ name: `256 MiB of ${name}`, unit: "s", better: "lower" }, rounds.map((round) => at(round, "none"))),
      ...[...cases.keys()].slice(1).map((of) =>
        row(
          {
            name: `256 MiB of ${name}, through ${of}, times without`,
            unit: "",
            better: "lower",
            target: of === "one of each" ? undefined : 1.03
          },
          rounds.map((round) => at(round, of) / at(round, "none"))
        )
      )
    ]
  })

const clients = 100

/**
 * Counts the upstream requests while many clients read a blob at once that the cache does not have, and measures the
 * time.
 */
const missed = Effect.scoped(Effect.gen(function*() {
  const content = randomFillSync(new Uint8Array(8 * MiB))
  const digest = Digest.fromBytes(content)
  const { handle } = Context.get(yield* Layer.build(Memory.layer()), Registry)
  const { mediaType } = descriptor
  yield* handle(
    new Operation.PushBlob({
      repository,
      descriptor: { mediaType, digest, size: content.byteLength },
      body: Body.bytes(content)
    })
  )
  let upstreamReads = 0
  const counted: Handler.Handler = (operation) => {
    if (operation._tag === "GetBlob") upstreamReads++
    return handle(operation)
  }
  const store = Memory.layer({ sparseManifests: true })
  const cached = Registry.layerHandler(counted).pipe(Cache.wrap({ store }))
  const near = Context.get(yield* Layer.build(cached), Registry)
  const start = performance.now()
  yield* Effect.forEach(
    Array.from({ length: clients }),
    () =>
      Effect.scoped(Effect.flatMap(near.getBlob(repository, digest), ({ body }) => Body.forEachChunk(body, () => {}))),
    { concurrency: "unbounded", discard: true }
  )
  return { upstreamReads, seconds: (performance.now() - start) / 1000 }
}))

const singleFlight = Effect.map(Effect.replicateEffect(missed, 5), (all) => [
  row(
    { name: `Cache: asked behind for one blob of ${clients} clients`, unit: "", better: "lower", target: 1 },
    all.map(({ upstreamReads }) => upstreamReads)
  ),
  row(
    { name: `Cache: ${clients} clients read 8 MiB that it has not`, unit: "s", better: "lower" },
    all.map(({ seconds }) => seconds)
  )
])

const members = 8

/** Measures the memory of a union while it lists: first some tags, then ten times as many. */
const union = Effect.scoped(Effect.gen(function*() {
  const program = yield* Program.start<UnionProgram.Questions>("union")
  const list = (count: number) => program.ask("list", { count, members })
  yield* list(100_000)
  yield* list(100_000)
  const before = yield* program.usage
  const seconds = yield* list(1_000_000)
  const after = yield* program.usage
  return [
    row({ name: `Union of ${members}: 1,000,000 tags`, unit: "s", better: "lower" }, [seconds]),
    row(
      {
        name: `Union of ${members}: memory for 1,000,000 tags, above that for 100,000`,
        unit: "MiB",
        better: "lower",
        target: 48
      },
      [(after.peak - before.peak) / MiB]
    )
  ]
}))

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.gen(function*() {
  const rows = yield* Effect.forEach(bodies, throughput)
  return [...rows.flat(), ...(yield* singleFlight), ...(yield* union)]
})
