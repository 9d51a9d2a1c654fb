/**
 * Descriptors: the media type, the size and the digest of content.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { Hashed } from "./BodyModel.js"
import * as Digest from "./Digest.js"

const Size = Schema.Number.pipe(Schema.int(), Schema.between(0, Number.MAX_SAFE_INTEGER, { identifier: "Size" }))

const Strings = Schema.Record({ key: Schema.String, value: Schema.String })

/** Some programs write `null` for an absent field, and Go reads `null` as absent. */
const optional = <A, I>(field: Schema.Schema<A, I>) => Schema.optionalWith(field, { nullable: true })

/**
 * The platform of an index entry. Image spec: [Image
 * Index](https://github.com/opencontainers/image-spec/blob/main/image-index.md).
 *
 * @since 0.1.0
 * @category models
 */
export interface Platform {
  readonly architecture: string
  readonly os: string
  readonly "os.version"?: string | undefined
  readonly "os.features"?: ReadonlyArray<string> | undefined
  readonly variant?: string | undefined
}

const PlatformSchema = Schema.Struct({
  architecture: Schema.String,
  os: Schema.String,
  "os.version": optional(Schema.String),
  "os.features": optional(Schema.Array(Schema.String)),
  variant: optional(Schema.String)
}).annotations({ identifier: "Platform" })

/**
 * A descriptor of content. `size` is in bytes, at most `Number.MAX_SAFE_INTEGER`. No memory is allocated based on
 * `size`. Image spec: [Descriptor](https://github.com/opencontainers/image-spec/blob/main/descriptor.md).
 *
 * @since 0.1.0
 * @category models
 */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest.Digest
  readonly size: number
  readonly urls?: ReadonlyArray<string> | undefined
  readonly annotations?: { readonly [key: string]: string } | undefined
  /** The content itself, in base64. */
  readonly data?: string | undefined
  readonly artifactType?: string | undefined
  readonly platform?: Platform | undefined
}

/**
 * @since 0.1.0
 * @category schemas
 */
export const schema: Schema.Schema<Descriptor, unknown> = Schema.Struct({
  mediaType: Schema.String,
  digest: Digest.schema,
  size: Size,
  urls: optional(Schema.Array(Schema.String)),
  annotations: optional(Strings),
  data: optional(Schema.String),
  artifactType: optional(Schema.String),
  platform: optional(PlatformSchema)
}).annotations({ identifier: "Descriptor" }) as never

/**
 * The media type of content of an unknown type.
 *
 * @since 0.1.0
 * @category constants
 */
export const octetStream = "application/octet-stream"

/**
 * Creates the descriptor of bytes.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Descriptor } from "@effect-oci/core"
 *
 * const config = Descriptor.fromBytes(new TextEncoder().encode("{}"), "application/vnd.oci.empty.v1+json")
 * ```
 */
export const fromBytes = (
  bytes: Uint8Array,
  mediaType: string = octetStream,
  algorithm: Digest.Algorithm = "sha256"
): Descriptor => ({ mediaType, digest: Digest.fromBytes(bytes, algorithm), size: bytes.byteLength })

/**
 * Creates the descriptor of a body whose digest is known: see `Body.hashed`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromBody = ({ digest, size }: Hashed, mediaType: string = octetStream): Descriptor => ({
  mediaType,
  digest,
  size
})
