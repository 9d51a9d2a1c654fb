import { AuthScope, Caller, RepositoryName } from "@effect-oci/core"
import type { Policy } from "@effect-oci/guard"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { Explanation } from "../src/index.js"

const request = (fields: Partial<Explanation.Request>): Explanation.Request => ({
  kind: "registry",
  registry: "https://a.test",
  repository: "team/app",
  method: "GET",
  path: "/v2/team/app/manifests/v1",
  scope: "repository:team/app:pull",
  count: 1,
  sent: true,
  ...fields
})

const explanation: Explanation.Explanation = {
  version: 1,
  requests: [
    request({}),
    request({ kind: "token", registry: "https://auth.test", method: "GET", path: "/token", repository: undefined }),
    request({
      registry: "https://b.test",
      method: "POST",
      path: "/v2/team/app/blobs/uploads/",
      count: 2,
      sent: false,
      scope: "repository:team/app:pull,push"
    }),
    request({ method: "DELETE", scope: "repository:team/app:delete", sent: false }),
    request({ kind: "other", registry: "https://cdn.test", path: "", scope: "" })
  ],
  credentials: [
    { registry: "https://a.test", repositories: [], source: "config.json, key a.test (a user and a password)" },
    { registry: "https://b.test", repositories: ["team/app"], source: "anonymous" }
  ],
  failure: "it failed"
}

describe("an explanation", () => {
  it("is JSON with one request a line", () => {
    const json = Explanation.encode(explanation)
    expect(json.split("\n").filter((line) => line.includes("\"method\""))).toHaveLength(5)
    expect(Explanation.decode(json)).toEqual(Either.right(JSON.parse(JSON.stringify(explanation))))
    const empty: Explanation.Explanation = { version: 1, requests: [], credentials: [] }
    expect(Explanation.decode(Explanation.encode(empty))).toEqual(Either.right(empty))
  })

  it("is refused if it is not valid, with the field", () => {
    const problem = (json: string) => Either.getOrThrow(Either.flip(Explanation.decode(json))).message
    expect(problem("no")).toBe("cannot read the explanation: it is not JSON; explain the program again")
    expect(problem(`{"version":2,"requests":[],"credentials":[]}`)).toContain("version: Expected 1")
    expect(problem(`{"version":1,"requests":[{}],"credentials":[]}`)).toContain("requests.0.kind: ")
  })

  it("is text, by registry", () => {
    expect(Explanation.format(explanation)).toBe(
      `https://a.test
  credentials: config.json, key a.test (a user and a password)
  scope: repository:team/app:delete,pull
   1x * GET    /v2/team/app/manifests/v1
   1x   DELETE /v2/team/app/manifests/v1

https://b.test
  credentials: anonymous, for team/app
  scope: repository:team/app:pull,push
   2x   POST   /v2/team/app/blobs/uploads/

token servers and redirects
   1x * GET    https://auth.test/token (a token for repository:team/app:pull)
   1x * GET    https://cdn.test (a redirect)

the program failed: it failed
`
    )
  })

  it.effect("is a policy for a guard", () =>
    Effect.gen(function*() {
      const policy: Policy.Policy = Explanation.policy(explanation, "https://b.test", ({ name }) => name === "ci")
      const requested = AuthScope.repository(RepositoryName.make("team/app"), "pull", "push", "delete")
      const granted = (name: string | undefined) =>
        Effect.map(policy({ ...Caller.anonymous, name }, requested), (scope) => scope.toString())
      expect(yield* granted("ci")).toBe("repository:team/app:pull,push")
      expect(yield* granted(undefined)).toBe("")
      const all: Policy.Policy = Explanation.policy(explanation)
      expect((yield* all(Caller.anonymous, requested)).toString()).toBe("repository:team/app:delete,pull,push")
    }))
})
