import { RemoteKeys, TokenKeys } from "@effect-oci/guard"
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Logger, TestClock } from "effect"

const url = "https://auth.example/jwks.json?secret=CANARY"

/** Creates an HTTP client whose server responds with the current value of `answer`. */
const respondingWith = (answer: { status?: number; body: string; hangs?: boolean }) =>
  HttpClient.make((request) =>
    answer.hangs === true
      ? Effect.never
      : Effect.sync(() =>
        HttpClientResponse.fromWeb(request, new Response(answer.body, { status: answer.status ?? 200 }))
      )
  )

const published = (...keys: ReadonlyArray<TokenKeys.VerificationKey>) =>
  Effect.map(TokenKeys.toJwks(keys), JSON.stringify)

/** Waits for some turns of the event loop, because keys are imported on another thread. */
const waitUntil = (done: () => boolean) =>
  Effect.promise(async () => {
    for (let wait = 0; wait < 10_000 && !done(); wait++) await new Promise((resolve) => setImmediate(resolve))
  })

describe("RemoteKeys.make", () => {
  it.scoped("reads the published keys, and reads new ones at the interval", () =>
    Effect.gen(function*() {
      const [a, b] = [yield* TokenKeys.generate(), yield* TokenKeys.generate("EdDSA")]
      const answer = { body: yield* published(a) }
      const keys = yield* Effect.provideService(
        RemoteKeys.make({ url, refreshEvery: "1 minute" }),
        HttpClient.HttpClient,
        respondingWith(answer)
      )
      const ids = () => keys.all().map(({ id }) => id)
      expect(ids()).toEqual([a.id])
      answer.body = yield* published(b, a)
      expect(keys.find(b.id)).toBeUndefined()
      yield* TestClock.adjust("1 minute")
      yield* waitUntil(() => keys.find(b.id) !== undefined)
      expect(ids()).toEqual([b.id, a.id])
      expect(keys.find(b.id)?.algorithm).toBe("EdDSA")
    }))

  it.scoped("keeps the known keys if the key set cannot be read, and logs it without secrets", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const key = yield* TokenKeys.generate()
      const answer: { status: number; body: string } = { status: 200, body: yield* published(key) }
      const keys = yield* RemoteKeys.make({ url, refreshEvery: "1 minute" }).pipe(
        Effect.provideService(HttpClient.HttpClient, respondingWith(answer)),
        Effect.provide(Logger.replace(
          Logger.defaultLogger,
          Logger.make(({ annotations, message }) => {
            lines.push(`${String(message)} ${JSON.stringify([...annotations])}`)
          })
        ))
      )
      answer.status = 500
      answer.body = "CANARY"
      yield* TestClock.adjust("1 minute")
      yield* waitUntil(() => lines.length > 0)
      expect(keys.find(key.id)).toBeDefined()
      expect(lines).toHaveLength(1)
      expect(lines[0]).toContain("the keys at https://auth.example/jwks.json cannot be used: they cannot be read")
      expect(lines[0]).not.toContain("CANARY")
    }))

  it.scoped.each<readonly [name: string, answer: { status?: number; body: string }, problem: string]>([
    ["a 404", { status: 404, body: "CANARY" }, "they cannot be read"],
    ["a key set that is not JSON", { body: "CANARY" }, "it is not a JSON Web Key Set"],
    ["other JSON", { body: `{"keys":"CANARY"}` }, "it is not a JSON Web Key Set"],
    ["no keys", { body: `{"keys":[]}` }, "the set contains no key that verifies"],
    ["a key set without end", { body: `{"keys":[${" ".repeat(70_000)}]}` }, "there are more than 65536 bytes"],
    [
      "an invalid key",
      { body: `{"keys":[{"kty":"EC","crv":"P-256","x":"CANARY"}]}` },
      "the key set contains a key that cannot be used"
    ]
  ])("fails to start with %s", ([_, answer, problem]) =>
    Effect.gen(function*() {
      const error = yield* RemoteKeys.make({ url }).pipe(
        Effect.provideService(HttpClient.HttpClient, respondingWith(answer)),
        Effect.flip
      )
      expect(error.message).toContain(`the keys at https://auth.example/jwks.json cannot be used: ${problem}`)
      expect(JSON.stringify(error)).not.toContain("CANARY")
    }))

  it.scoped("fails after a timeout", () =>
    Effect.gen(function*() {
      const fiber = yield* RemoteKeys.make({ url }).pipe(
        Effect.provideService(HttpClient.HttpClient, respondingWith({ body: "", hangs: true })),
        Effect.flip,
        Effect.fork
      )
      yield* TestClock.adjust("10 seconds")
      expect((yield* fiber).message).toContain("they cannot be read")
    }))
})
