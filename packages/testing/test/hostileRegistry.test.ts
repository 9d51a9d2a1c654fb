import { Client } from "@effect-oci/client"
import type { Operation } from "@effect-oci/core"
import { Digest, Registry, RegistryError } from "@effect-oci/core"
import { FetchHttpClient } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Logger, LogLevel, Option, Stream } from "effect"
import * as fc from "fast-check"
import type { Answered } from "../src/internal/fuzz/responses.js"
import { answerTo } from "../src/internal/fuzz/responses.js"
import { isSound, samples } from "../src/internal/fuzz/sampleOperations.js"

const tags = Object.keys(samples) as ReadonlyArray<Operation.OperationTag>

/** Converts a generated answer to a valid `Response`. */
const toResponse = ({ body, headers, status }: Answered, method: string): Response => {
  const sent = Object.entries(headers).flatMap(([name, value]): Array<[string, string]> =>
    name === "__proto__" ? [] : [[name, value.replace(/[^\t\x20-\x7e\x80-\xff]/g, "?")]]
  )
  const known = status >= 200 && status <= 599 ? status : 500
  const empty = method === "HEAD" || [204, 205, 304].includes(known)
  return new Response(empty ? null : body as BodyInit, { status: known, headers: sent })
}

/** Creates a registry that returns the answers in turn, for every request. */
const registry = (answers: ReadonlyArray<Answered>) => {
  let count = 0
  const urls: Array<string> = []
  const fetch: typeof globalThis.fetch = (input, init) => {
    urls.push(input instanceof Request ? input.url : input.toString())
    const answer = answers[count++ % answers.length]
    return answer === undefined ? Promise.reject(new TypeError("no answer")) : Promise.resolve(
      toResponse(answer, init?.method ?? "GET")
    )
  }
  const layer = Client.layer({
    host: "registry.example",
    maxPages: 10,
    maxRedirects: 3,
    retry: { retries: 1, delay: 0, maxDelay: 0 },
    pace: { maxHold: 0 }
  }).pipe(
    Layer.provide(FetchHttpClient.layer),
    Layer.provide(Layer.succeed(FetchHttpClient.Fetch, fetch)),
    Layer.provide(Logger.minimumLogLevel(LogLevel.None))
  )
  return { layer, urls }
}

/** Removes the client's seal from an upload id: what follows is the location that the registry sent. */
const withoutSeal = <A>(result: A): A => {
  const unseal = (upload: Operation.Upload) => ({ ...upload, id: upload.id.slice(upload.id.indexOf(".") + 1) })
  const found = result as { readonly id?: string; readonly upload?: Operation.Upload }
  if (found.upload !== undefined) return { ...result, upload: unseal(found.upload) }
  return found.id === undefined ? result : unseal(result as Operation.Upload) as A
}

/** Runs an operation, reads the whole result, and returns whether it is a valid result of the operation. */
const run = (operation: Operation.Operation): Effect.Effect<boolean, RegistryError.RegistryError, Registry> =>
  Effect.scoped(Effect.flatMap(Registry, ({ getBlob, handle }) => {
    switch (operation._tag) {
      case "GetBlob": {
        const { digest, range, repository } = operation
        const hasher = Digest.hasher("sha256")
        let length = 0
        return Effect.flatMap(getBlob(repository, digest, { range }), (content) =>
          Effect.map(
            Stream.runForEach(content.stream, (piece) =>
              Effect.sync(() => {
                hasher.update(piece)
                length += piece.byteLength
              })),
            () => content.range === undefined ? hasher.digest() === digest : length === content.range.length
          ))
      }
      case "ListRepositories":
      case "ListTags":
      case "ListReferrers":
        return Effect.flatMap(
          handle(operation) as Effect.Effect<Stream.Stream<unknown, RegistryError.RegistryError>>,
          (list) => Effect.map(Stream.runCollect(list), (items) => isSound(operation, { items: [...items] }))
        )
      default:
        return Effect.map(
          handle(operation) as Effect.Effect<unknown, RegistryError.RegistryError>,
          (result) => isSound(operation, withoutSeal(result))
        )
    }
  }))

describe("a client handles every response of a hostile registry", () => {
  it.each(tags)("%s", (tag) => {
    const operations = samples[tag]
    const answers = fc.array(
      fc.constantFrom<Operation.OperationTag>(tag, tag, tag, "StartUpload", "ListTags").chain(answerTo),
      {
        minLength: 1,
        maxLength: 5
      }
    )
    return fc.assert(
      fc.asyncProperty(fc.nat(operations.length - 1), answers, async (index, answers) => {
        const { layer, urls } = registry(answers)
        const exit = await Effect.runPromiseExit(
          run(operations[index] as Operation.Operation).pipe(
            Effect.provide(layer),
            Effect.timeoutFail({ duration: "10 seconds", onTimeout: () => new Error("timeout") })
          )
        )
        expect(urls.every((url) => /^https:\/\/[^/@]+\//.test(url))).toBe(true)
        expect(urls.length).toBeLessThan(120)
        if (Exit.isSuccess(exit)) {
          expect(exit.value).toBe(true)
          return
        }
        const error = Option.getOrThrowWith(Cause.failureOption(exit.cause), () => new Error(Cause.pretty(exit.cause)))
        if (!RegistryError.isRegistryError(error)) throw error
        expect(error.message.length).toBeLessThan(12_288)
        expect(error.message).not.toMatch(/[\p{Cc}\p{Cs}]/u)
        JSON.stringify(error)
      }),
      { numRuns: 100, seed: 20_261_121 }
    )
  }, 60_000)
})
