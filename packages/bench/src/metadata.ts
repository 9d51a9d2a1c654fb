/**
 * Measures the metadata store in SQLite: commands that 16 clients run at once, reads of a manifest, and a page of a
 * repository with a million tags. Times of reads are processor times.
 */
import { Answer, Digest, Manifest, MediaType, RepositoryName, Tag } from "@effect-oci/core"
import { MetadataStore } from "@effect-oci/store"
import { SqlMetadataStore } from "@effect-oci/store-sql"
import * as Sqlite from "@effect-oci/store-sql/Sqlite"
import { BlobKey } from "@effect-oci/store/BlobStore"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { join } from "node:path"
import { folder } from "./internal/folder.js"
import { percentile99, row } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"

const repository = RepositoryName.make("team/app")
const large = RepositoryName.make("team/large")
const keep = Duration.days(1)
const clients = 16
const rounds = 5
const perRound = 1000
const tags = 1_000_000

const text = (value: string) => new TextEncoder().encode(value)
const digestOf = (number: number) => Digest.fromBytes(text(`layer ${number}`))
const tagOf = (number: number) => Tag.make(`v${String(number).padStart(7, "0")}`)

const push = (name: RepositoryName.RepositoryName, number: number, names: ReadonlyArray<Tag.Tag>) => ({
  repository: name,
  manifest: Either.getOrThrow(
    Manifest.make({ mediaType: MediaType.image, bytes: text(JSON.stringify({ number, padding: "x".repeat(600) })) })
  ),
  references: [],
  listedAs: undefined,
  tags: names,
  ifAbsent: false,
  ifMatch: undefined,
  keep
})

/** Returns the commands per second of several rounds. */
const rates = (command: (number: number) => Effect.Effect<unknown, unknown>) =>
  Effect.forEach(Array.from({ length: rounds }, (_, round) => round), (round) =>
    Effect.gen(function*() {
      const numbers = Array.from({ length: perRound }, (_, index) => round * perRound + index)
      const start = performance.now()
      yield* Effect.forEach(numbers, command, { concurrency: clients, discard: true })
      return perRound / (performance.now() - start) * 1000
    }))

/** Returns the processor time of a call in several rounds, in microseconds. */
const costs = (times: number, call: (index: number) => Effect.Effect<unknown, unknown>) =>
  Effect.forEach(Array.from({ length: rounds + 1 }), () =>
    Effect.gen(function*() {
      const start = process.cpuUsage()
      for (let index = 0; index < times; index++) {
        const answer = call(index)
        if (Answer.settled(answer) === undefined) yield* answer
      }
      const { system, user } = process.cpuUsage(start)
      return (user + system) / times
    })).pipe(Effect.map(([, ...measured]) => measured))

const measure = (store: MetadataStore.Service) =>
  Effect.gen(function*() {
    const rows: Array<Row> = []
    const link = (number: number) =>
      store.linkBlob({ repository, digest: digestOf(number), size: 1, key: BlobKey(`key-${number}`), keep })
    rows.push(row(
      { name: `SQLite: ${clients} clients link blobs`, unit: "commands/s", better: "higher" },
      yield* rates(link)
    ))
    rows.push(row(
      { name: `SQLite: ${clients} clients push manifests with a tag`, unit: "commands/s", better: "higher" },
      yield* rates((number) => store.putManifest(push(repository, number, [tagOf(number)])))
    ))
    rows.push(row(
      { name: "SQLite: getManifest by tag, processor time", unit: "µs", better: "lower" },
      yield* costs(5000, (index) => store.getManifest(repository, tagOf(index % 100)))
    ))
    rows.push(row(
      { name: "SQLite: findBlob, processor time", unit: "µs", better: "lower" },
      yield* costs(5000, (index) => store.findBlob(repository, digestOf(index % 100)))
    ))
    const step = 20_000
    for (let first = 0; first < tags; first += step) {
      yield* store.putManifest(push(large, 0, Array.from({ length: step }, (_, index) => tagOf(first + index))))
    }
    rows.push(row(
      {
        name: "SQLite: a page of 1,000 tags of 1,000,000, processor time",
        unit: "µs",
        better: "lower",
        target: 10_000
      },
      yield* costs(50, (index) => store.listTags(large, tagOf(index * 19_000), 1000))
    ))
    const pages = yield* Effect.forEach(Array.from({ length: 300 }, (_, index) => tagOf(index * 3000)), (after) =>
      Effect.suspend(() => {
        const start = performance.now()
        return Effect.map(store.listTags(large, after, 1000), () =>
          performance.now() - start)
      }))
    rows.push(row(
      { name: "SQLite: a page of 1,000 tags of 1,000,000, p99", unit: "ms", better: "lower", target: 10 },
      [percentile99(pages)]
    ))
    return rows
  })

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.scoped(
  Effect.flatMap(folder, (path) =>
    Effect.provide(
      Effect.flatMap(MetadataStore.MetadataStore, measure),
      SqlMetadataStore.layer().pipe(Layer.provide(Sqlite.layer({ filename: join(path, "metadata.db") })))
    ))
)
