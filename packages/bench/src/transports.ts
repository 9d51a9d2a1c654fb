/**
 * Measures the processor time that the transports of a client (credentials, retries, redirects, pace, the address guard,
 * the idle timer and the log) add to one request: HEAD requests of a client with all transports, and of a client with
 * none, over an HTTP client that answers without a network.
 */
import { Client } from "@effect-oci/client"
import { Descriptor, Operation, RepositoryName } from "@effect-oci/core"
import type { Handler } from "@effect-oci/core"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import { get } from "@effect/platform/HttpClientRequest"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import { interleave, row, samplesOf } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"

const blob = Descriptor.fromBytes(new TextEncoder().encode("{}"))
const ask = new Operation.ResolveBlob({ repository: RepositoryName.make("team/app"), digest: blob.digest })

const headers = {
  "content-length": String(blob.size),
  "content-type": blob.mediaType,
  "docker-content-digest": blob.digest
}

/** An answer without a body. It creates its headers of a record each time that they are read, like those of undici. */
class Answer {
  constructor(readonly request: HttpClientRequest) {}
  get headers() {
    return Headers.fromInput(headers)
  }
}
// One prototype for all: an object that becomes the prototype of another one gets a map of its own among V8's old objects,
// which keeps the request alive until the whole heap is collected.
Object.setPrototypeOf(Answer.prototype, HttpClientResponse.fromWeb(get("/"), new Response(null)))

const answer = (request: HttpClientRequest) => new Answer(request) as unknown as HttpClientResponse.HttpClientResponse

/** An HTTP client that answers every request later in the same turn. */
const http = HttpClient.makeWith<HttpClientError, never, HttpClientError, never>(
  Effect.flatMap((request) =>
    Effect.async((resume) => {
      queueMicrotask(() => resume(Effect.succeed(answer(request))))
    })
  ),
  Effect.succeed
)

const times = 2000

/** Returns the processor time of this process, in microseconds. */
const used = () => {
  const { system, user } = process.cpuUsage()
  return system + user
}

/** Measures the processor time of one operation, in microseconds. */
const sample = (handle: Handler.Handler): Effect.Effect<number, unknown> =>
  Effect.suspend(() => {
    let left = times
    let wrong = 0
    const start = used()
    return Effect.flatMap(
      Effect.whileLoop({
        while: () => left-- > 0,
        body: () => handle(ask),
        step: ({ digest }) => {
          if (digest !== blob.digest) wrong++
        }
      }),
      () =>
        wrong === 0
          ? Effect.succeed((used() - start) / times)
          : Effect.dieMessage(`${wrong} of ${times} answers are wrong`)
    )
  })

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.gen(function*() {
  const options = { host: "registry.example.com" }
  const bare = yield* Client.makeBare(options)
  const whole = yield* Client.make(options)
  const rounds = yield* interleave(new Map([["bare", sample(bare.handle)], ["whole", sample(whole.handle)]]), {
    warmUp: 5,
    rounds: 21
  })
  const of = samplesOf(rounds)
  const without = of("bare")
  const figure = (name: string, samples: ReadonlyArray<number>, target?: number) =>
    row({ name, unit: "µs", better: "lower", target }, samples)
  return [
    figure("HEAD, without transports", without),
    figure("HEAD, with all transports", of("whole")),
    figure("all transports", of("whole").map((time, round) => time - (without[round] ?? Number.NaN)), 5)
  ]
}).pipe(Effect.provideService(HttpClient.HttpClient, http))
