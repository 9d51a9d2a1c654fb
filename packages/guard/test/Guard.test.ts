import type { Caller } from "@effect-oci/core"
import { Answer, AuthScope, Operation, RegistryError } from "@effect-oci/core"
import type { Policy, Users } from "@effect-oci/guard"
import { Guard, TokenVerifier } from "@effect-oci/guard"
import { Request } from "@effect-oci/protocol"
import type { Wire } from "@effect-oci/protocol"
import { digest, grants, repository, rows, source } from "@effect-oci/testing/OperationScopes"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Exit, Redacted } from "effect"

const canary = "CANARY-password"

const users: Users.Users = {
  check: ({ password, username }) =>
    Redacted.value(password) === canary
      ? Answer.succeed({ identity: { name: username, claims: {} }, version: "1" })
      : Answer.fail(new RegistryError.Unauthorized({ reason: "the user name or the password is wrong" })),
  find: () => Answer.succeed(undefined)
}

const basic = (username: string, password = canary) => ({
  authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`
})

/** The tokens of these tests are the scopes that they grant. */
const tokens: Guard.Tokens = {
  realm: "https://auth.example/token",
  service: "registry.example",
  verify: (token) =>
    Redacted.value(token) === "wrong"
      ? Answer.fail(new TokenVerifier.TokenInvalid({ reason: "the token does not verify" }))
      : Answer.succeed({
        caller: { name: "alice", claims: {} },
        granted: AuthScope.parse(Redacted.value(token).replaceAll("+", " "))
      })
}

const request = (headers: Wire.Headers): Wire.Request => ({ method: "GET", target: "/v2/", headers, body: undefined })

type GuardedOperation = Operation.Operation | Request.Ping

/** Runs a guard synchronously: no answer needs a fiber. */
const runGuard = (guard: Guard.Guard, operation: GuardedOperation, headers: Wire.Headers = {}) => {
  const answer = guard(operation, request(headers))
  expect(Exit.isExit(answer)).toBe(true)
  return Effect.runSync(Effect.either(answer))
}

/** Returns the status, the error and the challenge of a refusal. */
const refusal = (guard: Guard.Guard, operation: GuardedOperation, headers?: Wire.Headers) => {
  const answer = runGuard(guard, operation, headers)
  if (Either.isRight(answer)) throw new Error("the guard admitted the operation")
  const response = Request.encodeRejected(answer.left)
  return { status: response.status, challenge: response.headers["www-authenticate"], error: answer.left.error._tag }
}

const granting = (scope: string): Policy.Policy => () => Answer.succeed(AuthScope.parse(scope))

const table = Object.values(rows).flatMap(({ needs, operation }) =>
  grants.map(([scope, allows]) => ({ operation, scope, tag: operation._tag, allowed: allows.includes(needs) }))
)

describe("Guard.make: admits an operation only if the granted scope contains it (T34)", () => {
  it.each(table)("$tag by the token $scope: $allowed", ({ allowed, operation, scope }) => {
    const guard = Guard.make({ tokens })
    const answer = runGuard(guard, operation, { authorization: `Bearer ${scope === "" ? "none" : scope}` })
    if (allowed) expect(answer).toEqual(Either.right({ caller: { name: "alice", claims: {} }, operation }))
    else expect(Either.isLeft(answer)).toBe(true)
  })

  it.each(table)(
    "$tag by the policy $scope, with a password and without one: $allowed",
    ({ allowed, operation, scope }) => {
      const guard = Guard.make({ users, policy: granting(scope) })
      expect(Either.isRight(runGuard(guard, operation, basic("alice")))).toBe(allowed)
      expect(Either.isRight(runGuard(guard, operation))).toBe(allowed)
    }
  )
})

describe("Guard.make, for a caller without credentials", () => {
  const pull = rows.GetManifest.operation

  it("answers with a challenge that names the realm and the scope", () => {
    expect(refusal(Guard.make({ tokens }), pull)).toEqual({
      status: 401,
      error: "OciUnauthorized",
      challenge: `Bearer realm="https://auth.example/token",service="registry.example",scope="repository:team/app:pull"`
    })
  })

  it("answers with both challenges if both are supported, Bearer first", () => {
    expect(refusal(Guard.make({ tokens, users, realm: `our "own"` }), rows.PushBlob.operation).challenge).toBe(
      `Bearer realm="https://auth.example/token",service="registry.example",scope="repository:team/app:pull,push", ` +
        `Basic realm="our \\"own\\""`
    )
  })

  it("always challenges GET /v2/, where clients learn how to log in, even if everyone may pull", () => {
    const policy = granting("repository:team/app:pull")
    expect(refusal(Guard.make({ users, policy }), new Request.Ping())).toEqual({
      status: 401,
      error: "OciUnauthorized",
      challenge: `Basic realm="registry"`
    })
    expect(refusal(Guard.make({ tokens, policy }), new Request.Ping()).challenge).toBe(
      `Bearer realm="https://auth.example/token",service="registry.example"`
    )
    expect(Either.isRight(runGuard(Guard.make({ users, policy }), pull))).toBe(true)
  })

  it("answers 403 without a challenge if it has neither users nor tokens", () => {
    const guard = Guard.make({ policy: granting("repository:team/app:pull") })
    expect(Either.isRight(runGuard(guard, new Request.Ping()))).toBe(true)
    expect(Either.isRight(runGuard(guard, pull))).toBe(true)
    expect(refusal(guard, rows.PushBlob.operation)).toEqual({ status: 403, error: "OciDenied", challenge: undefined })
  })

  it("treats an empty name with an empty password as anonymous, as skopeo sends it", () => {
    const guard = Guard.make({ users, policy: granting("repository:team/app:pull") })
    const admitted = Either.right({ caller: { name: undefined, claims: {} }, operation: pull })
    expect(runGuard(guard, pull)).toEqual(admitted)
    expect(runGuard(guard, pull, basic("", ""))).toEqual(admitted)
    expect(refusal(guard, new Request.Ping(), basic("", "")).status).toBe(401)
  })
})

describe("Guard.make, for a caller with credentials", () => {
  const push = rows.PushManifest.operation

  it("admits GET /v2/", () => {
    const guard = Guard.make({ users, tokens })
    expect(Either.isRight(runGuard(guard, new Request.Ping(), basic("alice")))).toBe(true)
    expect(Either.isRight(runGuard(guard, new Request.Ping(), { authorization: "Bearer any" }))).toBe(true)
  })

  it("challenges a wrong password, even for an operation that everyone may do", () => {
    const guard = Guard.make({ users, policy: (_, requested) => Answer.succeed(requested) })
    for (const operation of [new Request.Ping(), push]) {
      expect(refusal(guard, operation, basic("alice", "wrong"))).toEqual({
        status: 401,
        error: "OciUnauthorized",
        challenge: `Basic realm="registry"`
      })
    }
  })

  it("answers a wrong token with error=\"invalid_token\"", () => {
    expect(refusal(Guard.make({ tokens }), push, { authorization: "Bearer wrong" })).toEqual({
      status: 401,
      error: "OciUnauthorized",
      challenge: `Bearer realm="https://auth.example/token",service="registry.example",` +
        `scope="repository:team/app:pull,push",error="invalid_token"`
    })
  })

  it("answers a token that grants too little with error=\"insufficient_scope\"", () => {
    expect(refusal(Guard.make({ tokens }), push, { authorization: "bearer repository:team/app:pull" })).toEqual({
      status: 401,
      error: "OciUnauthorized",
      challenge: `Bearer realm="https://auth.example/token",service="registry.example",` +
        `scope="repository:team/app:pull,push",error="insufficient_scope"`
    })
  })

  it("denies an operation that the user may not do, whether the content exists or not", () => {
    const guard = Guard.make({ users, policy: granting("") })
    expect(refusal(guard, push, basic("alice"))).toEqual({ status: 403, error: "OciDenied", challenge: undefined })
  })

  it("admits with a token what anonymous callers may do", () => {
    const guard = Guard.make({ tokens, policy: granting("repository:team/app:pull") })
    expect(Either.isRight(runGuard(guard, rows.ListTags.operation, { authorization: "Bearer none" }))).toBe(true)
    expect(refusal(guard, push, { authorization: "Bearer none" }).challenge).toContain("insufficient_scope")
  })

  it("answers with Retry-After after too many attempts", () => {
    const error = new RegistryError.TooManyRequests({ reason: "too many", retryAfter: 5000 })
    const guard = Guard.make({ users: { ...users, check: () => Answer.fail(error) } })
    const answer = runGuard(guard, push, basic("alice"))
    const response = Request.encodeRejected(Either.getOrThrow(Either.flip(answer)))
    expect(response).toMatchObject({ status: 429, headers: { "retry-after": "5" } })
  })

  it("admits nothing if the policy fails", () => {
    const guard = Guard.make({ users, policy: () => Answer.fail(new RegistryError.Unavailable({})) })
    expect(refusal(guard, push, basic("alice")).status).toBe(503)
  })

  it.each([
    ["an unknown scheme", "Negotiate abc=="],
    ["no scheme", canary],
    ["nothing after the scheme", "Basic "],
    ["not base64", "Basic !!!"],
    ["no colon", `Basic ${btoa(canary)}`],
    ["a scheme that is not supported", `Bearer ${canary}`],
    ["a header too long", `Basic ${"A".repeat(32 * 1024)}`]
  ])("challenges a malformed header: %s", (_, authorization) => {
    const answer = runGuard(Guard.make({ users }), push, { authorization })
    const rejected = Either.getOrThrow(Either.flip(answer))
    expect(Request.encodeRejected(rejected)).toMatchObject({
      status: 401,
      headers: { "www-authenticate": `Basic realm="registry"` }
    })
    expect(`${JSON.stringify(rejected)}${rejected.message}`).not.toContain("CANARY")
  })

  it("accepts a password with colons", () => {
    const guard = Guard.make({
      users: {
        ...users,
        check: ({ password, username }) =>
          Answer.succeed({ identity: { name: `${username}|${Redacted.value(password)}`, claims: {} }, version: "1" })
      }
    })
    const answer = runGuard(guard, push, basic("alice", "a:b:ü"))
    expect(Either.getOrThrow(answer).caller.name).toBe("alice|a:b:ü")
  })

  it("passes the address that the option returns to the users", () => {
    const addresses: Array<string | undefined> = []
    const recordingUsers: Users.Users = {
      ...users,
      check: (attempt) => {
        addresses.push(attempt.address)
        return users.check(attempt)
      }
    }
    const wireRequest: Wire.Request = {
      ...request({ ...basic("alice"), "x-forwarded-for": "192.0.2.7" }),
      remoteAddress: "127.0.0.1"
    }
    Effect.runSync(Guard.make({ users: recordingUsers })(push, wireRequest))
    Effect.runSync(
      Guard.make({ users: recordingUsers, address: ({ headers }) => headers["x-forwarded-for"] })(push, wireRequest)
    )
    expect(addresses).toEqual(["127.0.0.1", "192.0.2.7"])
  })
})

describe("Guard.make, for a mount from a repository that the caller may not pull (T33)", () => {
  const mount = new Operation.MountBlob({ repository, digest, from: source })
  const upload = new Operation.StartUpload({ repository })
  const push = "repository:team/app:pull,push"

  it.each([
    ["target and source", `${push}+repository:team/base:pull`, mount, mount],
    ["target only", push, mount, upload],
    ["target, and push to the source", `${push}+repository:team/base:push`, mount, upload],
    ["target, without a source in the request", push, new Operation.MountBlob({ repository, digest }), upload]
  ])("admits the mount or converts it to an upload: %s", (_, scope, request, expected) => {
    const answer = runGuard(Guard.make({ tokens }), request, { authorization: `Bearer ${scope}` })
    expect(Either.getOrThrow(answer).operation).toEqual(expected)
  })

  it("admits a mount without a source for a caller with the unlimited scope", () => {
    const guard = Guard.make({ users, policy: () => Answer.succeed(AuthScope.unlimited) })
    const withoutSource = new Operation.MountBlob({ repository, digest })
    expect(Either.getOrThrow(runGuard(guard, withoutSource, basic("root"))).operation).toBe(withoutSource)
  })

  it("refuses the mount if the caller may not push", () => {
    const headers = { authorization: "Bearer repository:team/base:pull" }
    expect(refusal(Guard.make({ tokens }), mount, headers).challenge).toContain(
      `scope="repository:team/app:pull,push repository:team/base:pull"`
    )
  })
})

describe("Guard.make without a policy", () => {
  const guard = Guard.make({ users })
  const unlimited = Object.values(rows).map(({ operation }): Operation.Operation => operation)

  it("grants everything to users with a name, and nothing to anonymous callers", () => {
    for (const operation of unlimited) {
      expect(Either.isRight(runGuard(guard, operation, basic("alice")))).toBe(true)
      expect(refusal(guard, operation).status).toBe(401)
    }
  })
})

it("Guard.make passes the caller and the required scope to the policy", () => {
  const request: Array<readonly [Caller.Identity, string]> = []
  const policy: Policy.Policy = (caller, requested) => {
    request.push([caller, AuthScope.format(requested)])
    return Answer.succeed(requested)
  }
  runGuard(Guard.make({ users, policy }), rows.DeleteTag.operation, basic("alice"))
  expect(request).toEqual([[{ name: "alice", claims: {} }, "repository:team/app:delete"]])
})

describe("Guard.make: passes credentials on only with the option `present`", () => {
  const operation = rows.GetManifest.operation
  it.each([
    { kind: "a password", headers: basic("alice"), present: { _tag: "Basic", username: "alice" } },
    {
      kind: "a token",
      headers: { authorization: "Bearer registry:catalog:*+repository(plugin):a:pull" },
      present: undefined
    },
    { kind: "no credentials", headers: {}, present: undefined }
  ])("$kind", ({ headers, present }) => {
    const policy = granting("repository:team/app:pull,push,delete")
    const admitted = (guard: Guard.Guard) => Either.getOrUndefined(runGuard(guard, operation, headers))
    const passed = admitted(Guard.make({ users, policy, present: true }))
    if (present !== undefined) expect(passed?.presented).toMatchObject(present)
    expect(admitted(Guard.make({ users, policy }))?.presented).toBeUndefined()
  })
})

describe("Guard.passThrough", () => {
  const guard = Guard.passThrough({ realm: "upstream" })
  const operation = rows.GetManifest.operation

  it("challenges the check of a login without credentials, and malformed credentials", () => {
    const challenged = { status: 401, challenge: `Basic realm="upstream"`, error: "OciUnauthorized" }
    expect(refusal(guard, new Request.Ping())).toEqual(challenged)
    expect(refusal(guard, operation, { authorization: "Basic !" })).toEqual(challenged)
  })

  it.each([
    { kind: "no credentials", headers: {}, presented: undefined },
    { kind: "a password", headers: basic("alice"), presented: { _tag: "Basic", username: "alice" } },
    { kind: "a token", headers: { authorization: "Bearer a.b.c" }, presented: { _tag: "Bearer" } }
  ])("admits every operation anonymously, and passes on $kind", ({ headers, presented }) => {
    for (const { operation } of Object.values(rows)) {
      const admission = Either.getOrThrow(runGuard(guard, operation, headers))
      expect(admission).toMatchObject({ operation, caller: { name: undefined, claims: {} } })
      expect(admission.challenge).toMatchObject({ "www-authenticate": `Basic realm="upstream"` })
      if (presented === undefined) expect(admission.presented).toBeUndefined()
      else expect(admission.presented).toMatchObject(presented)
      expect(JSON.stringify(admission)).not.toContain(canary)
    }
  })
})
