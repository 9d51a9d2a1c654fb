import * as Body from "@effect-oci/core/Body"
import type { Hasher } from "@effect-oci/core/Digest"
import { SizeInvalid } from "@effect-oci/core/RegistryError"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** Sees the bytes of a body before their taker does; an error of it ends the body. */
export interface Observer {
  readonly update: (chunk: Uint8Array) => RegistryError | undefined
  readonly end: () => RegistryError | undefined
}

/** Counts and hashes what passes. Where a size is said, the body must have it. */
export const counter = (said: number | undefined, hasher: Hasher | undefined): Observer => {
  let received = 0
  return {
    update: (chunk) => {
      received += chunk.byteLength
      if (said !== undefined && received > said) {
        return new SizeInvalid({ reason: `content is longer than the ${said} bytes said` })
      }
      hasher?.update(chunk)
      return undefined
    },
    end: () =>
      said !== undefined && received < said
        ? new SizeInvalid({ reason: `content ended after ${received} of the ${said} bytes said` })
        : undefined
  }
}

/**
 * The same body, observed, to be run once. It stays what it was: bytes in hand, which are observed at once, a native
 * source, or a stream.
 */
export const observe = (body: Body.Body, observer: Observer): Effect.Effect<Body.Body, RegistryError> => {
  const { bytes, source } = body
  if (bytes !== undefined) {
    return Effect.suspend(() => {
      const error = observer.update(bytes) ?? observer.end()
      return error === undefined ? Effect.succeed(body) : Effect.fail(error)
    })
  }
  return Effect.succeed(
    source === undefined
      ? Body.stream(observeStream(body.stream, observer), { size: body.size })
      : Body.fromSource(observeSource(source, observer), { size: body.size })
  )
}

const observeStream = (stream: Stream.Stream<Uint8Array, RegistryError>, observer: Observer) =>
  Stream.concat(
    Stream.mapChunksEffect(stream, (chunk) => {
      for (const piece of chunk) {
        const error = observer.update(piece)
        if (error !== undefined) return Effect.fail(error)
      }
      return Effect.succeed(chunk)
    }),
    Stream.suspend(() => {
      const error = observer.end()
      return error === undefined ? Stream.empty : Stream.fail(error)
    })
  )

const observeSource = (source: Body.Source, observer: Observer): Body.Source => (sink) => {
  let ended = false
  const fail = (error: RegistryError) => {
    ended = true
    control.cancel()
    sink.fail(error)
    return false
  }
  const control = source({
    data: (chunk) => {
      if (ended) return false
      const error = observer.update(chunk)
      return error === undefined ? sink.data(chunk) : fail(error)
    },
    end: () => {
      if (ended) return
      const error = observer.end()
      if (error === undefined) sink.end()
      else fail(error)
    },
    fail: (error) => {
      if (!ended) sink.fail(error)
    }
  })
  return control
}
