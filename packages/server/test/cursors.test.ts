import { Body, Caller, Descriptor, Digest, Handler, MediaType, RegistryError } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream, TestClock } from "effect"
import { RegistryServer } from "../src/index.js"
import { imageDigest } from "./fixtures.js"

/** Unordered referrers, each of some bytes. */
const referrersOf = (count: number) =>
  Array.from(
    { length: count },
    (_, at) => Descriptor.fromBytes(new TextEncoder().encode(`referrer ${at}`), MediaType.image)
  )

/** Starts a server over a registry of referrers. Counts the items that the server reads from the registry. */
const serving = (
  count: number,
  list?: (operation: Operation.ListReferrers) => Effect.Effect<never, RegistryError.RegistryError>
) => {
  const all = referrersOf(count)
  let read = 0
  let open = 0
  const unsupported = (): Effect.Effect<never, RegistryError.RegistryError> =>
    Effect.fail(new RegistryError.Unsupported({}))
  const items = Stream.fromIterable(all).pipe(
    Stream.rechunk(10),
    Stream.tap(() => Effect.sync(() => read++)),
    Stream.onStart(Effect.sync(() => open++)),
    Stream.ensuring(Effect.sync(() => open--))
  )
  const nowhere: Handler.Handler = () => unsupported()
  const handler = Handler.override(nowhere, {
    ListReferrers: (operation) => list === undefined ? Effect.succeed(items) : list(operation)
  })
  const answer = RegistryServer.make({ maxPageSize: 25 })(handler)
  const path = `/v2/team/app/referrers/${imageDigest}`
  const ask = (target: string) =>
    Effect.gen(function*() {
      const { body, headers, status } = yield* answer({ method: "GET", target, headers: {}, body: undefined })
      const bytes = yield* Body.toBytes(body ?? Body.empty, { limit: 1e6, onLimit: () => new Error("too much") })
      const { manifests = [] } = JSON.parse(new TextDecoder().decode(bytes)) as {
        readonly manifests?: ReadonlyArray<Descriptor.Descriptor>
      }
      return { status, digests: manifests.map(({ digest }) => digest), next: headers["link"]?.match(/<(.*)>/)?.[1] }
    })
  const walk = Effect.gen(function*() {
    const digests: Array<string> = []
    for (let next: string | undefined = path; next !== undefined;) {
      const page: Effect.Effect.Success<ReturnType<typeof ask>> = yield* ask(next)
      digests.push(...page.digests)
      next = page.next
    }
    return digests
  })
  return { all: all.map(({ digest }) => digest), ask, path, walk, read: () => read, open: () => open }
}

describe("the pages of a list of referrers", () => {
  it.effect("are read from the registry once, and each item is sent once", () =>
    Effect.gen(function*() {
      const { all, open, read, walk } = serving(300)
      expect(yield* walk).toEqual(all)
      expect(read()).toBe(300)
      expect(open()).toBe(0)
    }))

  it.effect("are read by several callers at once", () =>
    Effect.gen(function*() {
      const { all, ask, path, read } = serving(60)
      const [one, other] = [yield* ask(path), yield* ask(path)]
      expect((yield* ask(one.next!)).digests).toEqual(all.slice(25, 50))
      expect((yield* ask(other.next!)).digests).toEqual(all.slice(25, 50))
      // Each of them has read up to the item after its second page.
      expect(read()).toBe(102)
    }))

  it.effect("continue by reading the list from its start if the cursor is lost", () =>
    Effect.gen(function*() {
      const { all, ask, open, path } = serving(60)
      const { next } = yield* ask(path)
      expect(open()).toBe(1)
      yield* TestClock.adjust("30 seconds")
      expect(open()).toBe(0)
      expect((yield* ask(next!)).digests).toEqual(all.slice(25, 50))
    }))

  it.effect("belong to the caller that received the page before", () =>
    Effect.gen(function*() {
      const { all, ask, open, path } = serving(60)
      const as = (name: string) => Effect.provideService(Caller.Caller, { name, claims: {} })
      const { next } = yield* as("alice")(ask(path))
      expect((yield* as("bob")(ask(next!))).digests).toEqual(all.slice(25, 50))
      expect(open()).toBe(2)
    }))

  it.effect("are complete for each of 100 unfinished lists, although some cursors are lost", () =>
    Effect.gen(function*() {
      const { ask, open, path } = serving(60)
      yield* Effect.replicateEffect(ask(path), 100)
      expect(open()).toBe(64)
    }))

  it.effect("are refused if the registry refuses the list meanwhile", () =>
    Effect.gen(function*() {
      let allowed = true
      const items = Stream.fromIterable(referrersOf(60))
      const { ask, path } = serving(60, () =>
        (allowed ? Effect.succeed(items) : Effect.fail(new RegistryError.Denied({}))) as Effect.Effect<
          never,
          RegistryError.Denied
        >)
      const { next } = yield* ask(path)
      allowed = false
      expect((yield* ask(next!)).status).toBe(403)
    }))

  it.effect("begin the list again if the item before them is unknown", () =>
    Effect.gen(function*() {
      const { all, ask, path } = serving(60)
      const unknown = Digest.fromBytes(new TextEncoder().encode("unknown"))
      expect((yield* ask(`${path}?last=${unknown}`)).digests).toEqual(all.slice(0, 25))
    }))

  it.effect.each(
    [
      ["at once", Effect.fail(new RegistryError.NameUnknown({}))],
      ["when it is read", Effect.succeed(Stream.fail(new RegistryError.NameUnknown({})))]
    ] as const
  )("are empty where the registry does not know the repository: %s (rule 84)", ([, answer]) =>
    Effect.gen(function*() {
      const { ask, path } = serving(0, () => answer as Effect.Effect<never, RegistryError.NameUnknown>)
      expect(yield* ask(path)).toEqual({ status: 200, digests: [], next: undefined })
    }))
})
