import { RepositoryName } from "@effect-oci/core"
import { SqlBatch, SqlMetadataStore } from "@effect-oci/store-sql"
import * as Postgres from "@effect-oci/store-sql/Postgres"
import { UploadToken } from "@effect-oci/store/BlobStore"
import type * as MetadataStore from "@effect-oci/store/MetadataStore"
import * as NodePostgres from "@effect-oci/testing/NodePostgres"
import * as NodeSql from "@effect-oci/testing/NodeSql"
import { assert, describe, layer } from "@effect/vitest"
import { Duration, Effect, Exit, Schedule } from "effect"
import { digestOf, keep, limits, link, other, push, repository, upload, v1 } from "./content.js"
import { emptyPool, openStore, Server, server } from "./postgres.js"

/** A store whose connection ends at the statement with the index `killAt` of a batch. */
const killed = Effect.gen(function*() {
  const pool = yield* emptyPool
  const batch = Postgres.make({ pool })
  const state = { killAt: -1, statements: 0 }
  const kill: SqlBatch.Statement = { sql: "SELECT pg_terminate_backend(pg_backend_pid())", params: [], guard: false }
  const killing: SqlBatch.Service = {
    ...batch,
    run: (statements, options) => {
      state.statements = statements.length
      const { killAt } = state
      return batch.run(
        killAt < 0 ? statements : [...statements.slice(0, killAt), kill, ...statements.slice(killAt)],
        options
      )
    }
  }
  const locks = batch.read({ sql: "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'", params: [], guard: false })
  return {
    state,
    store: yield* Effect.provideService(SqlMetadataStore.make(), SqlBatch.SqlBatch, killing),
    /** Waits until a connection that ended holds no lock any more. While another node reviews, a review does nothing. */
    unlocked: Effect.repeat(locks, { until: (held) => held.length === 0 })
  }
})

type Store = MetadataStore.Service

const hour = Duration.hours(1)
const policy = { grace: Duration.zero, readable: Duration.zero, untagged: "delete" } as const

/** Commands that succeed, each after the ones before it. */
const commands: { readonly [name: string]: (store: Store) => Effect.Effect<unknown, unknown> } = {
  linkBlob: (store) => store.linkBlob(link("a")),
  createUpload: (store) => store.createUpload(upload("one"), hour, limits),
  claimUpload: (store) => store.claimUpload("one", hour),
  advanceUpload: (store) =>
    Effect.flatMap(store.claimUpload("one", hour), ({ fence }) =>
      store.advanceUpload({
        id: "one",
        fence,
        from: 0,
        to: 3,
        token: UploadToken("next"),
        digest: digestOf("b"),
        lives: hour
      })).pipe(
        Effect.catchTag("OciStoreOffsetMismatch", ({ offset }) => offset === 3 ? Effect.void : Effect.die("offset"))
      ),
  endUpload: (store) => store.endUpload("one"),
  mount: (store) =>
    store.mount({ repository: other, digest: digestOf("a"), from: repository, keep: hour }).pipe(
      Effect.filterOrDieMessage((mounted) => mounted, "not mounted")
    ),
  putManifest: (store) => store.putManifest(push("first", ["a"])),
  moveTag: (store) => store.putManifest(push("second", ["a"])),
  deleteTag: (store) => store.deleteTag(repository, v1),
  deleteManifest: (store) => store.deleteManifest(repository, push("second", []).manifest.descriptor.digest, false),
  review: (store) => store.review(policy, 100),
  expireUploads: (store) => store.expireUploads(100),
  claimGarbage: (store) => store.claimGarbage(100, hour),
  unlinkBlob: (store) =>
    store.unlinkBlob({ repository: other, digest: digestOf("a"), evenIfReferenced: true, readable: keep })
}

describe.skipIf(!NodePostgres.available)("PostgreSQL", () => {
  layer(server, { timeout: 60_000, excludeTestServices: true })((test) => {
    test.scoped(
      "undoes a command whose connection ends, at every statement; the command succeeds again",
      () =>
        Effect.gen(function*() {
          const { state, store, unlocked } = yield* killed
          for (const [name, run] of Object.entries(commands)) {
            // The number of statements is not known before the command has run once.
            let killed = 0
            for (let killAt = 0; killAt === 0 || killAt <= state.statements; killAt++) {
              state.killAt = killAt
              yield* unlocked
              const exit = yield* Effect.exit(run(store))
              assert(Exit.isFailure(exit), `${name} at ${killAt}`)
              assert(exit.cause._tag === "Fail")
              assert.include(
                ["OciStoreOutcomeUnknown", "OciStoreFailed"],
                (exit.cause.error as { readonly _tag: string })._tag
              )
              killed++
            }
            state.killAt = -1
            yield* run(store)
            assert.isAbove(killed, 0)
          }
          assert.deepStrictEqual(yield* store.listTags(repository, undefined, 10), [])
          assert.isUndefined(yield* store.findBlob(other, digestOf("a")))
          assert.isDefined(yield* store.findBlob(repository, digestOf("a")))
        }),
      120_000
    )

    test.scoped(
      "that is restarted and killed under load loses nothing that it acknowledged",
      () =>
        Effect.gen(function*() {
          const running = yield* Server
          const config = yield* NodeSql.emptySchema(running)
          const stores = yield* Effect.forEach([1, 2, 3], () => Effect.flatMap(NodeSql.pool(config), openStore))
          const acknowledged: Array<number> = []
          const state = { ends: false }
          const again = Schedule.spaced("50 millis")
          const client = (number: number) =>
            Effect.gen(function*() {
              const store = stores[number % 3]!
              for (let count = 0; !state.ends; count++) {
                const id = number + count * 100
                const name = RepositoryName.make(`team/app${id % 5}`)
                yield* Effect.retry(store.linkBlob({ ...link(`blob ${id}`), repository: name }), again)
                yield* Effect.retry(store.putManifest(push(`image ${id}`, [`blob ${id}`], { repository: name })), again)
                acknowledged.push(id)
              }
            })
          const clients = yield* Effect.fork(
            Effect.forEach(Array.from({ length: 12 }, (_, number) => number), client, { concurrency: "unbounded" })
          )
          for (const how of ["fast", "kill", "kill"] as const) {
            yield* Effect.sleep("1 second")
            yield* running.restart(how)
          }
          yield* Effect.sleep("1 second")
          state.ends = true
          yield* clients
          assert.isAbove(acknowledged.length, 50)
          for (const id of acknowledged) {
            const name = RepositoryName.make(`team/app${id % 5}`)
            assert.isDefined(yield* stores[0]!.findBlob(name, digestOf(`blob ${id}`)))
            yield* stores[0]!.getManifest(name, push(`image ${id}`, []).manifest.descriptor.digest)
          }
        }),
      120_000
    )

    test.scoped(
      "that is killed keeps the offsets of upload sessions that it acknowledged",
      () =>
        Effect.gen(function*() {
          const running = yield* Server
          const store = yield* Effect.flatMap(NodeSql.pool(yield* NodeSql.emptySchema(running)), openStore)
          const sessions = Array.from({ length: 8 }, (_, number) => `session ${number}`)
          const lives = Duration.hours(1)
          yield* Effect.forEach(sessions, (id) =>
            Effect.gen(function*() {
              yield* store.createUpload(upload(id), lives, limits)
              const { fence } = yield* store.claimUpload(id, lives)
              yield* store.advanceUpload({
                id,
                fence,
                from: 0,
                to: 7,
                token: UploadToken("token"),
                digest: undefined,
                lives
              })
            }))
          yield* running.restart("kill")
          const read = (id: string) => Effect.retry(store.getUpload(id), Schedule.spaced("50 millis"))
          const offsets = yield* Effect.forEach(sessions, (id) => Effect.map(read(id), ({ offset }) => offset))
          assert.deepStrictEqual(offsets, sessions.map(() => 7))
        }),
      60_000
    )
  })
})
