import {
  Answer,
  Descriptor,
  Handler,
  Operation,
  ReferenceSet,
  Registry,
  RegistryError,
  RepositoryName,
  Tag
} from "@effect-oci/core"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Fiber, Option, Stream, TestClock } from "effect"
import { Union } from "../src/index.js"

const { digest, repository } = samples

type Member = Union.Member<Registry["Type"]>
type Items<A> = Stream.Stream<A, RegistryError.RegistryError>

const union = (members: ReadonlyArray<Member>, options?: Union.Options) =>
  Effect.map(Effect.provide(Registry, Union.layer(members, options)), (registry) => registry)

const member = (name: string, rows: Partial<Handler.Table>, more?: Partial<Member>): Member => ({
  name,
  registry: Registry.fromHandler(Handler.override(samples.known, rows)),
  ...more
})

const tagsOf = (name: string, tags: Items<Tag.Tag> | RegistryError.RegistryError, more?: Partial<Member>) =>
  member(
    name,
    { ListTags: () => RegistryError.isRegistryError(tags) ? Answer.fail(tags) : Answer.succeed(tags) },
    more
  )

const tags = (...names: ReadonlyArray<string>) => Stream.fromIterable(names.map(Tag.make))

const listed = <A>(items: Items<A>) => Effect.map(Stream.runCollect(items), Chunk.toReadonlyArray)

const unknown = new RegistryError.NameUnknown({})
const down = new RegistryError.TransportError({ reason: "connection refused" })
const transient = { passOver: RegistryError.isTransient }

describe("Union, listing", () => {
  it.effect("merges tags, each once, and applies the limit to the merged list", () =>
    Effect.gen(function*() {
      const { listTags } = yield* union([
        tagsOf("a", tags("a", "c", "e")),
        tagsOf("b", unknown),
        tagsOf("c", tags("b", "c", "d"))
      ])
      expect(yield* listed(listTags(repository))).toEqual(["a", "b", "c", "d", "e"])
      expect(yield* listed(listTags(repository, { limit: 2 }))).toEqual(["a", "b"])
      expect(yield* listed(listTags(repository, { last: Tag.make("b"), limit: 2 }))).toEqual(["c", "d"])
      expect(yield* listed(listTags(repository, { limit: 0 }))).toEqual([])
    }))

  it.effect("sends no limit to the members, except for a limit of 0", () =>
    Effect.gen(function*() {
      const limits: Array<number | undefined> = []
      const noting = (name: string) =>
        member(name, {
          ListTags: ({ limit }) => {
            limits.push(limit)
            return Answer.succeed(limit === 0 ? Stream.empty : tags("b", "a"))
          }
        })
      const { listTags } = yield* union([noting("a"), noting("b")])
      expect(yield* listed(listTags(repository, { limit: 1 }))).toEqual(["a"])
      expect(yield* listed(listTags(repository, { limit: 0 }))).toEqual([])
      expect(limits).toEqual([undefined, undefined, 0, 0])
    }))

  it.effect("contains only tags of a member that its `select` contains", () =>
    Effect.gen(function*() {
      const select = ReferenceSet.tags("v*")
      const { listTags } = yield* union([
        tagsOf("releases", tags("main", "v1"), { select }),
        tagsOf("mirror", tags("x"), { capabilities: ["pull"] })
      ])
      expect(yield* listed(listTags(repository))).toEqual(["v1"])
    }))

  describe.each<{ name: string; of: (error: RegistryError.RegistryError) => Member }>([
    { name: "at once", of: (error) => tagsOf("b", error) },
    { name: "when it is read", of: (error) => tagsOf("b", Stream.fail(error)) }
  ])("a member that fails $name", ({ of }) => {
    it.effect("contributes nothing if it does not know the repository", () =>
      Effect.gen(function*() {
        const { listTags } = yield* union([tagsOf("a", tags("a")), of(unknown)])
        expect(yield* listed(listTags(repository))).toEqual(["a"])
        const none = yield* union([tagsOf("a", unknown), of(unknown)])
        expect(yield* Effect.flip(listed(none.listTags(repository)))).toMatchObject({
          _tag: "OciNameUnknown",
          message:
            "ListTags team/app: a: repository name not known to registry; b: repository name not known to registry"
        })
      }))

    it.effect("fails the list, or is skipped with passOver", () =>
      Effect.gen(function*() {
        const members = [tagsOf("a", tags("a")), of(down)]
        const strict = yield* union(members)
        expect(yield* Effect.flip(listed(strict.listTags(repository)))).toMatchObject({
          _tag: "OciTransportError",
          reason: "connection refused"
        })
        const lenient = yield* union(members, transient)
        expect(yield* listed(lenient.listTags(repository))).toEqual(["a"])
        const nothing = yield* union([tagsOf("a", unknown), of(down)], transient)
        expect(yield* Effect.flip(listed(nothing.listTags(repository)))).toMatchObject({
          _tag: "OciTransportError",
          reason: "a: repository name not known to registry; b: connection refused"
        })
      }))
  })

  it.effect("fails on an outage in the middle, or ends the list of that member with passOver", () =>
    Effect.gen(function*() {
      const members = [
        tagsOf("a", tags("a", "d")),
        tagsOf("b", Stream.concat(tags("b"), Stream.fail(down)))
      ]
      const strict = yield* union(members, { sortBuffer: 0 })
      const read: Array<string> = []
      const error = yield* Effect.flip(
        Stream.runForEach(strict.listTags(repository), (tag) => Effect.sync(() => void read.push(tag)))
      )
      expect([error._tag, read]).toEqual(["OciTransportError", ["a", "b"]])
      const lenient = yield* union(members, transient)
      expect(yield* listed(lenient.listTags(repository))).toEqual(["a", "b", "d"])
    }))

  it.effect("sorts a list up to a cap, and names the member beyond it", () =>
    Effect.gen(function*() {
      const members = [tagsOf("a", tags("b")), tagsOf("crooked", tags("c", "d", "a"))]
      const strict = yield* union(members, { sortBuffer: 0 })
      expect(yield* Effect.flip(listed(strict.listTags(repository)))).toMatchObject({
        _tag: "OciResponseInvalid",
        message: "ListTags team/app: the list of crooked is out of order: \"a\" comes after \"d\""
      })
      const lenient = yield* union(members)
      expect(yield* listed(lenient.listTags(repository))).toEqual(["a", "b", "c", "d"])
    }))

  it.effect("lists repositories of all members, limited by their `select`", () =>
    Effect.gen(function*() {
      const names = (...all: ReadonlyArray<string>): Partial<Handler.Table> => ({
        ListRepositories: ({ last }) =>
          Answer.succeed(
            Stream.fromIterable(all.filter((name) => last === undefined || name > last).map(RepositoryName.make))
          )
      })
      const { listRepositories } = yield* union([
        member("a", names("a", "a-b", "a/b", "c")),
        member("b", names("a/c", "b", "hidden"), {
          select: ReferenceSet.complement(ReferenceSet.repository("hidden"))
        }),
        member("mirror", names("x"), { capabilities: ["pull"] })
      ])
      expect(yield* listed(listRepositories())).toEqual(["a", "a-b", "a/b", "a/c", "b", "c"])
      expect(yield* listed(listRepositories({ last: RepositoryName.make("a-b"), limit: 3 }))).toEqual([
        "a/b",
        "a/c",
        "b"
      ])
      expect(yield* listed(listRepositories({ limit: 0 }))).toEqual([])
    }))

  it.effect("lists referrers once, in the order of digests, from members with the capability", () =>
    Effect.gen(function*() {
      const all = ["a", "b", "c", "d"].map((text) => Descriptor.fromBytes(new TextEncoder().encode(text)))
      const of = (name: string, items: ReadonlyArray<Descriptor.Descriptor>, more?: Partial<Member>) =>
        member(name, { ListReferrers: () => Answer.succeed(Stream.fromIterable(items)) }, more)
      const annotated = { ...all[1]!, annotations: { from: "b" } }
      const { listReferrers } = yield* union([
        of("a", all.slice(0, 2)),
        of("b", [annotated, all[2]!].toReversed()),
        of("c", all.slice(3), { capabilities: ["pull", "resolve"] })
      ])
      const inOrder = all.slice(0, 3).toSorted((one, other) => one.digest < other.digest ? -1 : 1)
      expect(yield* listed(listReferrers(repository, digest))).toEqual(inOrder)
    }))

  it.effect("asks all members at once", () =>
    Effect.gen(function*() {
      const slow = (name: string) => tagsOf(name, Stream.unwrap(Effect.as(Effect.sleep(100), tags(`tag-of-${name}`))))
      const { listTags } = yield* union([slow("a"), slow("b"), slow("c")])
      const fiber = yield* Effect.fork(listed(listTags(repository)))
      yield* TestClock.adjust(100)
      expect(yield* Fiber.join(fiber)).toHaveLength(3)
    }))

  it.effect("holds one chunk of each member, even for long lists", () =>
    Effect.gen(function*() {
      const members = 8
      const count = 10_000
      let made = 0
      let taken = 0
      let ahead = 0
      const long = (index: number) =>
        tagsOf(
          `${index}`,
          Stream.paginateChunk(0, (from) => {
            made += 100
            const page = Array.from(
              { length: 100 },
              (_, at) => Tag.make(`v${String((from + at) * members + index).padStart(8, "0")}`)
            )
            const next = from + 100
            return [Chunk.unsafeFromArray(page), next < count ? Option.some(next) : Option.none()]
          })
        )
      const { listTags } = yield* union(Array.from({ length: members }, (_, index) => long(index)), { sortBuffer: 0 })
      let last = ""
      yield* Stream.runForEachChunk(listTags(repository), (chunk) =>
        Effect.sync(() => {
          for (const tag of chunk) {
            if (tag <= last) throw new Error(`${tag} comes after ${last}`)
            last = tag
          }
          taken += chunk.length
          ahead = Math.max(ahead, made - taken)
        }))
      expect(taken).toBe(members * count)
      expect(ahead).toBeLessThanOrEqual(members * 200)
    }))

  it.effect("closes all open lists if it is not read to its end", () =>
    Effect.gen(function*() {
      let open = 0
      const endless = (name: string) =>
        tagsOf(
          name,
          Stream.unwrapScoped(Effect.as(
            Effect.acquireRelease(Effect.sync(() => void open++), () => Effect.sync(() => void open--)),
            Stream.map(Stream.iterate(0, (n) => n + 1), (n) => Tag.make(`v${String(n).padStart(8, "0")}${name}`))
          ))
        )
      const { listTags } = yield* union([endless("a"), endless("b")])
      expect(yield* listed(listTags(repository, { limit: 3 }))).toHaveLength(3)
      expect(open).toBe(0)
    }))

  it("returns a result at once that is available at once", () => {
    const handle = Effect.runSync(union([tagsOf("a", tags("a")), tagsOf("b", tags("b"))])).handle
    expect(Exit.isExit(handle(new Operation.ListTags({ repository })))).toBe(true)
  })
})
