/**
 * The content of a blob that a registry returns.
 *
 * @since 0.1.0
 */
import type * as Stream from "effect/Stream"
import * as Body from "./Body.js"
import type { Span } from "./ByteRange.js"
import type { Descriptor } from "./Descriptor.js"
import type { ErrorFields, RegistryError } from "./RegistryError.js"

/**
 * The content of a blob, or a range of it: the descriptor of the whole blob, the range that is sent, and the bytes.
 * `verified` says that the bytes are known to match the digest: the store verified them, or they are verified as they
 * flow. The bytes of a range, and the bytes from a remote registry, are not verified.
 *
 * @since 0.1.0
 * @category models
 */
export class BlobContent {
  /** The descriptor of the whole blob, even if only a range is sent. */
  readonly descriptor: Descriptor
  /** The range that is sent. Absent for the whole blob. */
  readonly range: Span | undefined
  readonly body: Body.Body
  readonly verified: boolean

  constructor(fields: {
    readonly descriptor: Descriptor
    readonly range?: Span | undefined
    readonly body: Body.Body
    readonly verified: boolean
  }) {
    this.descriptor = fields.descriptor
    this.range = fields.range
    this.body = fields.body
    this.verified = fields.verified
  }

  /** The bytes, as a stream. */
  get stream(): Stream.Stream<Uint8Array, RegistryError> {
    return this.body.stream
  }
}

/**
 * Returns the same content, verified against its descriptor as it flows. Content that is already verified, and content
 * of a range, is returned unchanged. `fields` adds fields to the error, such as those of `Operation.errorFields`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const verify = (content: BlobContent, fields?: ErrorFields): BlobContent =>
  content.verified || content.range !== undefined ? content : new BlobContent({
    descriptor: content.descriptor,
    body: Body.verify(content.body, content.descriptor, fields),
    verified: true
  })

/**
 * Returns the same content with another body, such as one that counts the bytes.
 *
 * @since 0.1.0
 * @category combinators
 */
export const mapBody = (content: BlobContent, f: (body: Body.Body) => Body.Body): BlobContent =>
  new BlobContent({ ...content, body: f(content.body) })

/**
 * Returns the same content with other errors. Bytes in memory cannot fail, so their content is returned unchanged.
 *
 * @since 0.1.0
 * @category combinators
 */
export const mapError = (content: BlobContent, f: (error: RegistryError) => RegistryError): BlobContent =>
  content.body.bytes === undefined ? mapBody(content, Body.mapError(f)) : content
