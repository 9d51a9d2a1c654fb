/** Kills nodes and PostgreSQL under load, again and again. */
import * as SqlBacklog from "@effect-oci/store-sql/SqlBacklog"
import { SqlBatch } from "@effect-oci/store-sql/SqlBatch"
import { BlobStore } from "@effect-oci/store/BlobStore"
import * as Collector from "@effect-oci/store/Collector"
import type * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Node } from "../nodes.js"
import { scrubbed, storesOf } from "./check.js"
import { pushes, underLoad } from "./load.js"
import { attempt, expectNone } from "./step.js"
import type { Context } from "./step.js"

/** How long the parts are killed before the clients pause, and all content is read, in seconds. */
const burst = 60

const between = (least: number, most: number) =>
  Effect.suspend(() => Effect.sleep(least + Math.random() * (most - least)))

/** Starts a node. It ends while the database starts, and a supervisor then starts it again. */
const start = (node: Node) =>
  node.start().pipe(
    Effect.tapError(() => node.kill),
    Effect.retry(Schedule.intersect(Schedule.spaced(500), Schedule.recurs(30)))
  )

/** Kills one part after the other until a time. Returns how many nodes and databases were killed. */
const killUntil = ({ cluster: { database, nodes } }: Context, end: number) =>
  Effect.gen(function*() {
    const kills = { nodes: 0, databases: 0 }
    const isOver = () => performance.now() >= end
    const killNodes = Effect.gen(function*() {
      while (!isOver()) {
        yield* between(0, 500)
        const node = nodes[Math.floor(Math.random() * nodes.length)]!
        yield* node.kill
        yield* attempt(start(node))
        kills.nodes++
      }
    })
    const killDatabase = Effect.gen(function*() {
      while (!isOver() && database.restart !== undefined) {
        yield* between(500, 4000)
        yield* attempt(database.restart("kill"))
        kills.databases++
      }
    })
    yield* Effect.all([killNodes, killDatabase], { concurrency: 2 })
    return kills
  })

/** A clock two hours ahead: what a node did not finish was abandoned. */
const twoHoursLater = Effect.clockWith((clock) => {
  const later = (time: number) => time + Duration.toMillis("2 hours")
  return Effect.succeed<Clock.Clock>(Object.assign(Object.create(clock) as Clock.Clock, {
    currentTimeMillis: Effect.map(clock.currentTimeMillis, later),
    unsafeCurrentTimeMillis: () => later(clock.unsafeCurrentTimeMillis())
  }))
})

/** Ends all sessions, and collects everything that nothing needs. Nothing else must remain. */
const sweep = Effect.gen(function*() {
  const batch = yield* SqlBatch
  const { listUploads } = yield* BlobStore
  const backlog = yield* SqlBacklog.make
  const updates = ["UPDATE upload SET expires_at = 0", "UPDATE garbage SET due_at = 0"]
  const update = batch.run(updates.map((sql) => ({ sql, params: [], guard: false }))).pipe(
    Effect.mapError((error) => new Error(`cannot end the sessions: ${error._tag}`))
  )
  yield* update
  yield* Collector.collect({ grace: 0 })
  // A node that was killed may have claimed the garbage of others.
  yield* update
  yield* Collector.collect({ grace: 0 })
  const { garbage, uploads } = yield* backlog(0)
  const stored = yield* listUploads(undefined, 10)
  return [
    ...(uploads === 0 ? [] : [`${uploads} sessions are left`]),
    ...(garbage === 0 ? [] : [`${garbage} pieces of garbage are left`]),
    ...stored.map(({ key }) => `the upload ${key} is left in the bucket`)
  ]
})

/** Kills parts for a time. Then nothing that was acknowledged is lost, and nothing is left of what was not. */
export const run = (context: Context) =>
  Effect.gen(function*() {
    const kills = { nodes: 0, databases: 0 }
    const sum = { acknowledged: 0, retries: 0 }
    const end = performance.now() + context.collectSeconds * 1000
    while (performance.now() < end) {
      const until = Math.min(end, performance.now() + burst * 1000)
      const { acknowledged, result, retries } = yield* underLoad(
        context,
        { clients: 8, retry: true },
        killUntil(context, until)
      )
      kills.nodes += result.nodes
      kills.databases += result.databases
      sum.acknowledged += acknowledged
      sum.retries += retries
      yield* Console.log(`${kills.nodes} nodes and PostgreSQL ${kills.databases} times killed: nothing lost`)
    }
    const clock = yield* twoHoursLater
    const scrubbedLater = yield* Effect.gen(function*() {
      yield* expectNone(yield* attempt(sweep))
      return yield* scrubbed
    }).pipe(Effect.withClock(clock), Effect.provide(storesOf(context.cluster.env)), attempt)
    return `${kills.nodes + kills.databases} kills (${kills.databases} of PostgreSQL), ` +
      `${pushes(sum.acknowledged, sum.retries)}; ${scrubbedLater}`
  })
