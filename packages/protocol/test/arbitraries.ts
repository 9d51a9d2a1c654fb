/** Operations of every kind, with every optional field present and absent, and counts that prove it. */
import * as Body from "@effect-oci/core/Body"
import * as ByteRange from "@effect-oci/core/ByteRange"
import type * as Descriptor from "@effect-oci/core/Descriptor"
import type * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type * as Source from "@effect-oci/core/Source"
import type { Tag } from "@effect-oci/core/Tag"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"

const letters = "abcdefghijklmnopqrstuvwxyz"
const digits = "0123456789"

const word = (characters: string, minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...characters), minLength, maxLength })

const alphanumerics = word(letters + digits, 1, 5)

/** Components of a name, including the parts of API paths. */
const component = fc.oneof(
  fc
    .tuple(
      alphanumerics,
      fc.array(fc.tuple(fc.constantFrom(".", "_", "__", "-", "---"), alphanumerics), { maxLength: 2 })
    )
    .map(([first, more]) => first + more.flat().join("")),
  fc.constantFrom("v2", "blobs", "uploads", "manifests", "tags", "list", "referrers")
)

export const repositories = fc
  .array(component, { minLength: 1, maxLength: 5 })
  .map((components) => components.join("/") as RepositoryName)

const tagWord = letters + letters.toUpperCase() + digits + "_"

export const tags = fc
  .oneof(
    fc.tuple(word(tagWord, 1, 1), fc.oneof(word(`${tagWord}.-`, 0, 12), word(`${tagWord}.-`, 127, 127))).map((parts) =>
      parts.join("")
    ),
    fc.constantFrom("latest", "list", "uploads", "blobs")
  )
  .map((tag) => tag as Tag)

export const digests = fc
  .oneof(
    word("0123456789abcdef", 64, 64).map((hex) => `sha256:${hex}`),
    word("0123456789abcdef", 128, 128).map((hex) => `sha512:${hex}`),
    word(`${tagWord}=-`, 1, 40).map((encoded) => `sha256+b64u:${encoded}`)
  )
  .map((digest) => digest as Digest.Digest)

/** Counts up to the largest safe integer. */
export const counts = fc.oneof(fc.nat({ max: 5 }), fc.nat(), fc.maxSafeNat())

export const ranges: fc.Arbitrary<ByteRange.ByteRange> = fc.oneof(
  counts.map(ByteRange.from),
  fc
    .tuple(counts, counts)
    .filter(([offset, length]) => length > 0 && Number.isSafeInteger(offset + length))
    .map(([offset, length]) => ByteRange.slice(offset, length)),
  counts.filter((count) => count > 0).map(ByteRange.last)
)

const typeWord = word(`${letters}${letters.toUpperCase()}${digits}.+-`, 1, 10)

/** Media types, also with parameters and capitals. */
export const mediaTypes = fc.oneof(
  fc.constantFrom(...MediaType.manifests),
  fc.tuple(typeWord, typeWord, fc.constantFrom("", "; charset=utf-8", " ;q=1")).map(([type, subtype, parameters]) =>
    `${type}/${subtype}${parameters}`
  )
)

const characters = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 })

/** Upload ids that a store creates: any characters, but not a location. */
const plainIds = fc.oneof(
  fc.uuid(),
  characters.filter((id) => id !== "." && id !== ".." && !id.startsWith("/") && !id.includes("://")),
  fc.constantFrom("%", "%2F", "a?b#c", "a b+c", "a/b", "..%2f..", "\u{1f433}")
)

/** The placeholder of the repository in an id that is a location. */
const here = "{repository}"

/** Upload ids that a client receives: paths and complete URLs, with state in the query. */
const locations = fc
  .tuple(
    fc.constantFrom("", "https://registry.example", "http://127.0.0.1:5000", "https://[::1]:5000"),
    characters.filter((id) => id !== "." && id !== ".."),
    fc.constantFrom("", "?_state=a%2Bb%3D%3D", "?_state=x&digest-algorithm=sha256", "?")
  )
  .map(([origin, id, query]) => `${origin}/v2/${here}/blobs/uploads/${encodeURIComponent(id)}${query}`)

const uploadIds = fc.oneof(plainIds, locations)

/** Offsets of chunks. The end of a chunk is a safe integer. */
const offsets = fc.oneof(fc.nat({ max: 5 }), fc.nat(), fc.integer({ min: 2 ** 52, max: 2 ** 53 - 100 }))

const bytes = fc.uint8Array({ maxLength: 20 })

/** A source of bytes with callbacks, like a socket. */
const sourceOf = (content: Uint8Array): Source.Source => (sink) => {
  let open = true
  queueMicrotask(() => {
    if (open) sink.data(content)
    if (open) sink.end()
  })
  return {
    resume: () => {},
    cancel: () => {
      open = false
    }
  }
}

/**
 * Bodies of every kind, of known and unknown size, including empty ones. All are replayable, so that they can be
 * compared.
 */
export const bodies: fc.Arbitrary<Body.Body> = fc.oneof(
  fc.constant(Body.empty),
  bytes.map(Body.bytes),
  fc.tuple(bytes, fc.boolean()).map(([content, known]) =>
    Body.stream(content.byteLength === 0 ? Stream.empty : Stream.make(content.subarray(0, 3), content.subarray(3)), {
      size: known ? content.byteLength : undefined,
      replayable: true
    })
  ),
  fc.tuple(bytes, fc.boolean()).map(([content, known]) =>
    Body.fromSource(sourceOf(content), { size: known ? content.byteLength : undefined, replayable: true })
  )
)

const texts = fc.dictionary(fc.string({ unit: "grapheme", maxLength: 8 }), fc.string({ unit: "grapheme" }), {
  maxKeys: 3
})

const platforms: fc.Arbitrary<Descriptor.Platform> = fc.record({
  architecture: fc.constantFrom("amd64", "arm64"),
  os: fc.constantFrom("linux", "windows"),
  "os.version": fc.string(),
  "os.features": fc.array(fc.string(), { maxLength: 2 }),
  variant: fc.constantFrom("v7", "v8")
}, { requiredKeys: ["architecture", "os"] })

/** Descriptors with any of their fields. */
export const descriptors: fc.Arbitrary<Descriptor.Descriptor> = fc.record({
  mediaType: mediaTypes,
  digest: digests,
  size: counts,
  urls: fc.array(fc.webUrl(), { maxLength: 2 }),
  annotations: texts,
  data: fc.base64String({ maxLength: 8 }),
  artifactType: mediaTypes,
  platform: platforms
}, { requiredKeys: ["mediaType", "digest", "size"] })

type Fields<T extends Operation.OperationTag> = Omit<Operation.OperationOf<T>, "_tag">

type OptionalKey<F> = { readonly [K in keyof F]-?: undefined extends F[K] ? K : never }[keyof F]

type RequiredKey<F> = { readonly [K in keyof F]-?: undefined extends F[K] ? never : K }[keyof F]

interface Kind<T extends Operation.OperationTag> {
  readonly arbitrary: fc.Arbitrary<Operation.OperationOf<T>>
  readonly optional: ReadonlyArray<string>
}

const half = ([field, value]: [string, fc.Arbitrary<unknown>]) =>
  [field, fc.option(value, { freq: 2, nil: undefined })] as const

/** Operations of one kind. Every field must be listed. Each optional field is present half of the time. */
const kind = <T extends Operation.OperationTag>(
  Class: new(fields: never) => Operation.OperationOf<T>,
  required: { readonly [K in RequiredKey<Fields<T>>]: fc.Arbitrary<Fields<T>[K]> },
  optional: { readonly [K in OptionalKey<Fields<T>>]-?: fc.Arbitrary<Exclude<Fields<T>[K], undefined>> }
): Kind<T> => ({
  arbitrary: fc
    .record({
      ...required,
      ...Object.fromEntries(Object.entries<fc.Arbitrary<unknown>>(optional).map(half))
    })
    .map((fields) => new Class(fields as never)),
  optional: Object.keys(optional)
})

/** Puts the operation's repository into an id that is a location. */
const located = <T extends Operation.UploadOperation["_tag"]>({ arbitrary, optional }: Kind<T>): Kind<T> => ({
  arbitrary: arbitrary.map((operation: Operation.UploadOperation) =>
    Operation.withUploadId(operation, operation.id.replace(here, operation.repository)) as Operation.OperationOf<T>
  ),
  optional
})

const repository = repositories
const digest = digests
const id = uploadIds

/** The arbitrary of each operation. */
export const kinds: { readonly [T in Operation.OperationTag]: Kind<T> } = {
  ResolveBlob: kind<"ResolveBlob">(Operation.ResolveBlob, { repository, digest }, {}),
  GetBlob: kind<"GetBlob">(Operation.GetBlob, { repository, digest }, { range: ranges }),
  ResolveManifest: kind<"ResolveManifest">(
    Operation.ResolveManifest,
    { repository, reference: fc.oneof(tags, digests) },
    {}
  ),
  GetManifest: kind<"GetManifest">(Operation.GetManifest, { repository, reference: fc.oneof(tags, digests) }, {}),
  PushBlob: kind<"PushBlob">(Operation.PushBlob, { repository, descriptor: descriptors, body: bodies }, {}),
  MountBlob: kind<"MountBlob">(Operation.MountBlob, { repository, digest }, { from: repositories }),
  StartUpload: kind<"StartUpload">(
    Operation.StartUpload,
    { repository },
    { algorithm: fc.constantFrom("sha256", "sha512", "sha256+b64u", "") }
  ),
  GetUpload: located(kind<"GetUpload">(Operation.GetUpload, { repository, id }, {})),
  AppendUpload: located(
    kind<"AppendUpload">(Operation.AppendUpload, { repository, id, body: bodies }, { offset: offsets })
  ),
  CompleteUpload: located(kind<"CompleteUpload">(
    Operation.CompleteUpload,
    { repository, id, digest },
    { offset: offsets, body: bodies }
  )),
  CancelUpload: located(kind<"CancelUpload">(Operation.CancelUpload, { repository, id }, {})),
  PushManifest: kind<"PushManifest">(
    Operation.PushManifest,
    { repository, mediaType: mediaTypes, bytes, tags: fc.array(tags, { maxLength: 3 }) },
    { digest: digests, ifAbsent: fc.boolean(), ifMatch: digests }
  ),
  DeleteBlob: kind<"DeleteBlob">(Operation.DeleteBlob, { repository, digest }, {}),
  DeleteManifest: kind<"DeleteManifest">(Operation.DeleteManifest, { repository, digest }, {}),
  DeleteTag: kind<"DeleteTag">(Operation.DeleteTag, { repository, tag: tags }, {}),
  ListRepositories: kind<"ListRepositories">(Operation.ListRepositories, {}, { last: repositories, limit: counts }),
  ListTags: kind<"ListTags">(Operation.ListTags, { repository }, { last: tags, limit: counts }),
  ListReferrers: kind<"ListReferrers">(
    Operation.ListReferrers,
    { repository, digest },
    { artifactType: fc.oneof(mediaTypes, fc.string({ unit: "grapheme" })) }
  )
}

export const operationTags = Object.keys(kinds) as ReadonlyArray<Operation.OperationTag>

/** Any operation. All kinds are equally frequent. */
export const operations: fc.Arbitrary<Operation.Operation> = fc.oneof(
  ...operationTags.map((tag): fc.Arbitrary<Operation.Operation> => kinds[tag].arbitrary)
)

/** Counts each operation, and each optional field of it, with a value and without. */
export const counter = () => {
  const seen = new Map<string, number>()
  const add = (key: string) => seen.set(key, (seen.get(key) ?? 0) + 1)
  return {
    count: (operation: Operation.Operation) => {
      add(operation._tag)
      for (const field of kinds[operation._tag].optional) {
        const value = (operation as unknown as { readonly [key: string]: unknown })[field]
        add(`${operation._tag} ${value === undefined ? "without" : "with"} ${field}`)
      }
    },
    /** Returns what occurred too rarely to count as tested. */
    missed: (least: { readonly operation: number; readonly field: number }): ReadonlyArray<string> => {
      const missed: Array<string> = []
      const want = (key: string, count: number) => {
        const found = seen.get(key) ?? 0
        if (found < count) missed.push(`${key}: ${found}`)
      }
      for (const tag of operationTags) {
        want(tag, least.operation)
        for (const field of kinds[tag].optional) {
          want(`${tag} with ${field}`, least.field)
          want(`${tag} without ${field}`, least.field)
        }
      }
      return missed
    }
  }
}
