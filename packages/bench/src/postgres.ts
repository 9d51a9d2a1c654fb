/**
 * Measures the metadata store in PostgreSQL with 1,000,000 repositories and 10,000,000 tags: pages of each list, and the
 * collection of 100,000 dead blobs. Left out where PostgreSQL is not installed.
 */
import { Digest, RepositoryName, Tag } from "@effect-oci/core"
import { SqlBatch, SqlMetadataStore } from "@effect-oci/store-sql"
import * as Postgres from "@effect-oci/store-sql/Postgres"
import type * as MetadataStore from "@effect-oci/store/MetadataStore"
import * as NodePostgres from "@effect-oci/testing/NodePostgres"
import * as NodeSql from "@effect-oci/testing/NodeSql"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { percentile99, row } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"

const repositories = 1_000_000
const tagsOfEach = 9
const tagsOfOne = 1_000_000
const referrers = 100_000
const dead = 100_000
const hour = Duration.hours(1)

const digits = (number: number) => String(number).padStart(7, "0")
const nameOf = (number: number) => RepositoryName.make(`team/r${digits(number)}`)
const tagOf = (number: number) => Tag.make(`v${digits(number)}`)
const subject = Digest.fromBytes(new TextEncoder().encode("subject"))

const digestOf = (kind: string, number: string) =>
  `'\\x03'::bytea || sha256(convert_to('${kind} ' || ${number}, 'UTF8'))`
const manifestColumns = "repo_id, digest, media_type, size, created_at, leased_until, subject, listed_as, payload"

/** The rows, without the triggers and the foreign keys. The first repository has a million tags and the referrers. */
const rows = [
  "SET LOCAL session_replication_role = replica",
  `INSERT INTO repo (name, created_at) SELECT 'team/r' || lpad(n::text, 7, '0'), 0
    FROM generate_series(0, ${repositories - 1}) n`,
  `INSERT INTO manifest (${manifestColumns})
    SELECT id, ${
    digestOf("manifest", "id")
  }, 'application/vnd.oci.image.manifest.v1+json', 2, 0, 0, NULL, NULL, '{}' FROM repo`,
  `INSERT INTO tag (repo_id, name, manifest, updated_at)
    SELECT repo_id, 'v' || n, digest, 0 FROM manifest, generate_series(1, ${tagsOfEach}) n`,
  `INSERT INTO tag (repo_id, name, manifest, updated_at)
    SELECT repo_id, 'v' || lpad(n::text, 7, '0'), digest, 0 FROM generate_series(0, ${tagsOfOne - 1}) n,
      (SELECT repo_id, digest FROM manifest WHERE repo_id = (SELECT id FROM repo WHERE name = 'team/r0000000')) m
    ON CONFLICT DO NOTHING`,
  `INSERT INTO manifest (${manifestColumns})
    SELECT (SELECT id FROM repo WHERE name = 'team/r0000000'), ${digestOf("referrer", "n")}, 'a/b', 2, 0, 0,
      '\\x03'::bytea || sha256('subject'), '{"mediaType":"a/b","digest":"sha256:${"0".repeat(64)}","size":2}', '{}'
    FROM generate_series(1, ${referrers}) n`,
  `INSERT INTO blob (digest, size, key, created_at)
    SELECT ${digestOf("blob", "n")}, 1024, 'key-' || n, 0 FROM generate_series(1, ${dead}) n`,
  `INSERT INTO repo_blob (repo_id, digest, leased_until)
    SELECT (SELECT id FROM repo WHERE name = 'team/r0000001'), digest, 0 FROM blob`,
  `INSERT INTO review (kind, repo_id, digest, released_at) SELECT 'blob', repo_id, digest, 0 FROM repo_blob`
].map((sql) => ({ sql, params: [], guard: false }))

const timed = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.suspend(() => {
    const start = performance.now()
    return Effect.map(effect, () => performance.now() - start)
  })

const pages = (name: string, target: number, page: (index: number) => Effect.Effect<ReadonlyArray<unknown>, unknown>) =>
  Effect.gen(function*() {
    const times: Array<number> = []
    for (let index = -20; index < 300; index++) {
      const time = yield* timed(Effect.filterOrDieMessage(page(Math.abs(index)), (items) => items.length > 0, name))
      if (index >= 0) times.push(time)
    }
    return row({ name: `PostgreSQL: ${name}, p99`, unit: "ms", better: "lower", target }, [percentile99(times)])
  })

const collect = (store: MetadataStore.Service) =>
  Effect.gen(function*() {
    let blobs = 0
    let keys = 0
    for (let more = true; more;) {
      const reviewed = yield* store.review({ untagged: "keep", grace: hour, readable: Duration.zero }, 100)
      blobs += reviewed.blobs
      more = reviewed.more
    }
    for (;;) {
      const garbage = yield* store.claimGarbage(100, hour)
      if (garbage.length === 0) break
      keys += garbage.length
      yield* store.forgetGarbage(garbage.map(({ key }) => key))
    }
    if (blobs !== dead || keys !== dead) {
      return yield* Effect.dieMessage(`the collector removed ${blobs} blobs and ${keys} keys`)
    }
  })

const measure = Effect.gen(function*() {
  const server = yield* NodePostgres.make({ settings: { shared_buffers: "512MB", max_wal_size: "4GB" } })
  const pool = yield* NodeSql.pool(server.config)
  const batch = Postgres.make({ pool })
  const store = yield* Effect.provideService(SqlMetadataStore.make(), SqlBatch.SqlBatch, batch)
  yield* batch.run(rows)
  yield* Effect.promise(() => pool.query("VACUUM ANALYZE"))
  const large = nameOf(0)
  const measured: Array<Row> = []
  for (
    const list of [
      pages(
        "a page of 1,000 repositories of 1,000,000",
        15,
        (index) => store.listRepositories(nameOf(index * 3000), 1000)
      ),
      pages("a page of 1,000 tags of 10,000,000", 15, (index) => store.listTags(large, tagOf(index * 3000), 1000)),
      pages(
        "a page of 1,000 tags with their manifests",
        15,
        (index) => store.inspectTags(large, tagOf(index * 3000), 1000)
      ),
      pages(
        "the tags of one of 1,000,000 repositories",
        15,
        (index) => store.listTags(nameOf(index * 3000 + 1), undefined, 1000)
      ),
      pages(
        "a page of 100 referrers of 100,000",
        15,
        (index) => store.listReferrers(large, subject, undefined, Digest.fromBytes(new Uint8Array([index])), 100)
      )
    ]
  ) measured.push(yield* list)
  const seconds = (yield* timed(collect(store))) / 1000
  measured.push(
    row({ name: `PostgreSQL: ${dead} dead blobs collected`, unit: "s", better: "lower", target: 180 }, [seconds])
  )
  return measured
}).pipe(Effect.scoped)

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.suspend(() =>
  NodePostgres.available ? measure : Effect.succeed([])
)
