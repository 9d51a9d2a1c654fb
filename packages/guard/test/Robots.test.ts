import { AuthScope, Body } from "@effect-oci/core"
import { AdminApi, Guard, Policy, Robots, TokenKeys, TokenService, TokenVerifier, Users } from "@effect-oci/guard"
import type { Wire } from "@effect-oci/protocol"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Logger, Redacted, TestClock } from "effect"

interface Entry {
  readonly robot: Robots.Robot & { readonly hash: string; readonly isExpired: boolean }
}

/** A table in memory. `uses` counts the recorded uses. */
const makeTable = () => {
  const entries = new Map<string, Entry["robot"]>()
  const state = { uses: 0, fails: false }
  const table: Robots.Table = {
    add: ({ lifetime, ...robot }) =>
      Effect.sync(() => {
        if (entries.has(robot.name)) return false
        const expiresAt = lifetime
        entries.set(robot.name, { ...robot, createdAt: 0, expiresAt, lastUsedAt: undefined, isExpired: false })
        return true
      }),
    find: (name) => state.fails ? Effect.fail("no connection") : Effect.sync(() => entries.get(name)),
    list: () => Effect.sync(() => [...entries.values()]),
    renew: ({ hash, lifetime: expiresAt, name }) =>
      Effect.sync(() => {
        const robot = entries.get(name)
        if (robot !== undefined) entries.set(name, { ...robot, hash, expiresAt })
        return robot !== undefined
      }),
    remove: (name) => Effect.sync(() => entries.delete(name)),
    touch: () =>
      Effect.sync(() => {
        state.uses += 1
      })
  }
  return { entries, state, table }
}

const attempt = (
  robots: Robots.Robots,
  username: string,
  password: string,
  address: string | undefined = "192.0.2.1"
) =>
  Effect.map(
    Effect.either(robots.users.check({ username, password: Redacted.make(password), address })),
    (result) => result._tag === "Right" ? "right" : result.left._tag
  )

describe("Robots", () => {
  it.effect("limits wrong secrets from an address, and not those of a robot", () =>
    Effect.gen(function*() {
      const robots = yield* Robots.make(makeTable().table, { maxFailuresPerAddress: 3 })
      const { secret } = yield* robots.create({ name: "ci", permissions: "repository:**:pull" })
      for (let wrong = 0; wrong < 3; wrong++) expect(yield* attempt(robots, "robot+ci", "x")).toBe("OciUnauthorized")
      const right = Redacted.value(secret)
      expect(yield* attempt(robots, "robot+ci", right)).toBe("OciTooManyRequests")
      expect(yield* attempt(robots, "robot+other", "x")).toBe("OciTooManyRequests")
      for (let many = 0; many < 10; many++) expect(yield* attempt(robots, "robot+ci", right, "192.0.2.2")).toBe("right")
      yield* TestClock.adjust("1 minute")
      expect(yield* attempt(robots, "robot+ci", right)).toBe("right")
    }))

  it.effect("refuses names and secrets outside the grammar without a query", () =>
    Effect.gen(function*() {
      const { state, table } = makeTable()
      const robots = yield* Robots.make(table)
      const { secret } = yield* robots.create({ name: "ci", permissions: "repository:**:pull" })
      state.fails = true
      for (const name of ["ci", "robot+", "robot+CI", "robot+ci ", "robot+ci\n", `robot+${"x".repeat(65)}`]) {
        expect([name, yield* attempt(robots, name, Redacted.value(secret))]).toEqual([name, "OciUnauthorized"])
      }
      expect(yield* attempt(robots, "robot+ci", "x".repeat(300))).toBe("OciUnauthorized")
      expect(yield* attempt(robots, "robot+ci", Redacted.value(secret))).toBe("OciUnavailable")
    }))

  it.effect("records a use once a minute", () =>
    Effect.gen(function*() {
      const { state, table } = makeTable()
      const robots = yield* Robots.make(table)
      const secret = Redacted.value((yield* robots.create({ name: "ci", permissions: "repository:**:pull" })).secret)
      for (let use = 0; use < 5; use++) yield* attempt(robots, "robot+ci", secret)
      expect(state.uses).toBe(1)
      yield* TestClock.adjust("1 minute")
      yield* attempt(robots, "robot+ci", secret)
      expect(state.uses).toBe(2)
    }))

  it.effect("refuses wrong permissions", () =>
    Effect.gen(function*() {
      const robots = yield* Robots.make(makeTable().table)
      const error = yield* Effect.flip(robots.create({ name: "ci", permissions: "everything" }))
      expect(error.message).toContain(`invalid permission "everything"`)
    }))
})

describe("AdminApi", () => {
  const service = "registry.example"

  const setup = Effect.gen(function*() {
    const robots = yield* Robots.make(makeTable().table)
    const people: Users.Users = {
      check: ({ username }) => Effect.succeed({ identity: { name: username, claims: {} }, version: "1" }),
      find: Users.none.find
    }
    const users = Users.route((name) => name.startsWith(Robots.prefix) ? robots.users : people)
    const policy: Policy.Policy = (caller, requested) =>
      caller.name === "admin" ? Effect.succeed(requested) : Policy.authenticated(caller, requested)
    const keys = yield* TokenKeys.ring(yield* TokenKeys.generate())
    const tokens = yield* TokenService.make({ issuer: "i", service, keys, users, policy })
    const verify = yield* TokenVerifier.make({ issuer: "i", audience: service, keys })
    const authorize = Guard.authorize({
      users,
      tokens: { verify, service, realm: "https://auth.example/token" },
      policy
    })
    const admin = yield* AdminApi.make({ robots, authorize })
    const basic = (name: string, password = "x") => `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`
    const send = (method: string, path: string, authorization: string | undefined, payload?: unknown) =>
      Effect.map(
        admin({
          method,
          target: path,
          headers: { authorization, "content-type": "application/json" },
          body: payload === undefined ? undefined : Body.bytes(new TextEncoder().encode(JSON.stringify(payload)))
        }),
        ({ body, headers, status }) => ({ status, headers, text: new TextDecoder().decode(body?.bytes) })
      )
    const tokenFor = (name: string, password: string, scope: string) =>
      Effect.map(
        tokens.answer({
          method: "GET",
          target: `/token?scope=${scope}`,
          headers: { authorization: basic(name, password) },
          body: undefined
        }),
        ({ body }: Wire.Response) =>
          (JSON.parse(new TextDecoder().decode(body?.bytes)) as { readonly token: string }).token
      )
    return { basic, robots, send, tokenFor, verify }
  }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger)))

  it.scoped("creates, lists, renews and removes robots, and shows a secret once", () =>
    Effect.gen(function*() {
      const { basic, send, tokenFor, verify } = yield* setup
      const as = basic("admin")
      const json = ({ text }: { readonly text: string }) => JSON.parse(text) as never
      const created = yield* send("POST", "/admin/robots", as, {
        name: "ci",
        permissions: "repository:team/**:pull,push",
        lifetimeDays: 30
      })
      expect(created).toMatchObject({ status: 201, headers: { "cache-control": "no-store" } })
      const { secret, username } = json(created) as { readonly secret: string; readonly username: string }
      expect([username, secret]).toEqual(["robot+ci", expect.stringMatching(/^ocirobot_[\w-]{43}$/)])

      const scope = "repository:team/app:pull,push repository:team:push repository:other/app:pull"
      const verified = yield* verify(Redacted.make(yield* tokenFor(username, secret, encodeURIComponent(scope))))
      expect([verified.caller.name, AuthScope.format(AuthScope.canonical(verified.granted))])
        .toEqual(["robot+ci", "repository:team/app:pull,push"])

      const listed = yield* send("GET", "/admin/robots", as)
      expect(json(listed)).toEqual([{
        name: "ci",
        description: "",
        permissions: "repository:team/**:pull,push",
        createdAt: "1970-01-01T00:00:00.000Z",
        expiresAt: "1970-01-31T00:00:00.000Z"
      }])
      expect((yield* send("GET", "/admin/robots/ci", as)).status).toBe(200)
      const renewed = yield* send("POST", "/admin/robots/ci/secret", as, {})
      expect(renewed.status).toBe(200)
      expect((json(renewed) as { readonly secret: string }).secret).not.toBe(secret)
      expect((yield* send("DELETE", "/admin/robots/ci", as)).status).toBe(204)
      for (const { text } of [listed, yield* send("GET", "/admin/robots", as)]) expect(text).not.toContain(secret)
    }))

  it.scoped.each<readonly [status: number, method: string, path: string, payload?: unknown]>([
    [409, "POST", "/admin/robots", { name: "taken", permissions: "repository:**:pull" }],
    [400, "POST", "/admin/robots", { name: "new", permissions: "everything" }],
    [400, "POST", "/admin/robots", { name: "../x", permissions: "repository:**:pull" }],
    [400, "POST", "/admin/robots", { name: "new", permissions: "repository:**:pull", lifetimeDays: -1 }],
    [413, "POST", "/admin/robots", { name: "new", permissions: "x".repeat(70_000) }],
    [404, "GET", "/admin/robots/none"],
    [404, "DELETE", "/admin/robots/none"],
    [404, "POST", "/admin/robots/none/secret", {}],
    [404, "GET", "/admin/other"]
  ])("answers %d to %s %s %j", ([status, method, path, payload]) =>
    Effect.gen(function*() {
      const { basic, robots, send } = yield* setup
      yield* robots.create({ name: "taken", permissions: "repository:**:pull" })
      expect((yield* send(method, path, basic("admin"), payload)).status).toBe(status)
    }))

  it.scoped("is for callers with its scope only", () =>
    Effect.gen(function*() {
      const { basic, robots, send, tokenFor } = yield* setup
      const issued = yield* robots.create({ name: "ci", permissions: "repository:**:* registry:catalog:*" })
      const secret = Redacted.value(issued.secret)
      const token = yield* tokenFor("admin", "x", "registry:admin:*")
      const weak = yield* tokenFor("alice", "x", "registry:admin:*")
      for (
        const [authorization, status] of [
          [undefined, 401],
          [basic("alice"), 403],
          [basic("robot+ci", secret), 403],
          [basic("robot+ci", "wrong"), 401],
          [`Bearer ${weak}`, 401],
          [`Bearer ${token}`, 200],
          [basic("admin"), 200]
        ] as const
      ) {
        expect([authorization, (yield* send("GET", "/admin/robots", authorization)).status]).toEqual([
          authorization,
          status
        ])
      }
      expect((yield* send("POST", "/admin/", undefined)).status).toBe(401)
    }))

  it.scoped("has an OpenAPI page for everyone", () =>
    Effect.gen(function*() {
      const { send } = yield* setup
      const page = yield* send("GET", "/admin/", undefined)
      expect([page.status, page.headers["content-type"]]).toEqual([200, expect.stringContaining("text/html")])
      const { status, text } = yield* send("GET", "/admin/openapi.json", undefined)
      expect(status).toBe(200)
      expect(JSON.parse(text)).toMatchObject({
        paths: { "/admin/robots": { post: {} }, "/admin/robots/{name}/secret": {} },
        components: { securitySchemes: { basic: {}, bearer: {} } }
      })
    }))
})
