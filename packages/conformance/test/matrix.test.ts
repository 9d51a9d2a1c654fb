import { ReferenceSet, RepositoryName } from "@effect-oci/core"
import { Explain } from "@effect-oci/explain"
import * as Faulty from "@effect-oci/laws/Faulty"
import {
  AsCaller,
  Authorize,
  Cache,
  Filter,
  Gate,
  Immutable,
  Limit,
  Logging,
  Matured,
  Metrics,
  Quota,
  QuotaLedger,
  ReadOnly,
  Retry,
  Route,
  Sub,
  Tracing,
  Under,
  Union
} from "@effect-oci/middleware"
import { Record, Shadow } from "@effect-oci/recording"
import { Quirks } from "@effect-oci/server"
import { Memory } from "@effect-oci/store"
import { hop } from "@effect-oci/testing/NodeHop"
import * as NodeSql from "@effect-oci/testing/NodeSql"
import * as NodeTemporary from "@effect-oci/testing/NodeTemporary"
import { Verify } from "@effect-oci/verify"
import { afterAll, describe, expect, it } from "@effect/vitest"
import type { Layer } from "effect"
import { Effect, LogLevel } from "effect"
import * as Conformance from "../src/Conformance.js"
import type { Wire } from "../src/Target.js"
import { inProcess, overNode, overPlatform, quirky, readThrough } from "./compositions.js"
import * as guarded from "./guarded.js"

const postgres = NodeSql.postgres()
afterAll(postgres.close)

const memory = () => Memory.layer({ anonymousMount: true })

/** Deletes content that a manifest refers to, as many registries do. A referrers tag refers to each referrer. */
const lenient = () => Memory.layer({ anonymousMount: true, deleteReferenced: true })

const sparse = () => Memory.layer({ sparseManifests: true })

/** One answer in three is lost or is 429. Chunks without an offset cannot be repeated and have no fault. */
const losing = Faulty.random({
  seed: 20_261_121,
  share: 0.33,
  faults: [{ _tag: "Lose" }, { _tag: "Fail", failure: Faulty.tooManyRequests() }],
  only: (operation) => operation._tag !== "AppendUpload" || operation.offset !== undefined
})

/** The checks that need the code of an error. */
const htmlErrors = {
  "manifest-missing-blob": "an HTML error does not name the missing blob",
  "manifest-other-repository-blob": "an HTML error does not name the missing blob"
}

interface Composition {
  readonly name: string
  readonly wire: () => Layer.Layer<Wire>
  readonly options?: Conformance.Options
  /** The number of skipped checks. Default: 1, the check of read-only registries. */
  readonly skips?: number
}

/** The registries under test. Add a row for a new backend, wrapper or quirk. */
const compositions: ReadonlyArray<Composition> = [
  { name: "memory", wire: () => inProcess(memory()) },
  { name: "memory, on node:http", wire: () => overNode(memory()) },
  { name: "memory, as an HttpApp", wire: () => overPlatform(memory()) },
  { name: "files and SQLite", wire: () => inProcess(NodeTemporary.durable({ anonymousMount: true })) },
  {
    name: "client → server → files and SQLite",
    wire: () => inProcess(hop(NodeTemporary.durable({ anonymousMount: true })))
  },
  { name: "memory and PostgreSQL", wire: () => inProcess(postgres.registry({ anonymousMount: true })) },
  { name: "client → server → memory", wire: () => inProcess(hop(memory())) },
  { name: "client → server → client → server → memory", wire: () => inProcess(hop(hop(memory()))) },
  {
    name: "client with a password → Guard → server → memory",
    wire: () => inProcess(guarded.byPassword(memory())),
    options: { capabilities: { anonymousMount: false } },
    skips: 2
  },
  {
    name: "client with tokens → Guard and TokenService → server → memory",
    wire: () => inProcess(guarded.byToken(memory())),
    options: { capabilities: { anonymousMount: false } },
    skips: 2
  },
  { name: "Logging", wire: () => inProcess(memory().pipe(Logging.wrap({ level: LogLevel.Debug }))) },
  { name: "Metrics", wire: () => inProcess(memory().pipe(Metrics.wrap())) },
  { name: "Tracing", wire: () => inProcess(memory().pipe(Tracing.wrap())) },
  {
    name: "Limit, two concurrent operations",
    wire: () => inProcess(memory().pipe(Limit.wrap({ by: "repository", concurrency: 2 })))
  },
  {
    name: "Limit → client → server → memory, one operation",
    wire: () =>
      inProcess(hop(memory()).pipe(Limit.wrap({ concurrency: 1, rate: { operations: 1e6, per: "1 second" } })))
  },
  { name: "ReadOnly, reads", wire: () => readThrough(memory(), ReadOnly.middleware()) },
  {
    name: "ReadOnly, writes",
    wire: () => inProcess(memory().pipe(ReadOnly.wrap())),
    options: { capabilities: { push: false } },
    skips: 199
  },
  { name: "Cache", wire: () => inProcess(memory().pipe(Cache.wrap({ store: sparse() }))) },
  { name: "AsCaller", wire: () => inProcess(memory().pipe(AsCaller.wrap({ store: sparse() }))) },
  {
    name: "Cache, with a store that requires blobs first",
    wire: () => inProcess(memory().pipe(Cache.wrap({ store: memory() })))
  },
  {
    name: "Cache, with a small limit",
    wire: () => inProcess(memory().pipe(Cache.wrap({ store: sparse(), maxBytes: 4096, maxRemembered: 2 })))
  },
  {
    name: "Cache, each side a client → server → memory",
    wire: () => inProcess(hop(memory()).pipe(Cache.wrap({ store: hop(sparse()) })))
  },
  {
    name: "Sub",
    wire: () => inProcess(memory().pipe(Sub.wrap({ prefix: RepositoryName.make("a/b") }))),
    options: { capabilities: { anonymousMount: false } },
    skips: 2
  },
  {
    name: "Verify, of all, with a policy that requires nothing",
    wire: () =>
      inProcess(
        memory().pipe(Verify.wrap({
          policies: [{ name: "all", select: ReferenceSet.all, require: [] }],
          unselected: "deny"
        }))
      )
  },
  {
    name: "Under, within Sub",
    wire: () => {
      const prefix = RepositoryName.make("a/b")
      return inProcess(memory().pipe(Under.wrap({ prefix }), Sub.wrap({ prefix })))
    },
    options: { capabilities: { anonymousMount: false } },
    skips: 2
  },
  {
    name: "Authorize",
    wire: () => inProcess(memory().pipe(Authorize.wrap({ allow: () => Effect.succeed(true) }))),
    options: { capabilities: { anonymousMount: false } },
    skips: 2
  },
  { name: "Gate", wire: () => inProcess(memory().pipe(Gate.wrap({ decide: () => Effect.succeed(true) }))) },
  {
    name: "Gate, around a cache, with held pushes",
    wire: () =>
      inProcess(
        memory().pipe(
          Cache.wrap({ store: sparse() }),
          Gate.wrap({ decide: () => Effect.succeed(true), children: "cover", pushes: true })
        )
      )
  },
  { name: "Matured, of any age", wire: () => inProcess(memory().pipe(Matured.wrap({ age: 0 }))) },
  {
    name: "Matured, with the repositories under test as exceptions",
    wire: () => inProcess(memory().pipe(Matured.wrap({ age: "7 days", except: ReferenceSet.prefix("conformance/") })))
  },
  {
    name: "Quota, with enough space",
    wire: () =>
      inProcess(
        memory().pipe(
          Quota.wrap({
            ledger: QuotaLedger.local(() => Effect.succeed(QuotaLedger.nothing)),
            limits: [{ bytes: 1e9, manifests: 1e6, tags: 1e6, repositories: 1e6 }]
          })
        )
      ),
    options: { capabilities: { anonymousMount: false } },
    skips: 2
  },
  { name: "Filter, of all", wire: () => inProcess(memory().pipe(Filter.wrap({ select: ReferenceSet.all }))) },
  {
    name: "Filter, of the repositories under test",
    wire: () => inProcess(memory().pipe(Filter.wrap({ select: ReferenceSet.prefix("conformance/") }))),
    options: { capabilities: { anonymousMount: false } },
    skips: 2
  },
  {
    name: "Immutable",
    wire: () => inProcess(memory().pipe(Immutable.wrap())),
    options: {
      capabilities: { deleteBlob: false, deleteManifest: false, deleteTag: false },
      skip: { "manifest-tag-moves": "tags are immutable", "manifest-if-match": "tags are immutable" }
    },
    skips: 12
  },
  { name: "Record", wire: () => inProcess(memory().pipe(Record.wrap({ to: { write: () => Effect.void } }))) },
  {
    name: "Shadow, with writes",
    wire: () => inProcess(memory().pipe(Shadow.wrap({ registry: memory(), writes: true, report: () => Effect.void })))
  },
  {
    name: "Explain",
    wire: () => inProcess(memory().pipe(Explain.wrap({ name: "memory" }))),
    options: { capabilities: { anonymousMount: false } },
    skips: 2
  },
  { name: "Retry", wire: () => inProcess(memory().pipe(Retry.wrap())) },
  {
    name: "Retry, over a registry that loses answers",
    wire: () => inProcess(memory().pipe(Faulty.wrap(Faulty.make(losing)), Retry.wrap({ delay: 0, retries: 20 })))
  },
  {
    name: "Route, with one member",
    wire: () => inProcess(Route.layer([{ name: "memory", select: ReferenceSet.all, registry: memory() }]))
  },
  {
    name: "Route, with two members",
    wire: () =>
      inProcess(
        memory().pipe(
          Route.wrap([{ name: "other", select: ReferenceSet.prefix("conformance/"), registry: memory() }])
        )
      ),
    options: { capabilities: { anonymousMount: false } },
    skips: 2
  },
  {
    name: "Union, of two members",
    wire: () => inProcess(Union.layer([{ name: "a", registry: memory() }, { name: "b", registry: memory() }]))
  },
  {
    name: "Union, of two clients, read: race, tags: agree",
    wire: () =>
      inProcess(
        hop(memory()).pipe(Union.wrap([{ name: "a", registry: hop(memory()) }], { read: "race", tags: "agree" }))
      )
  },
  {
    name: "Union, of two members, push: all",
    wire: () =>
      inProcess(
        Union.layer([{ name: "a", registry: memory() }, { name: "b", registry: memory() }], { push: "all" })
      )
  },
  {
    name: "Union, of two clients, push: all",
    wire: () =>
      inProcess(
        Union.layer([{ name: "a", registry: hop(memory()) }, { name: "b", registry: hop(memory()) }], { push: "all" })
      )
  },
  { name: "quirk: no referrers", wire: () => inProcess(quirky(lenient(), { noReferrers: true })) },
  { name: "quirk: no filter", wire: () => inProcess(quirky(lenient(), { noFilter: true })) },
  { name: "quirk: no Link", wire: () => inProcess(quirky(lenient(), { noLink: true }, { client: { pageSize: 3 } })) },
  { name: "quirk: no Docker-Content-Digest", wire: () => inProcess(quirky(lenient(), { noDigestHeader: true })) },
  { name: "quirk: pages of 3", wire: () => inProcess(quirky(lenient(), {}, { maxPageSize: 3 })) },
  {
    name: "quirk: no single POST",
    wire: () => inProcess(quirky(lenient(), { noSinglePost: true }, { client: { singlePost: true } }))
  },
  { name: "quirk: no ?tag=", wire: () => inProcess(quirky(lenient(), { noTagParameter: true })) },
  { name: "quirk: absolute Location", wire: () => inProcess(quirky(lenient(), { location: "absolute" })) },
  { name: "quirk: relative Location", wire: () => inProcess(quirky(lenient(), { location: "relative" })) },
  { name: "quirk: Location with a query", wire: () => inProcess(quirky(lenient(), { location: "query" })) },
  {
    name: "quirk: chunks of at least 500, sent in chunks of 100",
    wire: () => inProcess(quirky(lenient(), { minChunkBytes: 500 }, { client: { chunkSize: 100 } }))
  },
  { name: "quirk: Warning with every answer", wire: () => inProcess(quirky(lenient(), { warnings: ["a notice"] })) },
  { name: "quirk: 201 for PATCH", wire: () => inProcess(quirky(lenient(), { patchCreated: true })) },
  {
    name: "quirk: Range does not change",
    wire: () => inProcess(quirky(lenient(), { stuckRange: true })),
    options: { skip: { "upload-status": "the upstream registry does not report the offset of an upload" } },
    skips: 2
  },
  { name: "quirk: 405 for a mount", wire: () => inProcess(quirky(lenient(), { mountStatus: 405 })) },
  { name: "quirk: no ranges", wire: () => inProcess(quirky(lenient(), { noRange: true })) },
  {
    name: "quirk: HTML errors",
    wire: () => inProcess(quirky(lenient(), { htmlErrors: true })),
    options: {
      skip: htmlErrors
    },
    skips: 3
  }
]

/** The features that known registries do not support, for the registries that the server can imitate. */
const limits: { readonly [Name in Quirks.Name]?: Pick<Composition, "options" | "skips"> } = {
  gitlab: { options: { capabilities: { catalog: false, referrers: false } }, skips: 11 },
  ghcr: { options: { capabilities: { catalog: false } }, skips: 2 },
  ecr: {
    options: { skip: { "upload-status": "the upstream registry does not report the offset of an upload" } },
    skips: 2
  },
  portal: { options: { skip: htmlErrors }, skips: 3 }
}

const likeRegistries = Quirks.names.map((name): Composition => ({
  name: `like ${name}`,
  wire: () => inProcess(quirky(lenient(), Quirks.like(name))),
  ...limits[name]
}))

const rows: Array<string> = []

describe("the conformance matrix", () => {
  it.each([...compositions, ...likeRegistries])("$name", ({ name, options, skips = 1, wire }) =>
    Effect.runPromise(
      Effect.gen(function*() {
        const report = yield* Conformance.run({ concurrency: 8, ...options })
        rows.push(
          `${name.padEnd(54)} ${String(report.passed).padStart(4)} ${String(report.failed).padStart(6)} ${
            String(report.skipped).padStart(7)
          }`
        )
        const failures = report.results.flatMap(({ check, outcome }) =>
          outcome._tag === "Failed" ? [`${check.id}: ${outcome.reason}`] : []
        )
        expect(failures.join("\n")).toBe("")
        expect(report.skipped).toBe(skips)
      }).pipe(Effect.provide(wire()))
    ), 60_000)

  afterAll(() => {
    process.stdout.write(`${[`${"composition".padEnd(54)} pass   fail    skip`, ...rows].join("\n")}\n`)
  })
})

await Conformance.suite("Conformance.suite", memory(), { concurrency: 1 })
