/** Tests a server while an attacker guesses passwords, over real connections from several addresses. */
import { Guard } from "@effect-oci/guard"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import { NodeContext } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import { describe, expect, it } from "@effect/vitest"
import * as bcrypt from "bcryptjs"
import { Context, Effect, Exit, Fiber, Layer, Logger, Redacted, Scope } from "effect"
import * as http from "node:http"
import { join } from "node:path"
import * as NodeHtpasswd from "../src/NodeHtpasswd.js"

/** Writes a file whose passwords take about 40 milliseconds each. */
const usersOf = (options?: Partial<NodeHtpasswd.Options>) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const path = join(yield* files.makeTempDirectoryScoped({ prefix: "htpasswd-" }), "users")
    yield* files.writeFileString(path, `alice:${bcrypt.hashSync("secret", 9)}\nbob:${bcrypt.hashSync("other", 4)}\n`)
    return yield* NodeHtpasswd.make({ path, ...options })
  })

const run = <A, E>(test: Effect.Effect<A, E, NodeContext.NodeContext | Scope.Scope>) =>
  test.pipe(Effect.provide(Layer.merge(NodeContext.layer, Logger.remove(Logger.defaultLogger))))

/** Returns the status of `GET /v2/` from a client address. */
const ask = (port: number, from: string, user?: string) =>
  Effect.async<number, Error>((resume) => {
    const authorization = user === undefined ? {} : { authorization: `Basic ${btoa(user)}` }
    const request = http.get({ port, host: "127.0.0.1", path: "/v2/", localAddress: from, headers: authorization })
    request.on("error", (error) => resume(Effect.fail(error)))
    request.on("response", (response) => {
      response.resume()
      response.on("end", () => resume(Effect.succeed(response.statusCode ?? 0)))
    })
    return Effect.sync(() => request.destroy())
  })

const serve = Effect.gen(function*() {
  const users = yield* usersOf({ threads: 1 })
  const server = NodeRegistryServer.layer({ port: 0, guard: Guard.make({ users }) })
  const address = Context.get(
    yield* Layer.build(Layer.provide(server, Memory.layer())),
    NodeRegistryServer.Address
  )
  return Number(address.authority.split(":").at(-1))
})

/** Sends wrong passwords from several addresses at once. */
const attack = (
  port: number,
  addresses: ReadonlyArray<string>,
  each: number,
  onAnswer: () => void = () => {}
) =>
  Effect.forEach(
    addresses.flatMap((from) => Array.from({ length: each }, (_, i) => ({ from, user: `${from}-${i}:guess` }))),
    ({ from, user }) => Effect.tap(ask(port, from, user), () => Effect.sync(onAnswer)),
    { concurrency: "unbounded" }
  )

describe("NodeHtpasswd.make", () => {
  it.scopedLive("compares passwords without blocking the thread of the server", () =>
    run(Effect.gen(function*() {
      const users = yield* usersOf()
      const check = (username: string, password: string) =>
        users.check({ username, password: Redacted.make(password), address: undefined })
      let ticks = 0
      const timer = yield* Effect.fork(Effect.forever(Effect.delay(Effect.sync(() => ticks++), "5 millis")))
      expect((yield* check("alice", "secret")).identity.name).toBe("alice")
      yield* Fiber.interrupt(timer)
      expect(ticks).toBeGreaterThan(2)
      expect((yield* check("bob", "other")).identity.name).toBe("bob")
      expect((yield* Effect.flip(check("alice", "other")))._tag).toBe("OciUnauthorized")
    })))

  it.scopedLive("ends its threads with the scope, and completes running comparisons", () =>
    run(Effect.gen(function*() {
      const scope = yield* Scope.make()
      const users = yield* Scope.extend(usersOf(), scope)
      const fiber = yield* Effect.fork(
        Effect.exit(users.check({ username: "bob", password: Redacted.make("other"), address: undefined }))
      )
      yield* Effect.sleep("20 millis")
      yield* Scope.close(scope, Exit.void)
      expect(Exit.isSuccess(yield* fiber)).toBe(true)
    })))
})

describe.skipIf(process.platform !== "linux")("a server under password guessing", () => {
  const attacks: ReadonlyArray<readonly [name: string, addresses: ReadonlyArray<string>, each: number]> = [
    ["60 at once from one address", ["127.0.0.3"], 60],
    ["120 at once from three addresses", ["127.0.0.3", "127.0.0.4", "127.0.0.5"], 40]
  ]
  it.scopedLive.each(attacks)("accepts a right password from a new address: %s", (
    [, addresses, each]
  ) =>
    run(Effect.gen(function*() {
      const port = yield* serve
      const attacker = yield* Effect.fork(attack(port, addresses, each))
      yield* Effect.sleep("200 millis")
      expect(yield* ask(port, "127.0.0.2", "bob:other")).toBe(200)
      expect(yield* ask(port, "127.0.0.2")).toBe(401)
      expect(attacker.unsafePoll()).toBeNull()
      yield* Fiber.interrupt(attacker)
    })))

  it.scopedLive("answers a user on another address at half its usual rate or more", () =>
    run(Effect.gen(function*() {
      const port = yield* serve
      const count = (millis: number) =>
        Effect.gen(function*() {
          const end = performance.now() + millis
          let answers = 0
          for (; performance.now() < end; answers++) expect(yield* ask(port, "127.0.0.2", "bob:other")).toBe(200)
          return answers
        })
      yield* count(200)
      const usual = yield* count(500)
      let answered = 0
      const attacker = yield* Effect.fork(
        attack(port, ["127.0.0.3", "127.0.0.4", "127.0.0.5"], 40, () => answered++)
      )
      // Wait until the attempts without a place are refused.
      yield* Effect.repeat(Effect.delay(Effect.sync(() => answered), "5 millis"), { until: (count) => count >= 56 })
      const attacked = yield* count(500)
      expect(attacker.unsafePoll()).toBeNull()
      yield* Fiber.interrupt(attacker)
      expect(attacked).toBeGreaterThan(usual / 2)
    })), { retry: 3 })
})
