import { RepositoryName, Tag } from "@effect-oci/core"
import { SqlBatch } from "@effect-oci/store-sql"
import type * as MetadataStore from "@effect-oci/store/MetadataStore"
import { assert } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Schedule } from "effect"
import type { Cause, Scope } from "effect"
import * as store from "../src/internal/commands/store.js"
import type { Dialect } from "../src/internal/dialect.js"
import { openWith } from "../src/internal/open.js"
import { type Migration, migrations } from "../src/internal/schema.js"
import { digestOf, keep, limits, link, push, upload } from "./content.js"

type Store = MetadataStore.Service

/** Adds columns, a table and an index, as a migration that older programs do not notice. */
const harmless = [
  "ALTER TABLE tag ADD COLUMN note TEXT",
  "ALTER TABLE manifest ADD COLUMN note TEXT",
  "ALTER TABLE upload ADD COLUMN note TEXT",
  "CREATE TABLE note (id BIGINT PRIMARY KEY, note TEXT)",
  "CREATE INDEX tag_updated_at ON tag (updated_at)"
]

/** Copies the tags: a program that the migration forbids to write must not set a tag after it. */
const breaking = ["CREATE TABLE tag_before AS SELECT repo_id, name FROM tag"]

/** A program that knows the schema of this version, and then some migrations more. */
const program = (more: (known: number) => ReadonlyArray<Migration>) => (batch: SqlBatch.Service) =>
  openWith((dialect: Dialect) => {
    const known = migrations(dialect)
    return [...known, ...more(known.length)]
  }).pipe(
    Effect.map((db) => store.make(db, { eventsKept: 1000 })),
    Effect.provideService(SqlBatch.SqlBatch, batch)
  )

const first = (known: number): Migration => ({ statements: harmless, readableBy: known, writableBy: known })
const second = (known: number): Migration => ({ statements: breaking, readableBy: known, writableBy: known + 2 })

const programs = {
  older: program(() => []),
  newer: program((known) => [first(known)]),
  newest: program((known) => [first(known), second(known)]),
  unreadable: program((known) => [first(known), second(known), { statements: ["SELECT 1"] }])
}

/** What a client pushed through a node. */
interface Pushed {
  readonly name: string
  readonly repository: RepositoryName.RepositoryName
  readonly tag: Tag.Tag
}

/** Waits until each client has pushed some images more, or has failed. */
const progress = (clients: ReadonlyArray<Client>) =>
  Effect.forEach(clients, ({ fiber, pushed }) => {
    const before = pushed.length
    const isDone = Effect.map(Fiber.poll(fiber), (exit) => Option.isSome(exit) || pushed.length >= before + 3)
    return Effect.repeat(isDone, { until: (done) => done, schedule: Schedule.spaced("10 millis") })
  }, { concurrency: "unbounded", discard: true })

type Client = Effect.Effect.Success<ReturnType<typeof client>>

/** Pushes and reads images through a node until a request fails, or until `isOver`. */
const client = (node: Store, name: string, isOver: () => boolean) => {
  const pushed: Array<Pushed> = []
  const pushOne = (number: number) =>
    Effect.gen(function*() {
      const id = `${name}-${number}`
      const repository = RepositoryName.make(`team/app${number % 3}`)
      const tag = Tag.make(id)
      yield* node.createUpload({ ...upload(id), repository }, keep, limits)
      const { fence } = yield* node.claimUpload(id, keep)
      yield* node.linkBlob({ ...link(id), repository, upload: { id, fence } })
      yield* node.putManifest(push(id, [id], { repository, tags: [tag] }))
      pushed.push({ name: id, repository, tag })
      yield* read(node, pushed.at(-1)!)
      if (number % 5 === 0) yield* node.deleteTag(repository, tag)
      if (number % 5 === 0) pushed.pop()
    })
  const run = Effect.gen(function*() {
    for (let number = 0; !isOver(); number++) yield* pushOne(number)
  })
  return Effect.map(Effect.fork(run), (fiber) => ({ fiber, pushed }))
}

const read = (node: Store, { name, repository, tag }: Pushed) =>
  Effect.gen(function*() {
    assert.isDefined(yield* node.findBlob(repository, digestOf(name)))
    yield* node.getManifest(repository, tag)
    assert.isNotEmpty(yield* node.listTags(repository, undefined, 10))
  })

const messageOf = (cause: Cause.Cause<unknown>): string =>
  cause._tag === "Fail" ? String((cause.error as { readonly cause?: unknown }).cause) : String(cause)

/** Upgrades the schema of a database under load, each node with connections of its own. */
export const upgradesUnderLoad = (open: Effect.Effect<SqlBatch.Service, never, Scope.Scope>) =>
  Effect.gen(function*() {
    const state = { isOver: false }
    const isOver = () => state.isOver
    const node = (of: keyof typeof programs) => Effect.flatMap(open, programs[of])
    const old = [yield* node("older"), yield* node("older")]
    const clients = yield* Effect.forEach(old, (each, n) => client(each, `older${n}`, isOver))
    yield* progress(clients)

    // The first migration: all programs continue, and one of the older version starts again.
    const newer = yield* node("newer")
    clients.push(yield* client(newer, "newer", isOver), yield* client(yield* node("older"), "again", isOver))
    yield* progress(clients)
    for (const { fiber } of clients) assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))

    // The second one forbids the older programs to write.
    const newest = yield* node("newest")
    const last = yield* client(newest, "newest", isOver)
    for (const { fiber, pushed } of clients) {
      const exit = yield* Fiber.await(fiber)
      assert(Exit.isFailure(exit))
      assert.match(messageOf(exit.cause), /its schema has version \d+, and this program knows versions up to \d+; run/)
      assert.isAbove(pushed.length, 2)
    }
    assert.strictEqual((yield* Effect.flip(node("older")))._tag, "OciSchemaTooNew")
    yield* progress([last])
    assert.isTrue(Option.isNone(yield* Fiber.poll(last.fiber)))
    state.isOver = true
    yield* last.fiber

    // Nothing is lost, and the older programs read, but have written nothing since.
    const batch = yield* open
    const rows = yield* batch.read({ sql: "SELECT name FROM tag_before", params: [], guard: false })
    const before = new Set(rows.map((row) => String(row["name"])))
    for (const { pushed } of clients) {
      assert.deepStrictEqual(pushed.filter(({ tag }) => !before.has(tag)), [])
    }
    for (const pushed of [...clients, last].flatMap((each) => each.pushed)) {
      for (const each of [newest, old[0]!]) yield* read(each, pushed)
    }

    // The third one forbids them to read.
    yield* node("unreadable")
    const [pushed] = last.pushed
    const refused = yield* Effect.flip(old[0]!.putManifest(push("late", [])))
    assert.strictEqual(refused._tag, "OciStoreFailed")
    const unread = yield* Effect.exit(read(old[0]!, pushed!))
    assert(Exit.isFailure(unread))
    assert.match(messageOf(unread.cause), /run the newer version of the program/)
  })
