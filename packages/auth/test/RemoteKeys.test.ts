import { HttpClient, HttpClientResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Logger, TestClock } from "effect"
import { RemoteKeys, TokenKeys } from "../src/index.js"

const url = "https://auth.example/jwks.json?secret=CANARY"

/** A token server that answers what it is told. */
const answering = (answer: { status?: number; body: string; hangs?: boolean }) =>
  HttpClient.make((request) =>
    answer.hangs === true
      ? Effect.never
      : Effect.sync(() =>
        HttpClientResponse.fromWeb(request, new Response(answer.body, { status: answer.status ?? 200 }))
      )
  )

const published = (...keys: ReadonlyArray<TokenKeys.VerificationKey>) =>
  Effect.map(TokenKeys.toJwks(keys), JSON.stringify)

/** Keys are read elsewhere than in this thread: some turns of its loop later they are there. */
const turnsUntil = (done: () => boolean) =>
  Effect.promise(async () => {
    for (let turn = 0; turn < 10_000 && !done(); turn++) await new Promise((resolve) => setImmediate(resolve))
  })

describe("RemoteKeys.make", () => {
  it.scoped("knows the keys that are published, and new ones in time", () =>
    Effect.gen(function*() {
      const [a, b] = [yield* TokenKeys.generate(), yield* TokenKeys.generate("EdDSA")]
      const answer = { body: yield* published(a) }
      const keys = yield* Effect.provideService(
        RemoteKeys.make({ url, refreshEvery: "1 minute" }),
        HttpClient.HttpClient,
        answering(answer)
      )
      const ids = () => keys.all().map(({ id }) => id)
      expect(ids()).toEqual([a.id])
      answer.body = yield* published(b, a)
      expect(keys.find(b.id)).toBeUndefined()
      yield* TestClock.adjust("1 minute")
      yield* turnsUntil(() => keys.find(b.id) !== undefined)
      expect(ids()).toEqual([b.id, a.id])
      expect(keys.find(b.id)?.algorithm).toBe("EdDSA")
    }))

  it.scoped("keeps what it knows where there is nothing to read, and says so without secrets", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const key = yield* TokenKeys.generate()
      const answer: { status: number; body: string } = { status: 200, body: yield* published(key) }
      const keys = yield* RemoteKeys.make({ url, refreshEvery: "1 minute" }).pipe(
        Effect.provideService(HttpClient.HttpClient, answering(answer)),
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
      yield* turnsUntil(() => lines.length > 0)
      expect(keys.find(key.id)).toBeDefined()
      expect(lines).toHaveLength(1)
      expect(lines[0]).toContain("the keys at https://auth.example/jwks.json cannot be used: they cannot be read")
      expect(lines[0]).not.toContain("CANARY")
    }))

  it.scoped.each<readonly [name: string, answer: { status?: number; body: string }, problem: string]>([
    ["a refusal", { status: 404, body: "CANARY" }, "they cannot be read"],
    ["no JSON", { body: "CANARY" }, "it is not a JSON Web Key Set"],
    ["other JSON", { body: `{"keys":"CANARY"}` }, "it is not a JSON Web Key Set"],
    ["no keys", { body: `{"keys":[]}` }, "the set contains no key that verifies"],
    ["keys without end", { body: `{"keys":[${" ".repeat(70_000)}]}` }, "there are more than 65536 bytes"],
    [
      "a key that is none",
      { body: `{"keys":[{"kty":"EC","crv":"P-256","x":"CANARY"}]}` },
      "the key set contains a key that cannot be used"
    ]
  ])("does not start with %s", ([_, answer, problem]) =>
    Effect.gen(function*() {
      const error = yield* RemoteKeys.make({ url }).pipe(
        Effect.provideService(HttpClient.HttpClient, answering(answer)),
        Effect.flip
      )
      expect(error.message).toContain(`the keys at https://auth.example/jwks.json cannot be used: ${problem}`)
      expect(JSON.stringify(error)).not.toContain("CANARY")
    }))

  it.scoped("does not wait for ever", () =>
    Effect.gen(function*() {
      const fiber = yield* RemoteKeys.make({ url }).pipe(
        Effect.provideService(HttpClient.HttpClient, answering({ body: "", hangs: true })),
        Effect.flip,
        Effect.fork
      )
      yield* TestClock.adjust("10 seconds")
      expect((yield* fiber).message).toContain("they cannot be read")
    }))
})
