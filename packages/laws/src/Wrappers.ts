/**
 * The wrappers of this project with various options, each with a model of its behaviour. Use them to test the wrappers,
 * and in stacks together with your own wrappers.
 *
 * @since 0.1.0
 */
import * as MediaType from "@effect-oci/core/MediaType"
import * as ReferenceSet from "@effect-oci/core/ReferenceSet"
import { Registry } from "@effect-oci/core/Registry"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import * as AsCaller from "@effect-oci/middleware/AsCaller"
import * as Authorize from "@effect-oci/middleware/Authorize"
import * as Cache from "@effect-oci/middleware/Cache"
import * as Filter from "@effect-oci/middleware/Filter"
import * as Gate from "@effect-oci/middleware/Gate"
import * as Immutable from "@effect-oci/middleware/Immutable"
import * as Limit from "@effect-oci/middleware/Limit"
import * as Logging from "@effect-oci/middleware/Logging"
import * as Matured from "@effect-oci/middleware/Matured"
import * as Metrics from "@effect-oci/middleware/Metrics"
import * as Quota from "@effect-oci/middleware/Quota"
import * as QuotaLedger from "@effect-oci/middleware/QuotaLedger"
import * as ReadOnly from "@effect-oci/middleware/ReadOnly"
import * as Retry from "@effect-oci/middleware/Retry"
import * as Route from "@effect-oci/middleware/Route"
import * as Sub from "@effect-oci/middleware/Sub"
import * as Tracing from "@effect-oci/middleware/Tracing"
import * as Under from "@effect-oci/middleware/Under"
import * as Union from "@effect-oci/middleware/Union"
import * as Record from "@effect-oci/recording/Record"
import * as Shadow from "@effect-oci/recording/Shadow"
import * as Memory from "@effect-oci/store/Memory"
import * as Requirement from "@effect-oci/verify/Requirement"
import * as Verify from "@effect-oci/verify/Verify"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as fc from "fast-check"
import * as models from "./internal/models.js"
import { quota as quotaModel } from "./internal/quotaModel.js"
import { under as underModel } from "./internal/underModel.js"
import { union as unionModel } from "./internal/unionModel.js"
import type { Subject } from "./Laws.js"
import * as Laws from "./Laws.js"
import { artifactType } from "./SampleWorld.js"

/**
 * Generates `ReadOnly`.
 *
 * @since 0.1.0
 * @category wrappers
 */
export const readOnly: fc.Arbitrary<Subject> = fc.constant({
  code: "ReadOnly.middleware()",
  wrapper: ReadOnly.middleware(),
  model: models.readOnly
})

interface Part {
  readonly code: string
  readonly set: ReferenceSet.ReferenceSet
  readonly has: (name: string) => boolean
}

const repositories: ReadonlyArray<Part> = [
  { code: "ReferenceSet.all", set: ReferenceSet.all, has: () => true },
  {
    code: `ReferenceSet.prefix("team/")`,
    set: ReferenceSet.prefix("team/"),
    has: (name) => name.startsWith("team/")
  },
  {
    code: `ReferenceSet.repository("team/app", "app", "base")`,
    set: ReferenceSet.repository("team/app", "app", "base"),
    has: (name) => ["team/app", "app", "base"].includes(name)
  },
  {
    code: `ReferenceSet.complement(ReferenceSet.prefix("library/", "tools/"))`,
    set: ReferenceSet.complement(ReferenceSet.prefix("library/", "tools/")),
    has: (name) => !/^(library|tools)\//.test(name)
  }
]

interface Tags {
  readonly code: string
  readonly set: ReferenceSet.ReferenceSet
  readonly has: (tag: Tag | undefined) => boolean
}

/** Sets of tags that all contain `v1`, so that no combination of two of them hides a whole repository. */
const tags: ReadonlyArray<Tags> = [
  { code: "ReferenceSet.all", set: ReferenceSet.all, has: () => true },
  {
    code: `ReferenceSet.tags("v*")`,
    set: ReferenceSet.tags("v*"),
    has: (tag) => tag?.startsWith("v") === true
  },
  {
    code: `ReferenceSet.complement(ReferenceSet.tags("*-rc"))`,
    set: ReferenceSet.complement(ReferenceSet.tags("*-rc")),
    has: (tag) => tag?.endsWith("-rc") !== true
  }
]

/**
 * Generates `Filter` with various selections of repositories and tags.
 *
 * @since 0.1.0
 * @category wrappers
 */
export const filter: fc.Arbitrary<Subject> = fc.record({
  names: fc.constantFrom(...repositories),
  tagged: fc.constantFrom(...tags)
}).map(({ names, tagged }) => ({
  code: `Filter.middleware({ select: ReferenceSet.intersection(${names.code}, ${tagged.code}) })`,
  wrapper: Filter.middleware({ select: ReferenceSet.intersection(names.set, tagged.set) }),
  model: models.filter({
    repositories: names.has,
    references: tagged.has,
    whole: tagged.set === ReferenceSet.all
  })
}))

/**
 * Generates `Immutable` with various selections, conditional or not.
 *
 * @since 0.1.0
 * @category wrappers
 */
export const immutable: fc.Arbitrary<Subject> = fc.record({
  names: fc.constantFrom(...repositories),
  tagged: fc.constantFrom(...tags),
  conditional: fc.boolean()
}).map(({ conditional, names, tagged }) => ({
  code:
    `Immutable.middleware({ select: ReferenceSet.intersection(${names.code}, ${tagged.code}), conditional: ${conditional} })`,
  wrapper: Immutable.middleware({ select: ReferenceSet.intersection(names.set, tagged.set), conditional }),
  model: models.immutable(tagged.has, names.has, conditional)
}))

interface Policy {
  readonly code: string
  readonly may: models.Policy
}

const policies: ReadonlyArray<Policy> = [
  { code: "() => true", may: () => true },
  { code: `(action) => action !== "delete"`, may: (action) => action !== "delete" },
  {
    code: `(action, name) => action !== "push" || name.startsWith("team/")`,
    may: (action, name) => action !== "push" || name?.startsWith("team/") === true
  },
  { code: `(action, name) => name !== "library/tool"`, may: (_, name) => name !== "library/tool" }
]

/**
 * Generates `Authorize` with various policies.
 *
 * @since 0.1.0
 * @category wrappers
 */
export const authorize: fc.Arbitrary<Subject> = fc.constantFrom(...policies).map(({ code, may }) => ({
  code: `Authorize.middleware({ byCaller: false, allow: ({ action, repository }) => ` +
    `Effect.succeed((${code})(action, repository)) })`,
  wrapper: Authorize.middleware({
    byCaller: false,
    allow: ({ action, repository }) => Effect.succeed(may(action, repository))
  }),
  model: models.authorize(may)
}))

/**
 * Generates `Gate`, which permits all manifests but indexes, in various selections of repositories.
 *
 * @since 0.1.0
 * @category wrappers
 */
export const gate: fc.Arbitrary<Subject> = fc.constantFrom(...repositories).map(({ code, has, set }) => ({
  code: `Gate.middleware({ select: ${code}, decide: ({ manifest }) => ` +
    `Effect.succeed(manifest.descriptor.mediaType !== MediaType.index) })`,
  wrapper: Gate.middleware({
    select: set,
    decide: ({ manifest }) => Effect.succeed(manifest.descriptor.mediaType !== MediaType.index)
  }),
  model: models.denies((name, { mediaType }) => has(name) && mediaType === MediaType.index)
}))

/**
 * Generates `Matured`, for which all manifests are too new, with various exceptions.
 *
 * @since 0.1.0
 * @category wrappers
 */
export const matured: fc.Arbitrary<Subject> = fc.constantFrom(...repositories).map(({ code, has, set }) => ({
  code: `Matured.middleware({ age: "36500 days", except: ${code} })`,
  wrapper: Matured.middleware({ age: "36500 days", except: set }),
  model: models.denies((name) => !has(name))
}))

/**
 * Generates `Quota` with various prefixes. Repositories with the prefix may contain nothing.
 *
 * @since 0.1.0
 * @category wrappers
 */
export const quota: fc.Arbitrary<Subject> = fc.constantFrom("team", "team/app", "library").map((prefix) => ({
  code: `Quota.middleware({ ledger: QuotaLedger.local(() => Effect.succeed(QuotaLedger.nothing)), ` +
    `limits: [{ prefix: RepositoryName.make("${prefix}"), bytes: 0, manifests: 0, tags: 0 }] })`,
  wrapper: Quota.middleware({
    ledger: QuotaLedger.local(() => Effect.succeed(QuotaLedger.nothing)),
    limits: [{ prefix: RepositoryName.make(prefix), bytes: 0, manifests: 0, tags: 0 }]
  }),
  model: quotaModel((name) => name === prefix || name.startsWith(`${prefix}/`))
}))

/**
 * Generates `Sub` with various prefixes.
 *
 * @since 0.1.0
 * @category wrappers
 */
export const sub: fc.Arbitrary<Subject> = fc.constantFrom("team", "library", "tenants/one").map((prefix) => ({
  code: `Sub.middleware({ prefix: RepositoryName.make("${prefix}") })`,
  wrapper: Sub.middleware({ prefix: RepositoryName.make(prefix) }),
  model: models.sub(prefix)
}))

/**
 * Generates `Under` with various prefixes.
 *
 * @since 0.1.0
 * @category wrappers
 */
export const under: fc.Arbitrary<Subject> = fc.constantFrom("team", "library").map((prefix) => ({
  code: `Under.middleware({ prefix: RepositoryName.make("${prefix}") })`,
  wrapper: Under.middleware({ prefix: RepositoryName.make(prefix) }),
  model: underModel(prefix)
}))

const signed = Requirement.present({
  description: "a signature",
  kinds: { artifactTypes: [artifactType], endings: [] }
})

/**
 * Generates `Verify` with a policy for various repositories, which requires a referrer of an artifact type.
 *
 * @since 0.1.0
 * @category wrappers
 */
export const verify: fc.Arbitrary<Subject> = fc.record({
  names: fc.constantFrom(...repositories),
  unselected: fc.constantFrom("serve" as const, "deny" as const)
}).map(({ names, unselected }) => ({
  code: `Verify.middleware({ unselected: "${unselected}", policies: [{ name: "signed", select: ${names.code}, ` +
    `require: [Requirement.present({ description: "a signature", ` +
    `kinds: { artifactTypes: ["${artifactType}"], endings: [] } })] }] })`,
  wrapper: Verify.middleware({ unselected, policies: [{ name: "signed", select: names.set, require: [signed] }] }),
  model: models.verify(names.has, artifactType, unselected)
}))

const memory = Laws.open(Memory.layer())

/**
 * Generates `Route`, which sends some repositories to another registry.
 *
 * @since 0.1.0
 * @category wrappers
 */
export const route: fc.Arbitrary<Subject> = fc.constantFrom(...repositories.slice(1)).map(({ code, has, set }) => ({
  code: `Effect.map(Laws.open(Memory.layer()), (registry) => ` +
    `Route.middleware([{ name: "other", select: ${code}, registry }]))`,
  wrapper: Effect.map(memory, (registry) => Route.middleware([{ name: "other", select: set, registry }])),
  model: models.route(has)
}))

interface Unions {
  readonly options: Union.Options
  /** Whether a filter of tags wraps the other registry, so that this registry serves no manifest by its digest. */
  readonly filtered?: boolean
}

const unions: ReadonlyArray<Unions> = [
  { options: { read: "order" } },
  { options: { read: "race" } },
  { options: { tags: "agree" } },
  { options: { tags: "first" }, filtered: true },
  { options: { tags: "agree" }, filtered: true }
]

const versions = tags[1]!

/**
 * Generates `Union`, with another registry as the first member.
 *
 * @since 0.1.0
 * @category wrappers
 */
export const union: fc.Arbitrary<Subject> = fc.constantFrom(...unions).map(({ filtered = false, options }) => {
  const select = filtered ? versions : tags[0]!
  return {
    code: `Effect.map(Laws.open(Memory.layer()), ({ handle }) => Union.middleware([{ name: "mine", registry: ` +
      `Registry.fromHandler(Filter.middleware({ select: ${select.code} })(handle)) }], ${JSON.stringify(options)}))`,
    wrapper: Effect.map(memory, ({ handle }) =>
      Union.middleware(
        [{ name: "mine", registry: Registry.fromHandler(Filter.middleware({ select: select.set })(handle)) }],
        options
      )),
    model: unionModel({
      race: options.read === "race",
      agree: options.tags === "agree",
      first: filtered ? { repositories: () => true, references: select.has, whole: false } : undefined
    })
  }
})

const unchanged = (code: string, wrapper: Laws.Wrapper, callers?: Subject["callers"]): Subject => ({
  code,
  wrapper,
  callers
})

/**
 * Generates wrappers that change no results: `Logging`, `Metrics`, `Tracing`, `Retry`, `Limit`, `Cache`, `AsCaller`,
 * `Record`, `Shadow`, `Matured` with an age of 0, and `Verify` with a policy that requires nothing.
 *
 * @since 0.1.0
 * @category wrappers
 */
export const transparent: fc.Arbitrary<Subject> = fc.constantFrom(
  unchanged("Logging.middleware({ level: LogLevel.Debug })", Logging.middleware({ level: LogLevel.Debug })),
  unchanged("Metrics.middleware()", Metrics.middleware()),
  unchanged("Tracing.middleware()", Tracing.middleware()),
  unchanged("Retry.middleware()", Retry.middleware()),
  unchanged("Limit.middleware({ concurrency: 1 })", Limit.middleware({ concurrency: 1 })),
  unchanged("Matured.middleware({ age: 0 })", Matured.middleware({ age: 0 })),
  unchanged(
    `Verify.middleware({ unselected: "deny", policies: [{ name: "all", select: ReferenceSet.all, require: [] }] })`,
    Verify.middleware({ unselected: "deny", policies: [{ name: "all", select: ReferenceSet.all, require: [] }] })
  ),
  unchanged(
    "Effect.flatMap(Laws.open(Memory.layer()), (store) => Cache.middleware({ store }))",
    Effect.flatMap(memory, (store) => Cache.middleware({ store })),
    "refuses"
  ),
  unchanged(
    "Effect.flatMap(Laws.open(Memory.layer()), (store) => AsCaller.middleware({ store }))",
    Effect.flatMap(memory, (store) => AsCaller.middleware({ store })),
    "depends"
  ),
  unchanged(
    "Record.middleware({ to: { write: () => Effect.void } })",
    Record.middleware({ to: { write: () => Effect.void } })
  ),
  unchanged(
    "Effect.flatMap(Laws.open(Memory.layer()), (registry) => Shadow.middleware({ registry, writes: true }))",
    Effect.flatMap(memory, (registry) => Shadow.middleware({ registry, writes: true, report: () => Effect.void }))
  )
)

/**
 * Generates a client and a server in front of the registry. They do not change results, errors or messages.
 *
 * @since 0.1.0
 * @category wrappers
 */
export const hop: fc.Arbitrary<Subject> = fc.constant({ code: "Laws.hop", wrapper: Laws.hop, model: models.hop })

/**
 * Contains all wrappers of this module.
 *
 * @since 0.1.0
 * @category wrappers
 */
export const all: ReadonlyArray<fc.Arbitrary<Subject>> = [
  readOnly,
  filter,
  immutable,
  authorize,
  gate,
  matured,
  quota,
  sub,
  under,
  route,
  union,
  verify,
  transparent,
  hop
]
