import { Caller, Digest, Handler, ReferenceSet, Registry, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Fiber, Stream, TestClock } from "effect"
import type { Policy, Requirement } from "../src/index.js"
import { Cosign, Sign, Verify } from "../src/index.js"
import * as images from "./images.js"
import { denied, memory, setUp } from "./verified.js"

const { repository } = images
const v1 = Tag.make("v1")

describe("Verify", () => {
  it.scoped("serves a signed image by its tag and digest, and refuses an unsigned one with the reason and data", () =>
    Effect.gen(function*() {
      const { at, get, head, sign } = yield* setUp()
      const signed = yield* at(images.image("signed", "v1"))
      yield* sign(v1)
      expect(yield* get(v1)).toBe(signed.digest)
      expect(yield* head(v1)).toBe(signed.digest)
      expect(yield* get(signed.digest)).toBe(signed.digest)

      const unsigned = yield* at(images.image("unsigned", "v2"))
      expect(yield* denied(head(unsigned.digest))).toContain(`the policy "signed" is not satisfied`)
      const error = yield* Effect.flip(get(Tag.make("v2")))
      expect(error.message).toContain("v2")
      expect(error.message).toMatch(/requires a signature by the key SHA256:\w+, and found nothing/)
      expect(error.detail).toMatchObject([{
        policy: "signed",
        digest: unsigned.digest,
        allowed: false,
        results: [{ _tag: "Missing", findings: [] }]
      }])
    }))

  it.scoped("verifies a moved tag again, and serves the manifest that it has verified", () =>
    Effect.gen(function*() {
      const { at, get, seen, sign } = yield* setUp()
      const first = yield* at(images.image("first", "v1"))
      yield* sign(v1)
      expect(yield* get(v1)).toBe(first.digest)
      const before = seen.length
      expect(yield* get(v1)).toBe(first.digest)
      expect(seen.slice(before).map(({ _tag }) => _tag)).toEqual(["GetManifest"])
      yield* at(images.image("second", "v1"))
      expect(yield* denied(get(v1))).toContain("found nothing")
      expect(yield* get(first.digest)).toBe(first.digest)
    }))

  it.scoped("verifies once for all callers at the same time", () =>
    Effect.gen(function*() {
      let checks = 0
      const gate = yield* Deferred.make<void>()
      const slow: Requirement.Requirement = {
        description: "patience",
        check: () =>
          Effect.as(
            Effect.zipRight(Effect.sync(() => checks++), Deferred.await(gate)),
            { _tag: "Satisfied", by: "time", artifact: "none" }
          )
      }
      const { at, get } = yield* setUp({ require: [slow] })
      const { digest } = yield* at(images.image("one", "v1"))
      const first = yield* Effect.fork(get(v1))
      const others = yield* Effect.forkAll(Array.from({ length: 20 }, () => get(v1)))
      yield* Effect.repeatN(Effect.yieldNow(), 100)
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(gate, undefined)
      expect(new Set(yield* Fiber.join(others))).toEqual(new Set([digest]))
      expect(checks).toBe(1)
    }))

  it.scoped("forgets a denial after its time, or when a signature is pushed through it", () =>
    Effect.gen(function*() {
      const { at, get, sign, verified } = yield* setUp({ negativeTimeToLive: "10 seconds" })
      yield* at(images.image("one", "v1"))
      yield* denied(get(v1))
      yield* sign(v1)
      yield* denied(get(v1))
      yield* TestClock.adjust("11 seconds")
      yield* get(v1)

      const v2 = Tag.make("v2")
      yield* at(images.image("two", "v2"))
      yield* denied(get(v2))
      yield* sign(v2)
      yield* denied(get(v2))
      const { privateKey } = yield* Sign.keyPair
      yield* Effect.provideService(Sign.cosign({ repository, reference: v1, key: privateKey }), Registry, verified)
      yield* get(v2)
    }))

  it.scoped("notices a deleted signature after the time to live, and at once if it was deleted through it", () =>
    Effect.gen(function*() {
      const { at, get, registry, sign, verified } = yield* setUp({ timeToLive: "1 minute" })
      yield* at(images.image("one", "v1"))
      const first = yield* sign(v1)
      yield* get(v1)
      yield* registry.deleteManifest(repository, first.digest)
      yield* get(v1)
      yield* TestClock.adjust("61 seconds")
      yield* denied(get(v1))
      yield* TestClock.adjust("11 seconds")
      const second = yield* sign(v1)
      yield* get(v1)
      yield* verified.deleteManifest(repository, second.digest)
      yield* denied(get(v1))
    }))

  it.scoped("bounds a verdict by the time until which a proof is valid", () =>
    Effect.gen(function*() {
      let checks = 0
      const short: Requirement.Requirement = {
        description: "a short proof",
        check: () =>
          Effect.sync(() => {
            checks++
            return { _tag: "Satisfied", by: "time", artifact: "none", validUntil: checks * 1000 }
          })
      }
      const { at, get } = yield* setUp({ require: [short] })
      yield* at(images.image("one", "v1"))
      yield* get(v1)
      yield* get(v1)
      expect(checks).toBe(1)
      yield* TestClock.adjust("1001 millis")
      yield* get(v1)
      expect(checks).toBe(2)
    }))

  it.scoped("lets a signature of an index cover its children, also of an index in it", () =>
    Effect.gen(function*() {
      const { at, get, head, registry, sign } = yield* setUp({ timeToLive: "1 minute" })
      const one = yield* at(images.image("one"))
      const two = yield* at(images.image("two"))
      const inner = yield* at(images.index([two]))
      yield* at(images.index([one, inner], "v1"))
      const signature = yield* sign(v1)
      yield* denied(get(one.digest))
      yield* head(v1)
      expect(yield* get(one.digest)).toBe(one.digest)
      yield* denied(get(two.digest))
      yield* get(inner.digest)
      expect(yield* get(two.digest)).toBe(two.digest)
      yield* TestClock.adjust("2 minutes")
      expect(yield* get(two.digest)).toBe(two.digest)
      yield* registry.deleteManifest(repository, signature.digest)
      yield* TestClock.adjust("2 minutes")
      yield* denied(get(two.digest))
    }))

  it.scoped("does not let an unsigned index cover anything", () =>
    Effect.gen(function*() {
      const { at, get } = yield* setUp()
      const one = yield* at(images.image("one"))
      yield* at(images.index([one], "v1"))
      yield* denied(get(v1))
      yield* denied(get(one.digest))
    }))

  it.scoped("keeps signatures readable, and serves no image under a tag of cosign", () =>
    Effect.gen(function*() {
      const { at, get, sign, verified } = yield* setUp()
      const subject = yield* at(images.image("one", "v1"))
      const bundle = yield* sign(v1)
      const tagged = yield* sign(v1, "tag")
      expect(yield* get(bundle.digest)).toBe(bundle.digest)
      expect(yield* get(Tag.make(images.cosignTag(subject.digest)))).toBe(tagged.digest)
      const referrers = yield* Stream.runCollect(verified.listReferrers(repository, subject.digest))
      expect(Array.from(referrers, ({ digest }) => digest)).toEqual([bundle.digest])

      const disguise = Tag.make(images.cosignTag(Digest.make(`sha256:${"b".repeat(64)}`)))
      const evil = yield* at(images.image("evil", disguise))
      yield* denied(get(disguise))
      const fallback = Tag.make(`sha256-${"c".repeat(64)}`)
      yield* at(images.index([evil], fallback))
      yield* get(fallback)
      yield* denied(get(evil.digest))
      const image = Tag.make(`sha256-${"d".repeat(64)}`)
      yield* at(images.image("more", image))
      yield* denied(get(image))
    }))

  it.scoped("serves or denies what no policy selects", () =>
    Effect.gen(function*() {
      const policies = (require: ReadonlyArray<Requirement.Requirement>): Verify.Options["policies"] => [
        { name: "releases", select: ReferenceSet.tags("v*"), require }
      ]
      const serving = yield* setUp({ policies: policies([Cosign.key(images.busybox.publicKey)]), unselected: "serve" })
      yield* serving.at(images.image("one", "v1", "dev"))
      const { digest } = yield* serving.verified.resolveManifest(repository, Tag.make("dev"))
      yield* denied(serving.get(v1))
      expect(yield* serving.get(digest)).toBe(digest)

      const denying = yield* setUp({ policies: policies([]), unselected: "deny" })
      const one = yield* denying.at(images.image("one"))
      const list = yield* denying.at(images.index([one], "v1", "dev"))
      expect(yield* denied(denying.get(Tag.make("dev")))).toBe("no policy selects it")
      expect(yield* denied(denying.get(one.digest))).toBe("no policy selects it")
      // A client resolves the tag, and reads by digest.
      yield* denying.head(v1)
      expect(yield* denying.get(list.digest)).toBe(list.digest)
      expect(yield* denying.get(one.digest)).toBe(one.digest)
    }))

  it.scoped("requires all policies that select a reference", () =>
    Effect.gen(function*() {
      const pairs = yield* Effect.all([Sign.keyPair, Sign.keyPair])
      const policy = (name: string, set: ReferenceSet.ReferenceSet, key: string): Policy.Policy => ({
        name,
        select: set,
        require: [Cosign.key(key)]
      })
      const { at, get } = yield* setUp({
        policies: [
          policy("everything", ReferenceSet.all, pairs[0].publicKey),
          policy("production", ReferenceSet.tags("prod"), pairs[1].publicKey)
        ]
      })
      const { digest } = yield* at(images.image("one", "dev", "prod"))
      yield* at(Sign.cosign({ repository, reference: digest, key: pairs[0].privateKey }))
      yield* get(Tag.make("dev"))
      expect(yield* denied(get(Tag.make("prod")))).toContain(`the policy "production" is not satisfied`)
      yield* at(Sign.cosign({ repository, reference: digest, key: pairs[1].privateKey }))
      yield* TestClock.adjust("11 seconds")
      expect(yield* get(Tag.make("prod"))).toBe(digest)
    }))

  it.scoped("finds signatures in another registry and repository", () =>
    Effect.gen(function*() {
      const { privateKey, publicKey } = yield* Sign.keyPair
      const elsewhere = yield* memory
      const signatures = RepositoryName.make("signatures")
      const { at, get } = yield* setUp({
        require: [Cosign.key(publicKey)],
        signatures: { registry: elsewhere, repository: () => signatures }
      })
      const { digest } = yield* at(images.image("one", "v1"))
      yield* denied(get(v1))
      // The image is signed where it is, and the signature is copied.
      const sign = Sign.cosign({ repository: signatures, reference: digest, key: privateKey, format: "tag" })
      const resolving = Handler.override(elsewhere.handle, {
        ResolveManifest: (operation) =>
          elsewhere.handle(operation).pipe(
            Effect.orElse(() => Effect.succeed({ mediaType: "x/y", digest, size: 1 }))
          )
      })
      yield* Effect.provideService(sign, Registry, Registry.fromHandler(resolving))
      yield* TestClock.adjust("11 seconds")
      expect(yield* get(v1)).toBe(digest)
    }))

  it.scoped("fails and remembers nothing if the signatures cannot be read, and if a verification takes too long", () =>
    Effect.gen(function*() {
      const registry = yield* memory
      let isDown = true
      const flaky = Handler.override(registry.handle, {
        ListReferrers: (operation) =>
          isDown ? Effect.fail(new RegistryError.Unavailable({})) : registry.handle(operation)
      })
      const { privateKey, publicKey } = yield* Sign.keyPair
      const options = { policies: [{ name: "signed", select: ReferenceSet.all, require: [Cosign.key(publicKey)] }] }
      const middleware = yield* Verify.middleware({ ...options, unselected: "deny" })
      const verified = Registry.fromHandler(middleware(flaky))
      yield* Effect.provideService(images.image("one", "v1"), Registry, registry)
      yield* Effect.provideService(Sign.cosign({ repository, reference: v1, key: privateKey }), Registry, registry)
      const error = yield* Effect.flip(verified.getManifest(repository, v1))
      expect(error).toMatchObject({ _tag: "OciUnavailable", operation: "GetManifest", reference: "v1" })
      expect(error.message).toContain("cannot verify it")
      isDown = false
      yield* verified.getManifest(repository, v1)

      const never: Requirement.Requirement = { description: "patience", check: () => Effect.never }
      const { at, get } = yield* setUp({ require: [never], timeout: "5 seconds" })
      yield* at(images.image("one", "v1"))
      const slow = yield* Effect.fork(Effect.flip(get(v1)))
      yield* Effect.repeatN(Effect.yieldNow(), 100)
      yield* TestClock.adjust("6 seconds")
      expect((yield* Fiber.join(slow)).message).toContain(`by the policy "signed" took longer than 5s`)
    }))

  it.scoped("reads a limited number of signatures and bytes", () =>
    Effect.gen(function*() {
      const { at, get, seen } = yield* setUp({ maxSignatures: 3, maxBytes: 2000 })
      const subject = yield* at(images.image("one", "v1"))
      const junk = (size: number) =>
        at(images.attach(new Uint8Array(size).fill(32), "application/vnd.dev.sigstore.bundle.v0.3+json", { subject }))
      yield* Effect.forEach([1, 2, 3, 4, 5, 6], junk)
      expect(yield* denied(get(v1))).toContain("malformed")
      expect(seen.filter(({ _tag }) => _tag === "GetBlob").length).toBeLessThanOrEqual(3)
      yield* at(images.image("two", "v2"))
      yield* at(images.attach(new Uint8Array(5000), "application/vnd.dev.sigstore.bundle.v0.3+json", {
        subject: yield* at(images.image("two"))
      }))
      expect(yield* denied(get(Tag.make("v2")))).toContain("more than 2000 bytes were found")
    }))

  it.scoped("keeps verdicts for each caller if the answers of the registry depend on the caller", () =>
    Effect.gen(function*() {
      const { at, get, sign, verified } = yield* setUp({}, (next) =>
        Handler.dependingOnCaller(Handler.override(next, {
          ListReferrers: (operation) =>
            Effect.flatMap(
              Caller.Caller,
              ({ name }) => name === "alice" ? next(operation) : Effect.succeed(Stream.empty)
            )
        })))
      const as = (name: string) => Effect.provideService(Caller.Caller, { name, claims: {} })
      yield* at(images.image("one", "v1"))
      yield* sign(v1)
      yield* get(v1).pipe(as("alice"))
      yield* denied(get(v1).pipe(as("bob")))
      yield* get(v1).pipe(as("alice"))
      expect(Handler.dependsOnCaller(verified.handle)).toBe(true)
    }))

  it.effect("does not take two policies of one name", () =>
    Effect.gen(function*() {
      const policy = { name: "one", select: ReferenceSet.all, require: [] }
      const options = { policies: [policy, policy], unselected: "serve" } as const
      const cause = yield* Effect.sandbox(Verify.middleware(options)).pipe(Effect.flip)
      expect(Cause.pretty(cause)).toContain(`two policies have the name "one"`)
    }))
})
