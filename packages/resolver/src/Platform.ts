/**
 * Platforms: what an image runs on, `linux/arm64/v8`, and which entry of an index suits one.
 *
 * @since 0.1.0
 */
import { Body, Manifest, MediaType, RegistryError, SyntaxInvalid } from "@effect-oci/core"
import type { Descriptor, Digest, Registry, RepositoryName } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/**
 * A platform, as the entries of an index have it. Image spec: "Image Index".
 *
 * @since 0.1.0
 * @category models
 */
export type Platform = Descriptor.Platform

/** What uname and other programs say, in the words of Go, which are those of the spec. */
const architectures: ReadonlyMap<string, Pick<Platform, "architecture" | "variant">> = new Map([
  ["x86_64", { architecture: "amd64" }],
  ["x86-64", { architecture: "amd64" }],
  ["aarch64", { architecture: "arm64" }],
  ["armhf", { architecture: "arm", variant: "v7" }],
  ["armel", { architecture: "arm", variant: "v6" }],
  ["i386", { architecture: "386" }],
  ["i686", { architecture: "386" }]
])

const systems: ReadonlyMap<string, string> = new Map([["macos", "darwin"]])

/** The variant that an architecture has where none is said: the same platform in two spellings. */
const implied: ReadonlyMap<string, string> = new Map([["arm", "v7"], ["arm64", "v8"], ["amd64", "v1"]])

const part = /^[a-z0-9][a-z0-9_.-]{0,63}$/

/**
 * The same platform in one spelling: lower case, `x86_64` as `amd64`, `aarch64` as `arm64`, a variant always said where
 * the architecture has them (`arm64` is `arm64/v8`, `arm` is `arm/v7`, `amd64` is `amd64/v1`).
 *
 * @since 0.1.0
 * @category combinators
 */
export const normalize = (platform: Platform): Platform => {
  const os = platform.os.toLowerCase()
  const said = platform.architecture.toLowerCase()
  const alias = architectures.get(said)
  const architecture = alias?.architecture ?? said
  const given = platform.variant?.toLowerCase() || alias?.variant
  const variant = given === undefined ? implied.get(architecture) : /^\d/.test(given) ? `v${given}` : given
  return { ...platform, os: systems.get(os) ?? os, architecture, ...(variant === undefined ? {} : { variant }) }
}

/**
 * Reads `OS/ARCHITECTURE[/VARIANT]`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Platform } from "@effect-oci/resolver"
 *
 * const arm = Platform.parse("linux/arm64/v8") // Either.right
 * const wrong = Platform.parse("arm64") // Either.left(SyntaxInvalid): no operating system
 * ```
 */
export const parse = (text: string): Either.Either<Platform, SyntaxInvalid> => {
  const [os = "", architecture = "", variant, ...rest] = text.toLowerCase().split("/", 4)
  const parts = variant === undefined ? [os, architecture] : [os, architecture, variant]
  return rest.length === 0 && parts.every((each) => part.test(each))
    ? Either.right(normalize({ os, architecture, ...(variant === undefined ? {} : { variant }) }))
    : Either.left(
      new SyntaxInvalid({
        expected: "platform",
        text,
        reason: "it is not OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, such as linux/arm64"
      })
    )
}

/**
 * The text of a platform, without a variant that goes without saying.
 *
 * @since 0.1.0
 * @category formatting
 */
export const format = (platform: Platform): string => {
  const { architecture, os, variant } = normalize(platform)
  const shown = variant === undefined || (variant === implied.get(architecture) && architecture !== "arm")
    ? []
    : [variant]
  return [os, architecture, ...shown].join("/")
}

/** Variants of one architecture, from a number down: a newer machine runs what is for an older one. */
const downFrom = (architecture: string, from: number, to: number) =>
  Array.from({ length: Math.max(0, from - to + 1) }, (_, index) => ({ architecture, variant: `v${from - index}` }))

const numberOf = (variant: string | undefined): number => Number(/^v(\d{1,2})$/.exec(variant ?? "")?.[1] ?? NaN)

/**
 * What runs on a platform, the best first: itself, then older variants, then the 32 bit architecture that it runs too.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Platform } from "@effect-oci/resolver"
 *
 * const suited = Platform.fallbacks({ os: "linux", architecture: "arm", variant: "v7" }) // v7, v6, v5
 * ```
 */
export const fallbacks = (platform: Platform): ReadonlyArray<Platform> => {
  const wanted = normalize(platform)
  const { architecture, variant } = wanted
  const number = numberOf(variant)
  const older = (): ReadonlyArray<Pick<Platform, "architecture" | "variant">> => {
    if (Number.isNaN(number)) return []
    switch (architecture) {
      case "arm64":
        return [...downFrom("arm64", number - 1, 8), ...downFrom("arm", 8, 5)]
      case "arm":
        return downFrom("arm", number - 1, 5)
      case "amd64":
        return [...downFrom("amd64", number - 1, 1), { architecture: "386" }]
      default:
        return []
    }
  }
  const { variant: _, ...without } = wanted
  return [wanted, ...older().map((each) => ({ ...without, ...each }))]
}

/** Windows runs what is for its own build: `10.0.17763` of `10.0.17763.1234`. */
const sameBuild = (wanted: string | undefined, found: string | undefined): boolean =>
  wanted === undefined || found === undefined ||
  wanted.split(".", 3).join(".") === found.split(".", 3).join(".")

/**
 * Whether two platforms are the same, in whichever spelling. What only one of them says of the version or the features
 * of the system does not count.
 *
 * @since 0.1.0
 * @category guards
 */
export const equals = (one: Platform, other: Platform): boolean => {
  const left = normalize(one)
  const right = normalize(other)
  return left.os === right.os && left.architecture === right.architecture && left.variant === right.variant &&
    sameBuild(left["os.version"], right["os.version"])
}

/**
 * The entry of an index that suits a platform best: its own, else that of the first of its {@link fallbacks}; of two for
 * the same platform the first. Entries that say no platform suit none.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import type { Manifest } from "@effect-oci/core"
 * import { Platform } from "@effect-oci/resolver"
 *
 * const forArm = (index: Manifest.Index) => Platform.select(index.manifests, { os: "linux", architecture: "arm64" })
 * ```
 */
export const select = (
  entries: ReadonlyArray<Descriptor.Descriptor>,
  platform: Platform
): Option.Option<Descriptor.Descriptor> => {
  for (const wanted of fallbacks(platform)) {
    const found = entries.find((entry) => entry.platform !== undefined && equals(wanted, entry.platform))
    if (found !== undefined) return Option.some(found)
  }
  return Option.none()
}

/**
 * The error for an index of which no entry suits any of some platforms; it says which there are.
 *
 * @since 0.1.0
 * @category errors
 */
export const missing = (
  repository: RepositoryName.RepositoryName,
  index: Digest.Digest,
  entries: ReadonlyArray<Descriptor.Descriptor>,
  platforms: ReadonlyArray<Platform>
): RegistryError.ManifestUnknown => {
  const said = [...new Set(entries.flatMap(({ platform }) => platform === undefined ? [] : [format(platform)]))]
  const there = said.length === 0 ? "it says no platforms" : `it has ${said.slice(0, 20).join(", ")}`
  return new RegistryError.ManifestUnknown({
    repository,
    reference: index,
    reason: `the index has no image for ${platforms.map(format).join(", ")}: ${there}`
  })
}

/** An index that lists indexes is met, one deeper than this is not. */
const maxDepth = 8

/** A config larger than this is not read. */
const maxConfig = 4 * 1024 * 1024

const configs: ReadonlySet<string> = new Set([
  MediaType.imageConfig,
  "application/vnd.docker.container.image.v1+json"
])

const Config = Schema.parseJson(Schema.Struct({
  os: Schema.NonEmptyString,
  architecture: Schema.NonEmptyString,
  variant: Schema.optional(Schema.String),
  "os.version": Schema.optional(Schema.String)
}))

/** The platform that the config of an image names: none for an artifact, and for a config that names none. */
const ofImage = (
  registry: Registry.ReaderService,
  repository: RepositoryName.RepositoryName,
  { config }: Manifest.Image
): Effect.Effect<Option.Option<Platform>, RegistryError.RegistryError> =>
  !configs.has(config.mediaType) || config.size > maxConfig
    ? Effect.succeedNone
    : registry.getBlob(repository, config.digest).pipe(
      Effect.flatMap(({ body }) => Body.toBytes(body, { limit: maxConfig, onLimit: () => undefined })),
      Effect.scoped,
      Effect.catchAll((error) => error === undefined ? Effect.succeed(new Uint8Array(0)) : Effect.fail(error)),
      Effect.map((bytes) => {
        const read = Schema.decodeUnknownOption(Config)(new TextDecoder().decode(bytes))
        return Option.map(read, ({ variant, "os.version": version, ...platform }): Platform => ({
          ...platform,
          ...(variant === undefined ? {} : { variant }),
          ...(version === undefined ? {} : { "os.version": version })
        }))
      })
    )

/**
 * Returns the image for a platform: the entry of an index that suits the platform best. A single image must be for the
 * platform, as its config says. An index without platforms, an artifact, and an image that names no platform are returned
 * as they are.
 *
 * Fails with `ManifestUnknown` if there is no image for the platform, and names those that there are.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Registry, RepositoryName, Tag } from "@effect-oci/core"
 * import { Platform } from "@effect-oci/resolver"
 * import { Effect } from "effect"
 *
 * const repository = RepositoryName.make("team/app")
 * const image = Effect.gen(function*() {
 *   const registry = yield* Registry
 *   const manifest = yield* registry.getManifest(repository, Tag.make("v1"))
 *   return yield* Platform.image(registry, repository, manifest, { os: "linux", architecture: "arm64" })
 * })
 * ```
 */
export const image = (
  registry: Registry.ReaderService,
  repository: RepositoryName.RepositoryName,
  manifest: Manifest.Manifest,
  platform: Platform
): Effect.Effect<Manifest.Manifest, RegistryError.RegistryError> => {
  const within = (
    manifest: Manifest.Manifest,
    depth: number
  ): Effect.Effect<Manifest.Manifest, RegistryError.RegistryError> =>
    Effect.flatMap(Manifest.parse({ mediaType: manifest.descriptor.mediaType, bytes: manifest.bytes }), (document) => {
      if (document._tag === "Image" && depth === 0) return single(manifest, document)
      if (document._tag !== "Index") return Effect.succeed(manifest)
      const { manifests } = document
      if (manifests.every((entry) => entry.platform === undefined)) return Effect.succeed(manifest)
      const entry = select(manifests, platform)
      return Option.isNone(entry) || depth === maxDepth
        ? Effect.fail(missing(repository, manifest.descriptor.digest, manifests, [platform]))
        : Effect.flatMap(registry.getManifest(repository, entry.value.digest), (below) => within(below, depth + 1))
    })
  const single = (manifest: Manifest.Manifest, document: Manifest.Image) =>
    Effect.filterOrElse(
      Effect.map(ofImage(registry, repository, document), Option.getOrUndefined),
      (found) => found === undefined || fallbacks(platform).some((wanted) => equals(wanted, found)),
      (found) =>
        Effect.fail(
          new RegistryError.ManifestUnknown({
            repository,
            reference: manifest.descriptor.digest,
            reason: `the image is for ${format(found!)}, not for ${format(platform)}`
          })
        )
    ).pipe(Effect.as(manifest))
  return within(manifest, 0)
}
