import * as Body from "@effect-oci/core/Body"
import { ResponseInvalid } from "@effect-oci/core/RegistryError"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

interface Counter {
  readonly add: (chunk: Uint8Array) => RegistryError | undefined
  readonly end: () => RegistryError | undefined
}

const counter = (size: number): Counter => {
  let sent = 0
  return {
    add: (chunk) => {
      sent += chunk.byteLength
      return sent > size ? new ResponseInvalid({ reason: `content is longer than the ${size} bytes said` }) : undefined
    },
    end: () =>
      sent < size
        ? new ResponseInvalid({ reason: `content ended after ${sent} of the ${size} bytes said` })
        : undefined
  }
}

/**
 * The same body, which fails where it has not just the length that its response says. On a connection that goes on,
 * bytes beyond it would be read as the next response, and what is missing would be taken from there.
 */
export const exactly = (body: Body.Body, size: number): Body.Body =>
  body.source === undefined
    ? Body.stream(exactStream(body.stream, size), { size })
    : Body.fromSource(exactSource(body.source, size), { size })

const exactStream = (inner: Body.Body["stream"], size: number): Body.Body["stream"] =>
  Stream.suspend(() => {
    const { add, end } = counter(size)
    return Stream.concat(
      Stream.mapChunksEffect(inner, (chunk) => {
        for (const piece of chunk) {
          const error = add(piece)
          if (error !== undefined) return Effect.fail(error)
        }
        return Effect.succeed(chunk)
      }),
      Stream.suspend(() => {
        const error = end()
        return error === undefined ? Stream.empty : Stream.fail(error)
      })
    )
  })

const exactSource = (inner: Body.Source, size: number): Body.Source => (sink) => {
  const { add, end } = counter(size)
  let over = false
  const control = inner({
    data: (chunk) => {
      if (over) return false
      const error = add(chunk)
      if (error === undefined) return sink.data(chunk)
      over = true
      control.cancel()
      sink.fail(error)
      return false
    },
    end: () => {
      if (over) return
      const error = end()
      if (error === undefined) sink.end()
      else sink.fail(error)
    },
    fail: (error) => {
      if (!over) sink.fail(error)
    }
  })
  return control
}
