import * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** Returns the same body with a size. For a size that is known to be correct, even if the body does not declare it. */
export const sized = (body: Body.Body, size: number): Body.Body => {
  if (body.size !== undefined) return body
  const options = { size, replayable: body.replayable }
  return body.source === undefined ? Body.stream(body.stream, options) : Body.fromSource(body.source, options)
}

/**
 * Returns the same body with a size from an untrusted source. The body fails if it turns out to have another size.
 * `asked` adds fields to the error.
 */
export const measured = (body: Body.Body, size: number, asked?: RegistryError.ErrorFields): Body.Body => {
  const wrong = (received: string) =>
    new RegistryError.SizeInvalid({ ...asked, reason: `the content has ${received} than the ${size} bytes announced` })
  const stream = Stream.suspend(() => {
    let received = 0
    return Stream.concat(
      Stream.mapChunksEffect(body.stream, (chunk) => {
        for (const piece of chunk) received += piece.byteLength
        return received > size ? Effect.fail(wrong("more")) : Effect.succeed(chunk)
      }),
      Stream.suspend(() => received < size ? Stream.fail(wrong("less")) : Stream.empty)
    )
  })
  return Body.stream(stream, { size, replayable: body.replayable })
}
