/** Steps under load: clients push, tag and delete images while the cluster meets faults. */
import { startLoad, verify } from "@effect-oci/testing/Load"
import * as Effect from "effect/Effect"
import { attempt, Broken, expectNone } from "./step.js"
import type { Context } from "./step.js"

/** The settings of a collector that deletes what is two seconds old, and uploads that were abandoned 40 seconds ago. */
export const grace = 2000
export const eagerCollector = {
  REGISTRY_COLLECTOR_EVERY: "1 second",
  REGISTRY_COLLECTOR_GRACE: `${grace} millis`,
  REGISTRY_UPLOADS_TIME_TO_LIVE: "40 seconds"
}

interface LoadOptions {
  readonly clients: number
  /** Whether clients repeat what failed. If not, a failure is a problem. */
  readonly retry: boolean
}

/** Runs clients during an effect. Then reads everything that was acknowledged. */
export const underLoad = <A, R>(
  { cluster, ledger }: Context,
  options: LoadOptions,
  use: Effect.Effect<A, Broken, R>
): Effect.Effect<{ readonly result: A; readonly acknowledged: number; readonly retries: number }, Broken, R> =>
  Effect.gen(function*() {
    const url = `http://${cluster.authority}`
    const before = ledger.acknowledged
    const load = startLoad(url, ledger, { ...options, grace, newConnections: true, repeated: options.retry })
    const exit = yield* Effect.exit(use)
    const { disconnects, problems, retries } = yield* Effect.promise(load.stop)
    const result = yield* exit
    yield* expectNone([...problems, ...disconnects])
    const acknowledged = ledger.acknowledged - before
    yield* expectNone(yield* attempt(Effect.tryPromise(() => verify(url, ledger))))
    return { result, acknowledged, retries: retries.length }
  })

export const pushes = (acknowledged: number, retries: number) =>
  `${acknowledged} changes acknowledged, ${retries} repeated`

const sleep = (context: Context) => Effect.sleep(context.seconds * 1000)

/** Kills a node while it receives pushes, and starts it again. */
export const killNode = (context: Context) =>
  Effect.gen(function*() {
    const [, node] = context.cluster.nodes
    if (node === undefined) return ""
    const { acknowledged, retries } = yield* underLoad(
      context,
      { clients: 8, retry: true },
      Effect.gen(function*() {
        yield* sleep(context)
        yield* node.kill
        yield* sleep(context)
        yield* attempt(node.start())
        yield* sleep(context)
      })
    )
    return pushes(acknowledged, retries)
  })

/** Stops each node in turn and starts it again, with a collector that deletes what is two seconds old. */
export const rollingRestart = (context: Context) =>
  Effect.gen(function*() {
    const { acknowledged } = yield* underLoad(
      context,
      { clients: 8, retry: false },
      Effect.forEach(context.cluster.nodes, (node) =>
        Effect.gen(function*() {
          if (!(yield* node.stop)) yield* new Broken({ problems: [`${node.name} did not stop in time`] })
          yield* attempt(node.start(eagerCollector))
          yield* Effect.sleep(1000)
        }))
    )
    return `${acknowledged} changes acknowledged, no request failed`
  })

/** Restarts PostgreSQL, which ends all its connections. */
export const restartDatabase = (context: Context) =>
  Effect.gen(function*() {
    const { restart } = context.cluster.database
    if (restart === undefined) return "left out: the database is not ours"
    const { acknowledged, retries } = yield* underLoad(
      context,
      { clients: 8, retry: true },
      sleep(context).pipe(Effect.zipRight(attempt(restart("fast"))), Effect.zipRight(sleep(context)))
    )
    return pushes(acknowledged, retries)
  })

/** Makes S3 answer each request with 503 for ten seconds. */
export const refuseS3 = (context: Context) =>
  Effect.gen(function*() {
    const { proxy } = context.cluster.store
    if (proxy === undefined) return "left out: the S3 is not ours"
    const { acknowledged, retries } = yield* underLoad(
      context,
      { clients: 8, retry: true },
      Effect.gen(function*() {
        yield* sleep(context)
        yield* Effect.sync(() => proxy.refuse(true))
        yield* Effect.sleep(10_000)
        yield* Effect.sync(() => proxy.refuse(false))
        yield* sleep(context)
      }).pipe(Effect.ensuring(Effect.sync(() => proxy.refuse(false))))
    )
    return `${pushes(acknowledged, retries)}, S3 refused ${proxy.refused()} requests`
  })

/** Collects each second what is two seconds old, on all nodes, while 16 clients push. */
export const collect = (context: Context) =>
  Effect.map(
    underLoad(context, { clients: 16, retry: false }, Effect.sleep(context.collectSeconds * 1000)),
    ({ acknowledged }) => `${acknowledged} changes acknowledged, no request failed`
  )
