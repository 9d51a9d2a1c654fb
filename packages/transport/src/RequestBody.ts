/**
 * Bodies of HTTP requests that keep the native source of their content.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import * as HttpBody from "@effect/platform/HttpBody"
import * as Chunk from "effect/Chunk"
import { globalValue } from "effect/GlobalValue"
import * as Stream from "effect/Stream"
import * as Transport from "./Transport.js"

const contents = globalValue(
  "@effect-oci/transport/RequestBody/contents",
  () => new WeakMap<HttpBody.Stream, Body.Body>()
)

/**
 * An empty piece at the end of each chunk of a native source. The client over `node:http` waits for its socket before every piece of a
 * chunk except the first. Without this piece it would read a body of single pieces faster than it can send them.
 */
const nothing = new Uint8Array(0)

/**
 * Creates the body of a request. Every HTTP client can send it as a stream. The client of `NodeHttp` sends a native
 * source without one. The body is marked as replayable if the content is (`Transport.markReplayable`).
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (content: Body.Body, contentType?: string): HttpBody.Stream => {
  const pieces = content.source === undefined
    ? content.stream
    : Stream.mapChunks(content.stream, Chunk.append(nothing))
  // The clients of Node drop what they have not yet sent when the stream fails. They take the empty piece after that.
  const sent = Stream.catchAll(pieces, (error) => Stream.concat(Stream.make(nothing), Stream.fail(error)))
  const body = HttpBody.stream(sent, contentType, content.size)
  contents.set(body, content)
  return content.replayable ? Transport.markReplayable(body) : body
}

/**
 * Returns the content of a body that was created by {@link make}, or the stream of another body.
 *
 * @since 0.1.0
 * @category getters
 */
export const contentOf = (body: HttpBody.Stream): Body.Body =>
  contents.get(body) ??
    Body.stream(body.stream, { size: body.contentLength, replayable: Transport.isReplayable(body) })
