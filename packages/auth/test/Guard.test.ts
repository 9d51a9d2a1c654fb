import type { Caller } from "@effect-oci/core"
import { AuthScope, Operation, RegistryError } from "@effect-oci/core"
import { Request } from "@effect-oci/protocol"
import type { Wire } from "@effect-oci/protocol"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Exit, Redacted } from "effect"
import type { Policy, Users } from "../src/index.js"
import { Guard, TokenVerifier } from "../src/index.js"
import { digest, grants, repository, rows, source } from "./operations.js"

const canary = "CANARY-password"

const users: Users.Users = {
  check: ({ password, username }) =>
    Redacted.value(password) === canary
      ? Exit.succeed({ identity: { name: username, claims: {} }, version: "1" })
      : Exit.fail(new RegistryError.Unauthorized({ reason: "the user name or the password is wrong" })),
  find: () => Exit.succeed(undefined)
}

const basic = (username: string, password = canary) => ({
  authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`
})

/** A token is the scope that it grants. */
const tokens: Guard.Tokens = {
  realm: "https://auth.example/token",
  service: "registry.example",
  verify: (token) =>
    Redacted.value(token) === "wrong"
      ? Exit.fail(new TokenVerifier.TokenInvalid({ reason: "the token does not verify" }))
      : Exit.succeed({
        caller: { name: "alice", claims: {} },
        granted: AuthScope.parse(Redacted.value(token).replaceAll("+", " "))
      })
}

const request = (headers: Wire.Headers): Wire.Request => ({ method: "GET", target: "/v2/", headers, body: undefined })

type Asked = Operation.Operation | Request.Ping

/** All of it is at hand, so that no answer needs a fiber. */
const ask = (guard: Guard.Guard, operation: Asked, headers: Wire.Headers = {}) => {
  const answer = guard(operation, request(headers))
  expect(Exit.isExit(answer)).toBe(true)
  return Effect.runSync(Effect.either(answer))
}

/** Refused: the status, the code and the challenge. */
const refusal = (guard: Guard.Guard, operation: Asked, headers?: Wire.Headers) => {
  const answer = ask(guard, operation, headers)
  if (Either.isRight(answer)) throw new Error("it was let through")
  const response = Request.encodeRejected(answer.left)
  return { status: response.status, challenge: response.headers["www-authenticate"], error: answer.left.error._tag }
}

const granting = (scope: string): Policy.Policy => () => Exit.succeed(AuthScope.parse(scope))

const table = Object.values(rows).flatMap(({ needs, operation }) =>
  grants.map(([scope, allows]) => ({ operation, scope, tag: operation._tag, allowed: allows.includes(needs) }))
)

describe("T34: what is let through is what the grant holds, for every operation", () => {
  it.each(table)("$tag by the token $scope: $allowed", ({ allowed, operation, scope }) => {
    const guard = Guard.make({ tokens })
    const answer = ask(guard, operation, { authorization: `Bearer ${scope === "" ? "none" : scope}` })
    if (allowed) expect(answer).toEqual(Either.right({ caller: { name: "alice", claims: {} }, operation }))
    else expect(Either.isLeft(answer)).toBe(true)
  })

  it.each(table)(
    "$tag by the policy $scope, with a password and without one: $allowed",
    ({ allowed, operation, scope }) => {
      const guard = Guard.make({ users, policy: granting(scope) })
      expect(Either.isRight(ask(guard, operation, basic("alice")))).toBe(allowed)
      expect(Either.isRight(ask(guard, operation))).toBe(allowed)
    }
  )
})

describe("who comes without credentials", () => {
  const pull = rows.GetManifest.operation

  it("is told where to get a token, and for what", () => {
    expect(refusal(Guard.make({ tokens }), pull)).toEqual({
      status: 401,
      error: "Unauthorized",
      challenge: `Bearer realm="https://auth.example/token",service="registry.example",scope="repository:team/app:pull"`
    })
  })

  it("is told both where both are taken, the token first", () => {
    expect(refusal(Guard.make({ tokens, users, realm: `our "own"` }), rows.PushBlob.operation).challenge).toBe(
      `Bearer realm="https://auth.example/token",service="registry.example",scope="repository:team/app:pull,push", ` +
        `Basic realm="our \\"own\\""`
    )
  })

  it("is always challenged at GET /v2/, where clients learn how to log in, even where all may pull", () => {
    const policy = granting("repository:team/app:pull")
    expect(refusal(Guard.make({ users, policy }), new Request.Ping())).toEqual({
      status: 401,
      error: "Unauthorized",
      challenge: `Basic realm="registry"`
    })
    expect(refusal(Guard.make({ tokens, policy }), new Request.Ping()).challenge).toBe(
      `Bearer realm="https://auth.example/token",service="registry.example"`
    )
    expect(Either.isRight(ask(Guard.make({ users, policy }), pull))).toBe(true)
  })

  it("is denied what the policy denies where nobody can say who they are, and has no one to turn to", () => {
    const guard = Guard.make({ policy: granting("repository:team/app:pull") })
    expect(Either.isRight(ask(guard, new Request.Ping()))).toBe(true)
    expect(Either.isRight(ask(guard, pull))).toBe(true)
    expect(refusal(guard, rows.PushBlob.operation)).toEqual({ status: 403, error: "Denied", challenge: undefined })
  })

  it("is let through as nobody, with neither a name nor a password too, as skopeo comes", () => {
    const guard = Guard.make({ users, policy: granting("repository:team/app:pull") })
    const admitted = Either.right({ caller: { name: undefined, claims: {} }, operation: pull })
    expect(ask(guard, pull)).toEqual(admitted)
    expect(ask(guard, pull, basic("", ""))).toEqual(admitted)
    expect(refusal(guard, new Request.Ping(), basic("", "")).status).toBe(401)
  })
})

describe("who comes with credentials", () => {
  const push = rows.PushManifest.operation

  it("may ping", () => {
    const guard = Guard.make({ users, tokens })
    expect(Either.isRight(ask(guard, new Request.Ping(), basic("alice")))).toBe(true)
    expect(Either.isRight(ask(guard, new Request.Ping(), { authorization: "Bearer any" }))).toBe(true)
  })

  it("with a wrong password is challenged, also for what is open to all", () => {
    const guard = Guard.make({ users, policy: (_, requested) => Exit.succeed(requested) })
    for (const operation of [new Request.Ping(), push]) {
      expect(refusal(guard, operation, basic("alice", "wrong"))).toEqual({
        status: 401,
        error: "Unauthorized",
        challenge: `Basic realm="registry"`
      })
    }
  })

  it("with a wrong token is told that it is wrong", () => {
    expect(refusal(Guard.make({ tokens }), push, { authorization: "Bearer wrong" })).toEqual({
      status: 401,
      error: "Unauthorized",
      challenge: `Bearer realm="https://auth.example/token",service="registry.example",` +
        `scope="repository:team/app:pull,push",error="invalid_token"`
    })
  })

  it("with too little of a token is told what is missing", () => {
    expect(refusal(Guard.make({ tokens }), push, { authorization: "bearer repository:team/app:pull" })).toEqual({
      status: 401,
      error: "Unauthorized",
      challenge: `Bearer realm="https://auth.example/token",service="registry.example",` +
        `scope="repository:team/app:pull,push",error="insufficient_scope"`
    })
  })

  it("with a name is denied what it may not, by what it is and not whether it is there", () => {
    const guard = Guard.make({ users, policy: granting("") })
    expect(refusal(guard, push, basic("alice"))).toEqual({ status: 403, error: "Denied", challenge: undefined })
  })

  it("with a token may do what everyone may", () => {
    const guard = Guard.make({ tokens, policy: granting("repository:team/app:pull") })
    expect(Either.isRight(ask(guard, rows.ListTags.operation, { authorization: "Bearer none" }))).toBe(true)
    expect(refusal(guard, push, { authorization: "Bearer none" }).challenge).toContain("insufficient_scope")
  })

  it("hears how long to wait, if there were too many", () => {
    const error = new RegistryError.TooManyRequests({ reason: "too many", retryAfter: 5000 })
    const guard = Guard.make({ users: { ...users, check: () => Exit.fail(error) } })
    const answer = ask(guard, push, basic("alice"))
    const response = Request.encodeRejected(Either.getOrThrow(Either.flip(answer)))
    expect(response).toMatchObject({ status: 429, headers: { "retry-after": "5" } })
  })

  it("is not let through where the policy fails", () => {
    const guard = Guard.make({ users, policy: () => Exit.fail(new RegistryError.Unavailable({})) })
    expect(refusal(guard, push, basic("alice")).status).toBe(503)
  })

  it.each([
    ["an unknown scheme", "Negotiate abc=="],
    ["no scheme", canary],
    ["nothing after the scheme", "Basic "],
    ["no base64", "Basic !!!"],
    ["no colon", `Basic ${btoa(canary)}`],
    ["a scheme that is not taken", `Bearer ${canary}`],
    ["a header too long", `Basic ${"A".repeat(32 * 1024)}`]
  ])("that cannot be read is challenged: %s", (_, authorization) => {
    const answer = ask(Guard.make({ users }), push, { authorization })
    const rejected = Either.getOrThrow(Either.flip(answer))
    expect(Request.encodeRejected(rejected)).toMatchObject({
      status: 401,
      headers: { "www-authenticate": `Basic realm="registry"` }
    })
    expect(`${JSON.stringify(rejected)}${rejected.message}`).not.toContain("CANARY")
  })

  it("may have colons in the password", () => {
    const guard = Guard.make({
      users: {
        ...users,
        check: ({ password, username }) =>
          Exit.succeed({ identity: { name: `${username}|${Redacted.value(password)}`, claims: {} }, version: "1" })
      }
    })
    const answer = ask(guard, push, basic("alice", "a:b:ü"))
    expect(Either.getOrThrow(answer).caller.name).toBe("alice|a:b:ü")
  })

  it("is known by the address that the option says", () => {
    const seen: Array<string | undefined> = []
    const watched: Users.Users = {
      ...users,
      check: (attempt) => {
        seen.push(attempt.address)
        return users.check(attempt)
      }
    }
    const asked: Wire.Request = {
      ...request({ ...basic("alice"), "x-forwarded-for": "192.0.2.7" }),
      remoteAddress: "127.0.0.1"
    }
    Effect.runSync(Guard.make({ users: watched })(push, asked))
    Effect.runSync(
      Guard.make({ users: watched, address: ({ headers }) => headers["x-forwarded-for"] })(push, asked)
    )
    expect(seen).toEqual(["127.0.0.1", "192.0.2.7"])
  })
})

describe("T33: a mount from where the caller may not pull", () => {
  const mount = new Operation.MountBlob({ repository, digest, from: source })
  const upload = new Operation.StartUpload({ repository })
  const push = "repository:team/app:pull,push"

  it.each([
    ["its own and the source", `${push}+repository:team/base:pull`, mount, mount],
    ["its own alone", push, mount, upload],
    ["its own, and to push to the source", `${push}+repository:team/base:push`, mount, upload],
    ["its own, and no source is named", push, new Operation.MountBlob({ repository, digest }), upload]
  ])("goes on as an upload unless it may: %s", (_, scope, asked, expected) => {
    const answer = ask(Guard.make({ tokens }), asked, { authorization: `Bearer ${scope}` })
    expect(Either.getOrThrow(answer).operation).toEqual(expected)
  })

  it("from anywhere stays one for whom nothing is forbidden", () => {
    const guard = Guard.make({ users, policy: () => Exit.succeed(AuthScope.unlimited) })
    const anywhere = new Operation.MountBlob({ repository, digest })
    expect(Either.getOrThrow(ask(guard, anywhere, basic("root"))).operation).toBe(anywhere)
  })

  it("is refused where the caller may not push", () => {
    const headers = { authorization: "Bearer repository:team/base:pull" }
    expect(refusal(Guard.make({ tokens }), mount, headers).challenge).toContain(
      `scope="repository:team/app:pull,push repository:team/base:pull"`
    )
  })
})

describe("without a policy", () => {
  const guard = Guard.make({ users })
  const everything = Object.values(rows).map(({ operation }): Operation.Operation => operation)

  it("who has a name may do everything, and nobody else anything", () => {
    for (const operation of everything) {
      expect(Either.isRight(ask(guard, operation, basic("alice")))).toBe(true)
      expect(refusal(guard, operation).status).toBe(401)
    }
  })
})

it("asks a policy who calls, and for what the operation requires", () => {
  const asked: Array<readonly [Caller.Identity, string]> = []
  const policy: Policy.Policy = (caller, requested) => {
    asked.push([caller, AuthScope.format(requested)])
    return Exit.succeed(requested)
  }
  ask(Guard.make({ users, policy }), rows.DeleteTag.operation, basic("alice"))
  expect(asked).toEqual([[{ name: "alice", claims: {} }, "repository:team/app:delete"]])
})
