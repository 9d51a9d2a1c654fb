import * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** The same body, of a size that it need not say itself and that is not doubted. */
export const sized = (body: Body.Body, size: number): Body.Body => {
  if (body.size !== undefined) return body
  const options = { size, replayable: body.replayable }
  return body.source === undefined ? Body.stream(body.stream, options) : Body.fromSource(body.source, options)
}

/**
 * The same body, of a size that only somebody else says: it fails where it turns out to have another. `asked` is what
 * such an error tells besides.
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
