/**
 * The content of a blob on its way out of a registry.
 *
 * @since 0.1.0
 */
import type * as Stream from "effect/Stream"
import * as Body from "./Body.js"
import type { Span } from "./ByteRange.js"
import type { Descriptor } from "./Descriptor.js"
import type { ErrorFields, RegistryError } from "./RegistryError.js"

/**
 * The content of a blob, or a range of it: the descriptor of the whole blob, the span that is sent, and the bytes.
 * `verified` says that the bytes are known to be those of the digest: checked by whoever stored them, or checked as
 * they flow. The bytes of a range, and those of a foreign registry, are not.
 *
 * @since 0.1.0
 * @category models
 */
export class BlobContent {
  /** The descriptor of the whole blob, also where only a range of it is sent. */
  readonly descriptor: Descriptor
  /** What is sent, where a range was asked for; absent for the whole blob. */
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
 * The same content, checked against its descriptor as it flows. Content that is verified already, or is a range, stays
 * as it is. `asked` is what an error tells besides, as `Operation.errorFields` gives it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const verify = (content: BlobContent, asked?: ErrorFields): BlobContent =>
  content.verified || content.range !== undefined ? content : new BlobContent({
    descriptor: content.descriptor,
    body: Body.verify(content.body, content.descriptor, asked),
    verified: true
  })
