/** Wrappers with plausible bugs. `Laws` detects each of them. */
import { Handler, Operation, ReferenceSet, RegistryError, RepositoryName } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as core from "@effect-oci/core"
import { Filter, Gate, Immutable, Matured, Quota, QuotaLedger, ReadOnly, Sub, Under } from "@effect-oci/middleware"
import * as middleware from "@effect-oci/middleware"
import * as recording from "@effect-oci/recording"
import * as store from "@effect-oci/store"
import { Linearizability, TagLaws } from "@effect-oci/testing"
import * as verifying from "@effect-oci/verify"
import { describe, expect, it } from "@effect/vitest"
import * as vitest from "@effect/vitest"
import { Effect, Exit, LogLevel, Stream } from "effect"
import type { Scope } from "effect"
import * as fc from "fast-check"
import * as models from "../src/internal/models.js"
import { quota } from "../src/internal/quotaModel.js"
import { under as underModelOf } from "../src/internal/underModel.js"
import { union as unionModel } from "../src/internal/unionModel.js"
import * as Laws from "../src/Laws.js"
import { artifactType } from "../src/SampleWorld.js"
import * as Wrappers from "../src/Wrappers.js"

type Rows = (next: Handler.Handler) => Partial<Handler.Table>

const rows = (make: Rows): Middleware.Middleware => (next) => Handler.override(next, make(next))

/** Creates a wrapper whose rows have a bug. */
const but = (right: Middleware.Middleware, make: Rows): Middleware.Middleware => (next) =>
  Handler.override(right(next), make(next))

const team = Filter.middleware({ select: ReferenceSet.prefix("team/") })
const filterModel = models.filter({
  repositories: (name) => name.startsWith("team/"),
  references: () => true,
  whole: true
})
const prefix = RepositoryName.make("team")
const sub = Sub.middleware({ prefix })
const subModel = models.sub("team")
const under = Under.middleware({ prefix })
const underModel = underModelOf("team")
const immutableModel = models.immutable(() => true, () => true)
const denied = (operation: Operation.Operation) => Exit.fail(new RegistryError.Denied(Operation.errorFields(operation)))

const v1 = core.Tag.make("v1")

/** A Verify that requires a signature in all repositories, and whose rows have a bug. */
const verifyBut = (make: Rows) =>
  Effect.map(
    verifying.Verify.middleware({
      unselected: "deny",
      policies: [{
        name: "signed",
        select: ReferenceSet.all,
        require: [
          verifying.Requirement.present({
            description: "a signature",
            kinds: { artifactTypes: [artifactType], endings: [] }
          })
        ]
      }]
    }),
    (right) => but(right, make)
  )
const verifyModel = models.verify(() => true, artifactType, "deny")

const hasLayers = ({ bytes }: Operation.PushManifest) => new TextDecoder().decode(bytes).includes("\"layers\":[{")

/** Resolves the tags of a push, and rejects the push if it would move a tag. */
const looksFirst = (conditional: boolean): Middleware.Middleware =>
  rows((next) => ({
    PushManifest: (operation) =>
      Effect.flatMap(
        Effect.exists(
          operation.tags,
          (reference) =>
            Effect.match(next(new Operation.ResolveManifest({ repository: operation.repository, reference })), {
              onFailure: () => false,
              onSuccess: ({ digest }) => digest !== core.Digest.fromBytes(operation.bytes)
            })
        ),
        (moves) =>
          moves
            ? denied(operation)
            : next(conditional ? new Operation.PushManifest({ ...operation, ifAbsent: true }) : operation)
      ),
    DeleteTag: denied,
    DeleteManifest: denied,
    DeleteBlob: denied
  }))

/** Creates a wrapper with state whose rows have a bug. */
const madeBut = (right: Effect.Effect<Middleware.Middleware, never, Scope.Scope>, make: Rows) =>
  Effect.map(right, (right) => but(right, make))

const noIndexes = Gate.middleware({
  decide: ({ manifest }) => Effect.succeed(manifest.descriptor.mediaType !== core.MediaType.index)
})
const gateModel = models.denies((_, { mediaType }) => mediaType === core.MediaType.index)
const tooNew = Matured.middleware({ age: "36500 days", except: ReferenceSet.prefix("team/") })
const maturedModel = models.denies((name) => !name.startsWith("team/"))

const full = Quota.middleware({
  ledger: QuotaLedger.local(() => Effect.succeed(QuotaLedger.nothing)),
  limits: [{ prefix: RepositoryName.make("team"), bytes: 0, manifests: 0, tags: 0 }]
})
const quotaModel = quota((name) => name.startsWith("team/"))

const byTags = Filter.middleware({ select: ReferenceSet.tags("v*") })
const versions = { repositories: () => true, references: (tag?: string) => tag?.startsWith("v") === true, whole: false }

/** Creates a union of two registries whose rows have a bug. */
const unionBut = (
  options: middleware.Union.Options,
  make: (members: readonly [mine: Handler.Handler, next: Handler.Handler]) => Partial<Handler.Table>,
  wrap: Middleware.Middleware = (next) => next
): Effect.Effect<Middleware.Middleware, never, Scope.Scope> =>
  Effect.map(Laws.open(store.Memory.layer()), ({ handle }) => (next) => {
    const mine = wrap(handle)
    const union = middleware.Union.middleware([{ name: "mine", registry: core.Registry.fromHandler(mine) }], options)
    return Handler.override(union(next), make([mine, next]))
  })

type Two = readonly [Handler.Handler, Handler.Handler]

/** Resolves a tag at the first of two members, and reads the manifest by its digest, each at the first that has it. */
const readByDigest = (toResolve: Two, toRead: Two): Handler.Row<"GetManifest"> => (operation) => {
  const firstOf = <O extends Operation.ResolveManifest | Operation.GetManifest>([one, other]: Two, asked: O) =>
    Effect.orElse(one(asked), () => other(asked))
  return Effect.flatMap(
    firstOf(toResolve, new Operation.ResolveManifest(operation)),
    ({ digest }) => firstOf(toRead, new Operation.GetManifest({ repository: operation.repository, reference: digest }))
  )
}

/** An Immutable without a lock and without conditional pushes. */
const racy: Middleware.Middleware = (next) => {
  const unconditional = Handler.override(next, {
    PushManifest: (operation) => next(new Operation.PushManifest({ ...operation, ifAbsent: undefined }))
  })
  return Handler.override(looksFirst(false)(next), {
    PushManifest: (operation) =>
      Effect.scoped(Effect.flatMap(Immutable.middleware(), (immutable) => immutable(unconditional)(operation)))
  })
}

const broken: ReadonlyArray<{
  readonly name: string
  readonly wrapper: Laws.Wrapper
  readonly model: Laws.Model
}> = [
  {
    name: "a ReadOnly that allows CancelUpload",
    wrapper: but(ReadOnly.middleware(), (next) => ({ CancelUpload: next })),
    model: models.readOnly
  },
  {
    name: "a ReadOnly that allows DeleteTag",
    wrapper: but(ReadOnly.middleware(), (next) => ({ DeleteTag: next })),
    model: models.readOnly
  },
  {
    name: "a Filter that ignores the sources of mounts",
    wrapper: but(team, (next) => ({
      MountBlob: (operation) => operation.repository.startsWith("team/") ? next(operation) : denied(operation)
    })),
    model: filterModel
  },
  {
    name: "a Filter that lists the repositories that it hides",
    wrapper: but(team, (next) => ({ ListRepositories: next })),
    model: filterModel
  },
  {
    name: "a Filter whose limit counts hidden repositories",
    wrapper: but(team, (next) => ({
      ListRepositories: (operation) => Effect.map(next(operation), Stream.filter((name) => name.startsWith("team/")))
    })),
    model: filterModel
  },
  {
    name: "a Filter that allows reads of hidden content by digest",
    wrapper: but(team, (next) => ({ GetBlob: next })),
    model: filterModel
  },
  {
    name: "a Filter that allows uploads to hidden repositories",
    wrapper: but(team, (next) => ({ StartUpload: next })),
    model: filterModel
  },
  {
    name: "a Sub that does not map `last`",
    wrapper: but(sub, (next) => ({
      ListRepositories: ({ limit }) => sub(next)(new Operation.ListRepositories({ limit }))
    })),
    model: subModel
  },
  {
    name: "a Sub that passes the limit to the next handler",
    wrapper: but(sub, (next) => ({
      ListRepositories: (operation) =>
        sub((inner) =>
          inner._tag === "ListRepositories"
            ? next(new Operation.ListRepositories({ ...inner, limit: operation.limit })) as never
            : next(inner)
        )(operation)
    })),
    model: subModel
  },
  {
    name: "a Sub that mounts from outside its prefix",
    wrapper: but(sub, (next) => ({
      MountBlob: (operation) =>
        next(new Operation.MountBlob({ ...operation, repository: RepositoryName.make(`team/${operation.repository}`) }))
    })),
    model: subModel
  },
  {
    name: "a Sub that does not map referrers",
    wrapper: but(sub, (next) => ({ ListReferrers: next })),
    model: subModel
  },
  {
    name: "an Under that serves repositories outside its prefix",
    wrapper: but(under, (next) => ({
      GetManifest: (operation) => operation.repository.startsWith("team/") ? under(next)(operation) : next(operation)
    })),
    model: underModel
  },
  {
    name: "an Under that lists names without its prefix",
    wrapper: but(under, (next) => ({ ListRepositories: next })),
    model: underModel
  },
  {
    name: "an Immutable that allows DeleteManifest",
    wrapper: but(looksFirst(true), (next) => ({ DeleteManifest: next })),
    model: immutableModel
  },
  {
    name: "an Immutable that checks only the first tag",
    wrapper: but(looksFirst(false), (next) => ({
      PushManifest: (operation) =>
        Effect.flatMap(
          Effect.option(
            next(
              new Operation.ResolveManifest({
                repository: operation.repository,
                reference: operation.tags[0] ?? core.Digest.fromBytes(operation.bytes)
              })
            )
          ),
          (found) =>
            found._tag === "Some" && found.value.digest !== core.Digest.fromBytes(operation.bytes)
              ? denied(operation)
              : next(operation)
        )
    })),
    model: immutableModel
  },
  {
    name: "a wrapper that drops the range of a blob",
    wrapper: rows((next) => ({
      GetBlob: ({ digest, repository }) => next(new Operation.GetBlob({ repository, digest }))
    })),
    model: models.identity
  },
  {
    name: "a wrapper that drops the artifact type of referrers",
    wrapper: rows((next) => ({
      ListReferrers: ({ digest, repository }) => next(new Operation.ListReferrers({ repository, digest }))
    })),
    model: models.identity
  },
  {
    name: "a wrapper that drops the offset of a chunk",
    wrapper: rows((next) => ({
      AppendUpload: (operation) => next(new Operation.AppendUpload({ ...operation, offset: undefined }))
    })),
    model: models.identity
  },
  {
    name: "a wrapper that returns not found instead of another error",
    wrapper: (next) => (operation) =>
      Effect.mapError(next(operation), () => new RegistryError.BlobUnknown(Operation.errorFields(operation))),
    model: models.identity
  },
  {
    name: "a cache that serves deleted content",
    wrapper: (next) => {
      const kept = new Map<string, core.Descriptor.Descriptor>()
      return Handler.override(next, {
        ResolveManifest: (operation) => {
          const key = `${operation.repository}:${operation.reference}`
          const known = kept.get(key)
          return known === undefined
            ? Effect.tap(next(operation), (found) => Effect.sync(() => kept.set(key, found)))
            : Exit.succeed(known)
        }
      })
    },
    model: models.identity
  },
  {
    name: "a registry that changes the media type of manifests",
    wrapper: rows((next) => ({
      PushManifest: (operation) => {
        const digest = operation.digest ?? core.Digest.fromBytes(operation.bytes)
        return Effect.catchTag(
          next(operation),
          "OciManifestInvalid",
          (error) =>
            Effect.matchEffect(next(new Operation.DeleteManifest({ repository: operation.repository, digest })), {
              onFailure: () => Exit.fail(error),
              onSuccess: () => next(operation)
            })
        )
      }
    })),
    model: models.identity
  },
  {
    name: "an Immutable that does not protect digests of another algorithm",
    wrapper: Effect.map(Immutable.middleware(), (right) => (next) => {
      const immutable = right(next)
      return Handler.override(immutable, {
        PushManifest: (operation) =>
          immutable(new Operation.PushManifest({ ...operation, digest: core.Digest.fromBytes(operation.bytes) }))
      })
    }),
    model: immutableModel
  },
  {
    name: "a registry that fails instead of listing no referrers",
    wrapper: rows((next) => ({
      ListReferrers: (operation) =>
        Effect.flatMap(next(new Operation.ListTags({ repository: operation.repository })), () => next(operation))
    })),
    model: models.identity
  },
  {
    name: "a hop whose uploads continue in any repository",
    wrapper: (next) => {
      const opened = new Map<string, core.RepositoryName.RepositoryName>()
      const own = <O extends Operation.UploadOperation>(operation: O): O =>
        Object.assign(Object.create(Object.getPrototypeOf(operation) as object), operation, {
          repository: opened.get(operation.id) ?? operation.repository
        }) as O
      return Handler.override(next, {
        StartUpload: (operation) =>
          Effect.tap(next(operation), ({ id }) => Effect.sync(() => opened.set(id, operation.repository))),
        GetUpload: (operation) => next(own(operation)),
        AppendUpload: (operation) => next(own(operation)),
        CompleteUpload: (operation) => next(own(operation)),
        CancelUpload: (operation) => next(own(operation))
      })
    },
    model: models.hop
  },
  {
    name: "a hop that loses the kind of an error",
    wrapper: Effect.map(
      unionBut({ tags: "agree" }, () => ({})),
      (union) => (next) => (operation) =>
        Effect.mapError(union(next)(operation), (error) =>
          error._tag === "OciTagConflict"
            ? new RegistryError.UnknownCode({ ...Operation.errorFields(operation), code: "UNKNOWN" })
            : error)
    ),
    model: unionModel({ agree: true })
  },
  {
    name: "a cache that serves by digest a manifest that it received by tag",
    wrapper: (next) => {
      const filtered = byTags(next)
      const kept = new Map<string, core.Manifest.Manifest>()
      return Handler.override(filtered, {
        GetManifest: (operation) => {
          const known = kept.get(`${operation.repository}@${operation.reference}`)
          return known === undefined
            ? Effect.tap(
              filtered(operation),
              (manifest) =>
                Effect.sync(() => kept.set(`${operation.repository}@${manifest.descriptor.digest}`, manifest))
            )
            : Exit.succeed(known)
        }
      })
    },
    model: models.filter(versions)
  },
  {
    name: "a union that takes the manifest of a tag from any member",
    wrapper: unionBut({ tags: "agree" }, ([mine, next]) => ({
      GetManifest: (operation) => Effect.orElse(mine(operation), () => next(operation))
    })),
    model: unionModel({ agree: true })
  },
  {
    name: "a union that reads a tagged manifest only by its digest",
    wrapper: unionBut({}, ([mine, next]) => ({ GetManifest: readByDigest([mine, next], [mine, next]) }), byTags),
    model: unionModel({ first: versions })
  },
  {
    name: "a union that serves a tagged manifest with the media type of another member",
    wrapper: unionBut({}, ([mine, next]) => ({ GetManifest: readByDigest([mine, next], [next, mine]) })),
    model: unionModel({})
  },
  {
    name: "a Gate that answers HEAD without a decision",
    wrapper: madeBut(noIndexes, (next) => ({ ResolveManifest: next })),
    model: gateModel
  },
  {
    name: "a Gate that decides about tags only",
    wrapper: Effect.map(noIndexes, (gate) => (next) => {
      const gated = gate(next)
      return Handler.override(next, {
        GetManifest: (operation) => (Operation.isDigest(operation.reference) ? next : gated)(operation),
        ResolveManifest: (operation) => (Operation.isDigest(operation.reference) ? next : gated)(operation)
      })
    }),
    model: gateModel
  },
  {
    name: "a Matured that serves what is too new by its digest",
    wrapper: Effect.map(tooNew, (matured) => (next) => {
      const right = matured(next)
      return Handler.override(right, {
        GetManifest: (operation) => (Operation.isDigest(operation.reference) ? next : right)(operation)
      })
    }),
    model: maturedModel
  },
  {
    name: "a Matured that says which digest a tag that is too new points at",
    wrapper: madeBut(tooNew, (next) => ({ ResolveManifest: next })),
    model: maturedModel
  },
  {
    name: "a Quota that counts no mounted blobs",
    wrapper: but(full, (next) => ({ MountBlob: next })),
    model: quotaModel
  },
  {
    name: "a Quota that counts no blobs in one request",
    wrapper: but(full, (next) => ({ PushBlob: next })),
    model: quotaModel
  },
  {
    name: "a Quota that refuses a new tag only with a new manifest",
    wrapper: but(full, (next) => ({
      PushManifest: (operation) =>
        Effect.matchEffect(
          next(new Operation.ResolveManifest({ ...operation, reference: core.Digest.fromBytes(operation.bytes) })),
          { onFailure: () => full(next)(operation), onSuccess: () => next(operation) }
        )
    })),
    model: quotaModel
  },
  {
    name: "a Quota that refuses what the repository has",
    wrapper: but(full, (next) => ({
      PushBlob: (operation) => operation.repository.startsWith("team/") ? denied(operation) : next(operation)
    })),
    model: quotaModel
  },
  {
    name: "a policy on pushed images with an exception for one tag",
    wrapper: rows((next) => ({
      PushManifest: (operation) =>
        hasLayers(operation) && !operation.tags.includes(v1) ? denied(operation) : next(operation)
    })),
    model: (next) => (operation) =>
      operation._tag === "PushManifest" && hasLayers(operation) ? { errors: ["OciDenied"] } : next(operation)
  },
  {
    name: "a Verify that does not check a lookup",
    wrapper: verifyBut((next) => ({ ResolveManifest: next })),
    model: verifyModel
  },
  {
    name: "a Verify that checks only reads by tag",
    wrapper: Effect.map(
      verifyBut(() => ({})),
      (right) => (next) => {
        const verify = right(next)
        return Handler.override(verify, {
          GetManifest: (operation) => Operation.isDigest(operation.reference) ? next(operation) : verify(operation)
        })
      }
    ),
    model: verifyModel
  },
  {
    name: "a union that checks conditions only at the push target",
    wrapper: unionBut({}, ([mine]) => ({ PushManifest: mine })),
    model: unionModel({})
  }
]

const found = ({ model, wrapper }: { readonly wrapper: Laws.Wrapper; readonly model: Laws.Model }) =>
  Effect.flip(Laws.lawful(fc.constant([{ code: "broken", wrapper, model }]), { runs: 400 }))

const programOf = (test: string, names: { readonly [name: string]: unknown }) => {
  let program: unknown
  const it = { scoped: (_: string, run: () => unknown) => void (program = run()) }
  const scope = { ...core, ...store, ...names, Laws, Effect, expect: vitest.expect, it }
  // oxlint-disable-next-line typescript/no-implied-eval -- the printed test is a program
  const run = new Function(...Object.keys(scope), test.replace(/^import .*$/gm, "")) as (
    ...all: Array<unknown>
  ) => void
  run(...Object.values(scope))
  return program as Effect.Effect<void>
}

describe("Laws detects", () => {
  it.live.each(broken)("$name, and prints a test that fails", (each) =>
    Effect.gen(function*() {
      const { operations, test } = yield* found(each)
      expect(operations).toBeLessThanOrEqual(5)
      const exit = yield* Effect.exit(Effect.scoped(programOf(test, { broken: each.wrapper })))
      expect(String(exit)).toContain("AssertionError")
    }))

  it.live("an Immutable with a race, which sequential operations do not show", () =>
    Effect.gen(function*() {
      const subject = { code: "racy", wrapper: racy, model: immutableModel }
      yield* Laws.lawful(fc.constant([subject]), { runs: 40 })
      const error = yield* Effect.flip(TagLaws.keepsTags(subject, { runs: 400 }))
      expect(error.operations).toBeLessThanOrEqual(6)
      yield* TagLaws.keepsTags({ code: "Immutable", wrapper: Immutable.middleware() }, { runs: 20 })
    }))
})

describe("a printed test", () => {
  it.live("fails for the race that it contains", () =>
    Effect.gen(function*() {
      const { test } = yield* Effect.flip(
        TagLaws.keepsTags({ code: "broken", wrapper: looksFirst(false) }, { runs: 400 })
      )
      const program = (wrapper: Laws.Wrapper) =>
        Effect.exit(Effect.scoped(programOf(test, { broken: wrapper, Linearizability, TagLaws })))
      expect(String(yield* program(looksFirst(false)))).toContain("AssertionError")
      expect(Exit.isSuccess(yield* program(Immutable.middleware()))).toBe(true)
    }))

  it("contains code that creates the wrapper", () => {
    const names = { ...core, ...store, ...middleware, ...recording, ...verifying, Laws, Effect, LogLevel }
    for (const { code } of fc.sample(fc.oneof(...Wrappers.all), { numRuns: 60, seed: 1 })) {
      // oxlint-disable-next-line typescript/no-implied-eval -- the printed code is a program
      const make = new Function(...Object.keys(names), `return ${code}`) as (...all: Array<unknown>) => unknown
      const wrapper = make(...Object.values(names))
      expect(typeof wrapper === "function" || Effect.isEffect(wrapper)).toBe(true)
    }
  })

  it.live("imports all names that it uses", () =>
    Effect.gen(function*() {
      const [readOnly] = fc.sample(Wrappers.readOnly, 1)
      const { test } = yield* Effect.flip(Laws.lawful(fc.constant([{ ...readOnly!, model: models.identity }])))
      const [imports, body] = test.split("\n\n")
      for (const [name] of body!.matchAll(/\b[A-Z]\w+(?=\.)/g)) expect(imports).toContain(name)
      expect(imports).toContain("import { ReadOnly } from \"@effect-oci/middleware\"")
      const exit = yield* Effect.exit(Effect.scoped(programOf(test, middleware)))
      expect(String(exit)).toContain("AssertionError")
    }))

  it.live("passes after the wrapper is fixed", () =>
    Effect.gen(function*() {
      const { test } = yield* Effect.flip(Laws.identity({ code: "team", wrapper: team }))
      const program = (wrapper: Middleware.Middleware) => Effect.exit(Effect.scoped(programOf(test, { team: wrapper })))
      expect(String(yield* program(team))).toContain("AssertionError")
      expect(Exit.isSuccess(yield* program((next) => next))).toBe(true)
    }))
})
