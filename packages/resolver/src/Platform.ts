/**
 * Platforms of images, such as `linux/arm64/v8`: parses and compares them, and chooses the entry of an index.
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
 * A platform, as in the entries of an index. See the
 * [image spec](https://github.com/opencontainers/image-spec/blob/main/image-index.md).
 *
 * @since 0.1.0
 * @category models
 */
export type Platform = Descriptor.Platform

/** The names of architectures that `uname` and other programs print, and the names in Go and in the spec. */
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

/** The default variant of an architecture. */
const implied: ReadonlyMap<string, string> = new Map([["arm", "v7"], ["arm64", "v8"], ["amd64", "v1"]])

const part = /^[a-z0-9][a-z0-9_.-]{0,63}$/

/**
 * Returns the platform in its normal form: in lower case, with `amd64` for `x86_64` and `arm64` for `aarch64`, and with the
 * default variant if the architecture has one (`arm64` becomes `arm64/v8`, `arm` becomes `arm/v7`, `amd64` becomes
 * `amd64/v1`).
 *
 * @since 0.1.0
 * @category combinators
 */
export const normalize = (platform: Platform): Platform => {
  const os = platform.os.toLowerCase()
  const declared = platform.architecture.toLowerCase()
  const alias = architectures.get(declared)
  const architecture = alias?.architecture ?? declared
  const given = platform.variant?.toLowerCase() || alias?.variant
  const variant = given === undefined ? implied.get(architecture) : /^\d/.test(given) ? `v${given}` : given
  return { ...platform, os: systems.get(os) ?? os, architecture, ...(variant === undefined ? {} : { variant }) }
}

/**
 * Parses `OS/ARCHITECTURE[/VARIANT]`. The result is in its normal form, see {@link normalize}.
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
        reason: "it must be OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, such as linux/arm64"
      })
    )
}

/**
 * Formats a platform as `OS/ARCHITECTURE[/VARIANT]`. The default variants of `arm64` and `amd64` are left out.
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

/** Returns the variants of an architecture from one number down to another: a newer machine runs older variants. */
const downFrom = (architecture: string, from: number, to: number) =>
  Array.from({ length: Math.max(0, from - to + 1) }, (_, index) => ({ architecture, variant: `v${from - index}` }))

const numberOf = (variant: string | undefined): number => Number(/^v(\d{1,2})$/.exec(variant ?? "")?.[1] ?? NaN)

/**
 * Returns the platforms whose images run on a platform, the best first: the platform itself, then older variants, then the
 * 32-bit architecture that it supports.
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

/** Compares Windows builds (`10.0.17763` of `10.0.17763.1234`): Windows runs only images for its own build. */
const sameBuild = (wanted: string | undefined, found: string | undefined): boolean =>
  wanted === undefined || found === undefined ||
  wanted.split(".", 3).join(".") === found.split(".", 3).join(".")

/**
 * Returns whether two platforms are the same in their normal form. An `os.version` that only one of them has, and
 * `os.features`, are ignored.
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
 * Returns the best entry of an index for a platform: the first entry for the platform itself, or else for the first of its
 * {@link fallbacks}. Returns `undefined` if there is none. Entries without a platform are never chosen.
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
): Descriptor.Descriptor | undefined => {
  for (const wanted of fallbacks(platform)) {
    const found = entries.find((entry) => entry.platform !== undefined && equals(wanted, entry.platform))
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * Creates the error for an index that has no entry for any of the platforms. The error names the platforms of the index.
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
  const available = [...new Set(entries.flatMap(({ platform }) => platform === undefined ? [] : [format(platform)]))]
  const found = available.length === 0 ? "its entries have no platforms" : `it has ${available.slice(0, 20).join(", ")}`
  return new RegistryError.ManifestUnknown({
    repository,
    reference: index,
    reason: `the index has no image for ${platforms.map(format).join(", ")}: ${found}`
  })
}

/** The maximum depth of indexes that list indexes. */
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

/** Reads the platform from the config of an image. Returns none for an artifact, and for a config without a platform. */
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
 * Returns the image for a platform. From an index, returns the best entry for the platform. A single image must be for the
 * platform, according to its config. An index without platforms, an artifact, and an image without a platform are returned
 * unchanged.
 *
 * Fails with `ManifestUnknown` if there is no image for the platform. The error names the platforms that exist.
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
      return entry === undefined || depth === maxDepth
        ? Effect.fail(missing(repository, manifest.descriptor.digest, manifests, [platform]))
        : Effect.flatMap(registry.getManifest(repository, entry.digest), (below) => within(below, depth + 1))
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
